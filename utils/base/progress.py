"""Progress bars for whatever may take more than a few seconds."""

import sys
from collections.abc import Iterable

from tqdm import tqdm


def bar(steps: Iterable | None = None, **options) -> tqdm:
    """Show how far a long work is, in one line that goes when it is done.

    In a notebook the line is ordinary output: what goes to the error stream is painted red there,
    and the paint stays. A command keeps its output clean and uses the error stream. The options are
    those of `tqdm.tqdm`; without `steps` the bar is moved by its `update`.
    """
    shown_on = sys.stdout if "ipykernel" in sys.modules else sys.stderr
    return tqdm(steps, leave=False, file=shown_on, **options)
