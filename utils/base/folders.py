"""Where things are kept, and how a file is written so that nobody ever reads half of it."""

import os
import shutil
import time
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def data_dir() -> Path:
    """Folder of the data sets, one folder each: `COURSE_DATA_DIR`, else `data/`; lesson 00."""
    return _folder("COURSE_DATA_DIR", ROOT / "data")


def cache_dir() -> Path:
    """Folder of what can be computed again: `COURSE_CACHE_DIR`, else `data/cache/`; lesson 01."""
    return _folder("COURSE_CACHE_DIR", ROOT / "data" / "cache")


def weights_dir() -> Path:
    """Folder of `<backbone>.weights.h5` files: `COURSE_WEIGHTS_DIR`, else `data/weights/`."""
    return _folder("COURSE_WEIGHTS_DIR", ROOT / "data" / "weights")


def _folder(variable, default):
    return Path(os.environ.get(variable) or default).expanduser().absolute()


@contextmanager
def whole_file(path: Path):
    """Write a file that appears under its name only when it is complete.

    Args:
        path: final name; its folder is made when missing.

    Yields:
        A temporary path beside it to write to. On an error it is removed and `path` is untouched.

    Raises:
        OSError: if the disk is full or the folder cannot be written, with a sentence saying so.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.replace(partial, path)
    except OSError as error:
        if error.errno is None:  # not from the disk: errors of `requests` are of this kind, too
            raise
        raise type(error)(error.errno, _explain(path, error)) from error
    finally:
        with suppress(OSError):  # it must not hide the error above
            partial.unlink()


def _explain(path, error):
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e6
    return (
        f"could not write {path} ({error.strerror or error}; {free:,.0f} MB free): "
        "make room, or set COURSE_CACHE_DIR and COURSE_DATA_DIR to folders you can write"
    )


def remove_stale_partials(folder: Path, older_than_seconds: float = 86_400) -> int:
    """Delete what killed runs left half-written in a folder; returns how many such things went.

    Args:
        folder: looked through, but not what is in its subfolders; may be missing.
        older_than_seconds: younger ones may belong to a run that is still going on.
    """
    removed = 0
    for partial in Path(folder).glob(".*.partial*"):
        try:
            if time.time() - partial.stat().st_mtime > older_than_seconds:
                if partial.is_dir():
                    shutil.rmtree(partial)
                else:
                    partial.unlink()
                removed += 1
        except OSError:  # another run was faster, or the folder is read-only
            continue
    return removed
