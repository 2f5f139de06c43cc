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
    """Write a file, or a folder of files, that appears under its name only when it is complete.

    Yields a temporary path beside it to write to; its folder is made when missing. On an error it
    is removed and `path` is untouched; a full disk or a missing right is said in one sentence.
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.replace(partial, path)
    except OSError as error:
        # Not from the disk (errors of `requests` are of this kind, too), or of a file inside.
        if error.errno is None or "could not write" in str(error):
            raise
        raise type(error)(error.errno, _explain(path, error)) from error
    finally:
        with suppress(OSError):  # it must not hide the error above
            _remove(partial)


def _remove(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _explain(path, error):
    folder = next(folder for folder in path.parents if folder.exists())
    free = shutil.disk_usage(folder).free / 1e6
    return (
        f"could not write {path} ({error.strerror or error}; {free:,.0f} MB free): "
        "make room, or set COURSE_CACHE_DIR and COURSE_DATA_DIR to folders you can write"
    )


def remove_stale_partials(folder: Path) -> None:
    """Delete what killed runs left in a folder; what is not a day old may be somebody's at work."""
    for partial in folder.glob(".*.partial*"):
        with suppress(OSError):  # another run was faster, or the folder is read-only
            if time.time() - partial.stat().st_mtime > 86_400:
                _remove(partial)
