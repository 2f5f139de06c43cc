"""Progress bars for whatever may take more than a few seconds."""

import sys
from collections.abc import Iterable

from tqdm import tqdm


def bar(steps: Iterable | None = None, **options) -> tqdm:
    """Show in one line how far a long work is; without `steps`, as `update` says."""
    # In a notebook what goes to the error stream is painted red, and the paint stays.
    shown_on = sys.stdout if "ipykernel" in sys.modules else sys.stderr
    return tqdm(steps, leave=False, file=shown_on, **options)
