"""What happens in classrooms: shared folders, full disks, two lessons at once, wrong clocks."""

import os
import shutil
import subprocess
import sys
import time

import nbformat
import numpy as np
import pytest

from tests.conftest import write_classes
from utils import datasets, features
from utils.base import folders
from utils.base.folders import ROOT

SKIP_WINDOWS = pytest.mark.skipif(sys.platform == "win32", reason="needs the rights of Unix")
LOOK = """
import hashlib, os
from utils import datasets
data = datasets.load(os.environ["PETS"])
said = hashlib.sha256()
for split in data.splits:
    said.update(split.stored_pixels(32).tobytes() + split.labels.tobytes())
print(len(data.train), said.hexdigest())
"""
EXTRACT = """
import hashlib, os
from utils import backbones, datasets, features
data = datasets.load(os.environ["PETS"])
found = features.extract(backbones.build("efficientnet_lite0", 32), data.train)
print(len(data.train), hashlib.sha256(found.values.tobytes()).hexdigest())
"""


def ordinary_user():
    """What to put before a command so that rights count: root may write everywhere."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root may write everywhere, and there is no setpriv to give that up")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


def begin(script, cache, before=(), **more):
    environment = {**os.environ, "COURSE_CACHE_DIR": str(cache), **more}
    command = [*before, sys.executable, "-c", script]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=environment, **pipes)


def last_line(process):
    said = process.communicate(timeout=300)[0]
    assert process.returncode == 0, said
    return said.strip().splitlines()[-1]


@pytest.fixture
def read_only():
    """Takes the right to write from folders, and gives it back at the end."""
    changed = []

    def take(folder):
        for path in [folder, *(p for p in folder.rglob("*") if p.is_dir())]:
            changed.append((path, path.stat().st_mode))
            path.chmod(0o555)

    yield take
    for path, mode in reversed(changed):
        path.chmod(mode)


@SKIP_WINDOWS
def test_ten_learners_on_one_shared_read_only_folder(tally, home, read_only):
    pets = write_classes(home / "shared", 20)
    read_only(pets)
    expected = last_line(begin(LOOK, home / "mine", PETS=str(pets)))
    rights = ordinary_user()
    learners = [begin(LOOK, home / f"{i}", rights, PETS=str(pets)) for i in range(10)]
    for learner in learners:
        with tally.attempt("ten learners on one shared read-only data folder"):
            assert last_line(learner) == expected
    assert sorted(p.name for p in pets.iterdir()) == ["cat", "dog"]


@SKIP_WINDOWS
def test_a_cache_folder_that_turns_read_only(tally, home, read_only):
    pets, cache = write_classes(home / "pets", 10), home / "cache"
    expected = last_line(begin(EXTRACT, home / "mine", PETS=str(pets)))
    last_line(begin(LOOK, cache, PETS=str(pets)))
    (cache / "features").mkdir()  # an earlier lesson could still write there
    read_only(cache)
    temporary = home / "temporary"
    temporary.mkdir()
    for _ in range(2):
        with tally.attempt("a cache folder that turns read-only"):
            learner = begin(EXTRACT, cache, ordinary_user(), PETS=str(pets), TMPDIR=str(temporary))
            assert last_line(learner) == expected
    assert [p.name for p in cache.rglob("*.npy")] == [
        p.name for p in (cache / "pixels").glob("*.npy")
    ]


@SKIP_WINDOWS
def test_a_second_user_who_may_not_write_where_lessons_are_kept(home, read_only):
    (home / "data").mkdir()
    read_only(home / "data")
    lesson = [sys.executable, "-m", "utils.course", "run", "--profile", "smoke", "00"]
    options = {"cwd": ROOT, "env": {**os.environ, "COURSE_DATA_DIR": str(home / "data")}}
    said = subprocess.run([*ordinary_user(), *lesson], capture_output=True, text=True, **options)
    where = home / "data" / "runs" / "smoke"
    wanted = f"executed lessons cannot be kept in {where}: set COURSE_DATA_DIR to a folder"
    assert said.returncode == 2 and wanted in said.stderr, said.stderr


@pytest.fixture
def tiny_disk(tmp_path):
    """A real file system of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if (
        not sys.platform.startswith("linux")
        or subprocess.run(command, capture_output=True).returncode
    ):
        pytest.skip("only root on Linux may mount a small disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk(tally, home, lite, tiny_disk, monkeypatch):
    """Full before it begins, full on the way, full at the end: and then there is room again."""
    data = datasets.load(write_classes(home / "pets", 40))
    expected = np.array(features.extract(lite, data.train).values)
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tiny_disk / "cache"))
    refused = 0
    for filled in (0, 300_000, 600_000, 800_000, 900_000, 980_000, 1_048_576):
        (tiny_disk / "film").write_bytes(bytes(filled))
        with tally.attempt("a full disk, then room again"):
            try:
                features.extract(lite, data.train)
            except OSError as error:
                assert "make room" in str(error) and "\n" not in str(error)
                refused += 1
            assert not list(tiny_disk.rglob("*.partial"))
            (tiny_disk / "film").unlink()
            assert np.array_equal(features.extract(lite, data.train).values, expected)
        shutil.rmtree(tiny_disk / "cache")
    assert 2 < refused < 7


