"""Where arrays go when the cache folder cannot be written: to this user's own folder."""

import os
import stat
import sys

import numpy as np
import pytest

from utils.base import cache

pytestmark = [
    pytest.mark.check,
    pytest.mark.skipif(sys.platform == "win32", reason="there each user has a temporary folder"),
]


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """A temporary folder as all users share it, and a cache folder that cannot be made."""
    (tmp_path / "blocked").write_text("")
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "blocked"))
    monkeypatch.setattr(cache.tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir(mode=0o777)
    return tmp_path / "tmp"


def keep(compute=lambda: [np.ones((2, 3))]):
    return cache.kept("features", "key", (2, 3), "float32", compute)


def test_only_this_user_can_read_or_write_it_and_it_is_found_again(shared, capsys):
    old = os.umask(0)
    try:
        assert keep()[1] is False
    finally:
        os.umask(old)
    (place,) = shared.iterdir()
    assert stat.S_IMODE(place.stat().st_mode) == 0o700 and place.stat().st_uid == os.getuid()
    assert f"kept in {place}/features for now" in capsys.readouterr().out
    values, found = keep(compute=None)
    assert found and np.array_equal(values, np.ones((2, 3)))


def open_to_all(place):
    place.mkdir()
    place.chmod(0o777)


def of_another_user(place):
    if os.getuid() != 0:
        pytest.skip("only root may give a folder away")
    place.mkdir(mode=0o700)
    os.chown(place, 12345, 12345)


def a_link(place):
    target = place.with_name("a neighbour's")
    target.mkdir(mode=0o700)
    place.symlink_to(target)


def a_file(place):
    place.write_text("")


@pytest.mark.parametrize("plant", [open_to_all, of_another_user, a_link, a_file])
def test_what_somebody_else_put_there_is_not_used(shared, plant):
    plant(shared / f"course-{os.getuid()}")
    with pytest.raises(OSError, match="set COURSE_CACHE_DIR to a folder of your own") as caught:
        keep()
    assert "\n" not in str(caught.value)
    assert [p for p in shared.rglob("*") if p.suffix] == []
