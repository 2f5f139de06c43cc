"""Pickled weights from strangers: read by an unpickler that refuses everything but arrays.

A pickle is a little program, and `pickle.load` runs it. This one may only call what is on its list.
Lessons 01 and 13 read weights with it.
"""

import io
import pickle
from collections.abc import Mapping

import numpy as np


class ArraysOnly(pickle.Unpickler):
    """Reads a pickle that may use the names in `allowed` and no other.

    Args:
        file: open for reading bytes.
        allowed: (module, name) → what to use for it.

    Raises:
        pickle.UnpicklingError: for any other name, before anything of it runs.
    """

    def __init__(self, file, allowed: Mapping[tuple[str, str], object], **options):
        super().__init__(file, **options)
        self.allowed = allowed

    def find_class(self, module, name):
        """Give what stands for a name on the list."""
        if (module, name) not in self.allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no array needs")
        return self.allowed[module, name]


def _empty(kind, shape, dtype):
    """NumPy's own first step: an array that the pickle then fills."""
    if kind is not np.ndarray:
        raise pickle.UnpicklingError("it asks for another kind of array")
    return np.ndarray.__new__(np.ndarray, shape, dtype)


def _to_bytes(text, encoding):
    """How Python 3 writes bytes into an old pickle."""
    return text.encode({"latin1": "latin1"}[encoding])


_NUMPY = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _empty,
    ("numpy._core.multiarray", "_reconstruct"): _empty,
    ("_codecs", "encode"): _to_bytes,
}


def read_dictionary(content: bytes, name: str) -> dict[str, list[np.ndarray]]:
    """Read a `.npy` file that holds a pickled dictionary: layer name → list of its arrays.

    Args:
        content: the whole file, as `bvlc_alexnet.npy` and other nets converted from Caffe have it.
        name: what to call it in an error.

    Returns:
        Layer name → arrays, as stored.

    Raises:
        ValueError: if it is damaged, asks for anything but arrays, or holds anything else.

    Taught in lesson 13.
    """
    file = io.BytesIO(content)
    try:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        holder = ArraysOnly(file, _NUMPY, encoding="latin1").load()
        layers = holder.item() if isinstance(holder, np.ndarray) else holder
        arrays = {
            str(key): [np.asarray(a, "float32") for a in pair] for key, pair in layers.items()
        }
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise ValueError(f"{name} is not a usable weights file: {error}") from error
    return arrays
