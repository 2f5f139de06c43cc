import io
import pickle

import numpy as np
import pytest

from utils.sources.unpickler import read_dictionary

pytestmark = pytest.mark.check


def old_npy(content, protocol=2):
    """A `.npy` file as Python 2 and old NumPy wrote a dictionary: a 0-d array of objects."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
    pickle.dump(np.array(content, object), file, protocol)
    return file.getvalue()


LAYERS = {"fc8": [np.arange(6, dtype="float32").reshape(2, 3), np.ones(3, "float32")]}


@pytest.mark.parametrize("protocol", [2, 4])
def test_arrays_come_back_as_they_were(protocol):
    read = read_dictionary(old_npy(LAYERS, protocol), "a.npy")
    assert list(read) == ["fc8"]
    for mine, stored in zip(read["fc8"], LAYERS["fc8"], strict=True):
        assert np.array_equal(mine, stored) and mine.dtype == np.float32


def test_what_numpy_itself_saves_is_read(tmp_path):
    np.save(tmp_path / "a.npy", np.array(LAYERS, object), allow_pickle=True)
    read = read_dictionary((tmp_path / "a.npy").read_bytes(), "a.npy")
    assert np.array_equal(read["fc8"][0], LAYERS["fc8"][0])


class Evil:
    def __reduce__(self):
        import os

        return os.system, ("touch ran",)


class Subtle:
    """Asks NumPy's own helper for something that is not an array."""

    def __reduce__(self):
        return np._core.multiarray._reconstruct, (np.dtype, (0,), b"b")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"fc8": Evil()}, r"system, which no array needs"),
        ({"fc8": [Evil()]}, r"system, which no array needs"),
        ({"fc8": Subtle()}, r"another kind of array"),
        ({"fc8": 3}, "not iterable"),
        ([1, 2], "not a usable"),
        ({"fc8": ["text"]}, "could not convert"),
    ],
)
def test_anything_but_arrays_is_refused(content, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=reason):
        read_dictionary(old_npy(content), "a.npy")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(share):
    content = old_npy(LAYERS)
    with pytest.raises(ValueError, match=r"a\.npy is not a usable weights file"):
        read_dictionary(content[: int(len(content) * share)], "a.npy")
