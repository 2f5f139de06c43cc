"""What a lesson's parameters may be: one table for notebooks, profiles and commands."""

from math import inf
from numbers import Integral, Real
from pathlib import Path

# A name, or the end of one such as HEAD_EPOCHS → kind, lowest, highest. The first that fits counts,
# and with an S more it is a list: PROBE_BLOCKS.
RANGES = {
    "EPOCHS": (Integral, 1, inf),
    "BATCH_SIZE": (Integral, 1, inf),
    "SIZE": (Integral, 16, 2048),  # side of a picture, in pixels
    "PER_CLASS": (Integral, 0, inf),  # 0 takes all
    "LEARNING_RATE": (Real, 1e-9, 10),
    "SEED": (Integral, 0, 4_000_000_000),  # NumPy ends at 2³², and lessons add a few
    "CLASSES": (Integral, 2, inf),
    **dict.fromkeys(
        ("UNITS", "PICTURES", "NEIGHBOURS", "FEW", "VIEWS", "ACTORS"), (Integral, 1, inf)
    ),
    "CELL_TIMEOUT": (Integral, 1, inf),  # of the command `run`, in seconds
    "ROTATION": (Real, 0, 180),  # degrees
    "ZOOM": (Real, 0, 0.9),
    **dict.fromkeys(("MARGIN", "SHARE"), (Real, 0, 1)),
    "PRICE": (Real, 0, inf),
    "FLATTEN": (bool, False, True),
    **dict.fromkeys(("PROFILE", "DATASET", "SIGNS", "BACKBONE", "NETWORK"), (str, "", "")),
    **dict.fromkeys(("SECOND", "BLOCK", "LAYER"), (str, "", "")),
}


def misfit(name: str, value) -> str:
    """Say in a sentence what a parameter must be; "" if it is so, or has no range."""
    for end, row in RANGES.items():
        if f"_{name.upper()}".endswith((f"_{end}", f"_{end}S")):
            single = name.upper().endswith(end)
            listed = isinstance(value, (list, tuple)) and value
            if _fits(value, *row) if single else listed and all(_fits(v, *row) for v in value):
                return ""
            each = "" if single else "a list, each item "
            return f"{name} is {value!r}, but it must be {each}{_described(*row)}"
    return ""


def _fits(value, kind, low, high):
    if kind is str:
        return isinstance(value, (str, Path)) and bool(str(value).strip())
    return (
        isinstance(value, kind)
        and isinstance(value, bool) == (kind is bool)
        and low <= value <= high
    )


def _described(kind, low, high):
    if kind in (str, bool):
        return "True or False" if kind is bool else "a text that is not empty"
    until = f"of at least {low:,}" if high == inf else f"from {low:,} to {high:,}"
    return f"a {'whole ' if kind is Integral else ''}number {until}"