def test_drawing_on_a_full_disk(tally, tiny_disk, monkeypatch):
    from utils.sources import drawn_pets

    monkeypatch.setenv("COURSE_DATA_DIR", str(tiny_disk))
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tiny_disk / "cache"))
    monkeypatch.setattr(drawn_pets, "SPLIT_COUNTS", {"train": 24, "validation": 8, "test": 8})
    (tiny_disk / "film").write_bytes(bytes(800_000))
    with tally.attempt("a full disk, then room again"):
        with pytest.raises(OSError, match="make room"):
            datasets.load("drawn_pets")
        assert not (tiny_disk / "drawn_pets").exists()
        (tiny_disk / "film").unlink()
        data = datasets.load("drawn_pets")
        assert [len(split) for split in data.splits] == [24, 8, 8] and not data.left_out


@pytest.mark.parametrize("years", [-20, 20])
def test_a_wrong_clock(tally, pets, toy, home, years, monkeypatch):
    """Files from the future, or from long ago, as a clock set back or forward leaves them."""
    expected = np.array(features.extract(toy, pets.train).values)
    for path in [*(home / "cache").rglob("*"), *pets.folder.rglob("*")]:
        os.utime(path, (time.time() + years * 3e7,) * 2)
    partial = home / "cache" / "features" / ".somebody's.partial"
    partial.touch()
    now = time.time()
    monkeypatch.setattr(folders.time, "time", lambda: now + min(years, 0) * 3e7)
    with tally.attempt("a clock set back or forward"):
        again = features.extract(toy, datasets.load(pets.folder).train)
        assert again.from_cache and np.array_equal(again.values, expected)
        assert partial.exists()  # it may be somebody's at work


# A course of three cells: it draws, reads pixels, extracts, records, as the real lessons do.
PARAMETERS = """PROFILE = "drawn"
SIZE = 32"""
WORK = """from utils import backbones, datasets, features, results
from utils.sources import drawn_pets
drawn_pets.SPLIT_COUNTS = {"train": 40, "validation": 20, "test": 20}
data = datasets.load("drawn_pets")
pixels = data.validation.stored_pixels(SIZE)
found = features.extract(backbones.build("efficientnet_lite0", SIZE), data.train)"""
RECORD = """results.record({lesson!r}, PROFILE, "features_mean", 1, pictures=len(found.labels),
               features_mean=abs(found.values).mean(), pixels_mean=pixels.mean())"""
RUN = """
import sys
from pathlib import Path
from utils import course
from utils.running import lessons, pages, profiles
for module in (lessons, pages, profiles):
    module.NOTEBOOKS = Path(sys.argv[1])
profiles.PROFILES = profiles.NOTEBOOKS / "profiles"
sys.exit(course.main(["run", sys.argv[2]]))
"""


def test_two_lessons_at_once_on_one_cache(tally, home, monkeypatch):
    """The same lesson twice, and another: all draw, read and write the same files."""
    notebooks = home / "notebooks"
    (notebooks / "profiles").mkdir(parents=True)
    (notebooks / "profiles" / "drawn.yaml").touch()
    for lesson in ("01_one", "02_two"):
        texts = PARAMETERS, WORK, RECORD.format(lesson=lesson)
        cells = [nbformat.v4.new_code_cell(text) for text in texts]
        cells[0].metadata["tags"] = ["parameters"]
        about = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
        nbformat.write(
            nbformat.v4.new_notebook(cells=cells, metadata=about), notebooks / f"{lesson}.ipynb"
        )

    def run(names, place):
        """Start lessons at the same time; what each recorded."""
        folders = {f"COURSE_{kind}_DIR": str(home / place / kind) for kind in ("DATA", "CACHE")}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        started = [
            subprocess.Popen(
                [sys.executable, "-c", RUN, str(notebooks), name],
                cwd=ROOT,
                env=os.environ | folders | {"TF_NUM_INTRAOP_THREADS": "1"},
                **pipes,
            )
            for name in names
        ]
        for process in started:
            said = process.communicate(timeout=300)[0]
            assert process.returncode == 0, said
        executed = sorted((home / place / "DATA" / "runs" / "drawn").glob("*.ipynb"))
        return {
            path.stem: nbformat.read(path, 4).metadata["course"]["entry"]["numbers"]
            for path in executed
        }

    with tally.attempt("lessons at once on one cache"):
        together = run(["01", "01", "02"], "together")
        assert list(together) == ["01_one", "02_two"]
        alone = run(["01"], "alone")["01_one"]
        assert alone["pictures"] == 40 and alone["features_mean"] > 0
        assert together["01_one"] == together["02_two"] == alone


def test_nothing_outside_the_folders_is_written(home, tmp_path):
    """What CONTRIBUTING.md promises: data, cache and weights folders, and nothing else."""
    pets = write_classes(tmp_path / "pets", 10)
    empty = tmp_path / "home of the user"
    empty.mkdir()
    more = {"HOME": str(empty), "PETS": str(pets), "KERAS_HOME": str(home / "keras")}
    last_line(begin(EXTRACT, home / "cache", **more))
    left = [path for path in empty.rglob("*") if path.is_file()]
    assert [path.parent.name for path in left] in ([], ["matplotlib"])  # its list of fonts
    assert {p.name for p in home.iterdir()} <= {"cache", "keras", "pets", empty.name}
