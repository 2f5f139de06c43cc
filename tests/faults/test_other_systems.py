"""What other systems do otherwise, as far as it can be had here: encodings, names, paths, order."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import PosixPath

import pytest

from tests.conftest import write_classes
from utils import collection, datasets
from utils.base.folders import ROOT
from utils.sources.class_folders import picture_files

pytestmark = pytest.mark.check

GIT = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="an archive, not a checkout")


@pytest.fixture(scope="module")
def windows_1252(tmp_path_factory):
    """An environment in which files and pipes have the encoding of a Western Windows, not UTF-8."""
    if sys.platform != "linux" or shutil.which("localedef") is None:
        pytest.skip("Linux's localedef is missing, which makes the locale")
    places = tmp_path_factory.mktemp("locales")
    name = "en_US.CP1252"
    subprocess.run(["localedef", "-i", "en_US", "-f", "CP1252", places / name], check=True)
    wanted = {"LOCPATH": str(places), "LC_ALL": name, "PYTHONUTF8": "0", "PYTHONPATH": str(ROOT)}
    found = dict(os.environ) | wanted
    ask = "import locale, sys; print(locale.getpreferredencoding(), sys.stdout.encoding)"
    done = subprocess.run([sys.executable, "-c", ask], env=found, capture_output=True, text=True)
    assert done.stdout.split() == ["CP1252", "cp1252"]
    return found


@pytest.mark.parametrize(
    "command",
    [
        "check",
        "licences",
        "run --profile smoke 00",
        "lab --copies",
        "colab {folder} --repository https://github.com/owner/name",
        "site --folder {folder}",
    ],
)
def test_a_command_does_not_count_on_utf_8(command, windows_1252, tmp_path):
    own = {f"COURSE_{name}_DIR": str(tmp_path / name) for name in ("CACHE", "LAB")}
    words = command.format(folder=tmp_path / "made").split()
    done = subprocess.run(
        [sys.executable, "-m", "utils.course", *words],
        cwd=ROOT,
        env=windows_1252 | own,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode("cp1252")
    if words[0] in ("colab", "site"):
        (written, *_) = sorted(
            (tmp_path / "made").rglob("*.ipynb" if words[0] == "colab" else "*.html")
        )
        assert written.read_text("utf-8")


def test_a_learners_script_runs_once_where_processes_are_not_forked(tmp_path):
    """Windows and macOS start processes anew, and a script without a guard could run in each."""
    script = tmp_path / "learner.py"
    lines = (
        "import multiprocessing",
        "multiprocessing.set_start_method('spawn')",
        "print('begun')",
        "from utils import backbones, datasets, features",
        "data = datasets.load('drawn_signs', per_class=2)",
        "base = backbones.build('efficientnet_lite0', 32)",
        "print(features.extract(base, data.test).values.shape)",
    )
    script.write_text("\n".join(lines), "utf-8")
    own = {f"COURSE_{name}_DIR": str(tmp_path / name) for name in ("CACHE", "DATA")}
    done = subprocess.run(
        [sys.executable, script],
        env=os.environ | own | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("begun") == 1 and done.stdout.splitlines()[-1].endswith("1280)")


@GIT
def test_names_in_the_repository_are_names_on_every_system():
    """No two that differ in case only, none that Windows keeps for itself, none too long for it."""
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = listed.strip("\0").split("\0")
    assert len({name.casefold() for name in names}) == len(names)
    for name in names:
        # Of the 260 characters that Windows allows, 120 are left for the folder of the checkout.
        assert len(name) <= 140
        for part in name.split("/"):
            assert not re.search(r'[<>:"|?*\\\x00-\x1f]|[ .]$', part), name
            assert not re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", part), name


def test_the_order_of_classes_and_files_is_the_same_where_case_is_ignored(tmp_path, monkeypatch):
    """Paths of Windows compare without case, so that `Zebra` would come after `apple` there."""
    folder = tmp_path / "pictures"
    write_classes(folder, 6, ("apple", "Zebra", "pear"))
    for index, name in enumerate(("b.png", "A.png", "C.png")):
        first = sorted((folder / "apple").iterdir())[index]
        first.rename(first.with_name(name))
    before = datasets.load(str(folder)).class_names, picture_files(folder)
    rows = collection.identified(folder)
    assert before[0] == ("Zebra", "apple", "pear")
    monkeypatch.setattr(PosixPath, "__lt__", lambda a, b: str(a).casefold() < str(b).casefold())
    assert sorted(folder.iterdir())[0].name == "apple"
    assert (datasets.load(str(folder)).class_names, picture_files(folder)) == before
    assert collection.identified(folder) == rows
