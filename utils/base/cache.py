"""Arrays that can be computed again, kept on disk under a name made of what they come from.

Lesson 01 shows the effect: the second time, nothing is computed.
"""

import errno
import hashlib
import math
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from utils.base.folders import cache_dir, remove_stale_partials, whole_file


def kept(
    kind: str, key: str, shape: tuple, dtype: str, compute: Callable[[], Iterable[np.ndarray]]
) -> tuple[np.ndarray, bool]:
    """Read an array from the cache, or compute it piece by piece and keep it there.

    The array lies in the folder `kind`, such as "features"; equal keys promise equal arrays. Only
    if needed, `compute` gives consecutive pieces along the first axis. Returns the array, read as
    needed (a change of it stays in memory), and whether it was there already. A damaged file is
    computed again; a full disk is said before.
    """
    folder = _usable_folder(kind)
    remove_stale_partials(folder)
    path = folder / f"{key}.npy"
    if (values := _read(path)) is not None:
        return values, True
    _need_room(path, np.dtype(dtype).itemsize * math.prod(shape), kind)
    _write(path, shape, np.dtype(dtype), compute)
    return np.load(path, mmap_mode="c"), False


def pieces(values: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Give an array in pieces of `size` along its first axis, the last one shorter."""
    for start in range(0, len(values), size):
        # Mapped anew for every piece: memory does not fill with what was read (see `make bench`).
        on_disk = isinstance(values, np.memmap)
        whole = np.load(values.filename, mmap_mode="c") if on_disk else values
        yield whole[start : start + size]


def _usable_folder(kind):
    folder = cache_dir() / kind
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    place = _private_folder() / kind
    place.mkdir(exist_ok=True)
    print(f"{folder} cannot be written, so {kind} are kept in {place} for now")
    return place


def _private_folder():
    """This user's own folder in the system's temporary folder, which all users share.

    Anybody may make a folder of this name there first, and could then put arrays into it.
    """
    user = os.getuid() if hasattr(os, "getuid") else "cache"  # Windows: each user has a folder
    place = Path(tempfile.gettempdir()) / f"course-{user}"
    with suppress(FileExistsError):
        place.mkdir(mode=0o700)
    found = place.lstat()
    mine = stat.S_ISDIR(found.st_mode) and found.st_uid == user and not found.st_mode & 0o077
    if hasattr(os, "getuid") and not mine:
        wrong = f"{place} is not a folder that only you can use, so nothing is kept there"
        way_out = "set COURSE_CACHE_DIR to a folder of your own"
        raise PermissionError(errno.EACCES, f"{wrong}: {way_out}")
    return place


def _need_room(path, size, kind):
    """Say before a long run, and not after, that its result will not fit."""
    free = shutil.disk_usage(path.parent).free
    if free < size:
        need = f"has {free / 1e6:,.0f} MB free, but the {kind} need {size / 1e6:,.0f} MB"
        way_out = "make room, or set COURSE_CACHE_DIR to another folder"
        raise OSError(errno.ENOSPC, f"{path.parent} {need}: {way_out}")


def _write(path, shape, dtype, compute):
    dtype = dtype.newbyteorder("<")
    with whole_file(path) as partial:
        # Plain writes and no memory map: on a full disk those raise, a map ends the process.
        with open(partial, "wb") as file:
            header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_2_0(file, header)
            for piece in compute():
                file.write(np.ascontiguousarray(piece, dtype).data)
        with open(partial, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        # Written first, so that an array under its final name always has its digest beside it.
        with whole_file(path.with_suffix(".sha256")) as side:
            side.write_text(digest, "utf-8")


def _read(path):
    """The cached array, or None when there is none or it is damaged."""
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != path.with_suffix(".sha256").read_text("utf-8").strip():
            raise ValueError("the digest differs")
        return np.load(path, mmap_mode="c")
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        print(f"What is kept in {path.name} is damaged ({error}): computing it again")
        return None
