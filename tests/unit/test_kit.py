"""The folder for rooms without a network: what is chosen for which system, fetched, and put in."""

import functools
import hashlib
import http.server
import os
import subprocess
import sys
import threading
import venv
import zipfile

import pytest

from utils.base.folders import ROOT, data_dir
from utils.running import cli, kit
from utils.running.profiles import CourseError

LOCK = (ROOT / "requirements.lock").read_text("utf-8")
WHEELS = {  # which file serves which system
    "linux": "thing-1.0-cp312-cp312-manylinux_2_27_x86_64.whl",
    "macos": "thing-1.0-cp312-cp312-macosx_11_0_arm64.whl",
    "windows": "thing-1.0-cp312-cp312-win_amd64.whl",
}
ONLY = "only-1.0-py3-none-any.whl"  # of one system, as its marker says


def names(system, python):
    return {line.split("==")[0] for line in kit.needed(system, python, LOCK)}


@pytest.mark.check
@pytest.mark.parametrize("python", kit.PYTHONS)
def test_the_lock_is_resolved_for_other_systems_than_this(python):
    linux, macos, windows = (names(system, python) for system in kit.SYSTEMS)
    assert "tensorflow-cpu" in linux & windows and "tensorflow" not in linux | windows
    assert "tensorflow" in macos and "tensorflow-cpu" not in macos
    assert {"colorama", "pywinpty"} <= windows and not {"colorama", "pywinpty"} & (linux | macos)
    assert "appnope" in macos and "appnope" not in linux | windows
    assert ("aiohttp" in linux) == (python == "3.12")
    assert {"keras", "jupyterlab", "setuptools"} <= linux & macos & windows


@pytest.mark.check
def test_digests_stay_and_markers_go():
    marker = '; python_full_version < "3.12"'
    text = f"a==1.0 {marker} \\\n    --hash=sha256:12 \\\n    --hash=sha256:34\n# b\n"
    assert kit.needed("linux", "3.11", text) == ["a==1.0 --hash=sha256:12 --hash=sha256:34"]
    assert kit.needed("linux", "3.12", text) == []


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index on this machine, the only one pip knows, and a lock of what it offers."""
    lock = []
    for name, files in {"thing": WHEELS.values(), "only": [ONLY]}.items():
        folder = tmp_path / "index" / "simple" / name
        folder.mkdir(parents=True)
        digests = []
        for file in files:
            with zipfile.ZipFile(folder / file, "w") as wheel:
                about = f"{name}-1.0.dist-info/"
                wheel.writestr(
                    about + "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
                )
                wheel.writestr(about + "WHEEL", f"Wheel-Version: 1.0\nTag: {file[9:-4]}\n")
                wheel.writestr(about + "RECORD", "")
            digests.append(hashlib.sha256((folder / file).read_bytes()).hexdigest())
        links = "".join(f'<a href="{file}">{file}</a>' for file in files)
        (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")
        marker = " ; sys_platform == 'darwin'" if name == "only" else ""
        lock.append(
            f"{name}==1.0{marker} \\\n    "
            + " \\\n    ".join(f"--hash=sha256:{d}" for d in digests)
        )
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "index")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
    yield "\n".join(lock)
    server.shutdown()


@pytest.mark.parametrize("system", kit.SYSTEMS)
def test_each_system_gets_its_own_files(index, tmp_path, system):
    kit.fetch(system, "3.12", index, tmp_path / "wheels")
    found = {path.name for path in (tmp_path / "wheels").iterdir()}
    assert found == {WHEELS[system]} | ({ONLY} if system == "macos" else set())


def test_what_cannot_be_had_or_is_not_what_the_lock_names_is_said(index, tmp_path):
    with pytest.raises(CourseError, match=r"no package for linux, Python 3\.11: .*thing==1\.0"):
        kit.fetch("linux", "3.11", index, tmp_path / "wheels")
    digest = index.split("sha256:")[1][:64]
    wrong = index.replace(digest, "0" * 64)
    with pytest.raises(CourseError, match=r"no package for linux, Python 3\.12: .*HASHES"):
        kit.fetch("linux", "3.12", wrong, tmp_path / "wheels")


@pytest.mark.check
def test_an_unknown_system_is_named_before_anything_is_fetched(capsys, tmp_path):
    assert cli.main(["kit", "--folder", str(tmp_path / "kit"), "--systems", "linux", "amiga"]) == 2
    assert "'amiga'" in (said := capsys.readouterr().err) and "windows" in said
    assert cli.main(["kit", "--folder", str(tmp_path / "kit"), "--pythons", "3.10"]) == 2
    assert not (tmp_path / "kit").exists()


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Folders with the drawn pictures, and with weights that somebody put there."""
    from utils import datasets

    for name in ("drawn_pets", "drawn_signs"):
        datasets.load(name)  # drawn once for all tests
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / name).symlink_to(data_dir() / name)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "vgg16.weights.h5").write_bytes(b"weights")
    (tmp_path / "weights" / "letters.weights.h5").write_bytes(b"somebody's own")
    for name in ("DATA", "WEIGHTS"):
        monkeypatch.setenv(f"COURSE_{name}_DIR", str(tmp_path / name.lower()))


needs_git = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="an archive, not a checkout")


@needs_git
def test_a_kit_holds_the_course_its_pictures_and_a_page(index, drawn, tmp_path, monkeypatch):
    (tmp_path / "lock").write_text(index)
    folder = tmp_path / "kit"
    kit.write(folder, ["linux"], ["3.12"], tmp_path / "lock")
    said = kit.write(folder, ["linux", "macos"], ["3.12"], tmp_path / "lock")  # goes on
    assert str(folder) in said
    assert len(list((folder / "wheels").iterdir())) == 3
    course = folder / "course"
    assert (course / "README.md").exists() and len(list((course / "notebooks").glob("*.ipynb"))) > 9
    assert len(list((course / "data" / "drawn_pets").rglob("*.jpg"))) == 2000
    assert [p.name for p in (course / "data" / "weights").iterdir()] == ["vgg16.weights.h5"]
    remotes = subprocess.run(["git", "-C", course, "remote"], capture_output=True, text=True)
    assert remotes.stdout == ""
    page = (folder / "INSTALL.md").read_text("utf-8")
    assert "vgg16.weights.h5" in page and "linux, macos" in page and "{" not in page


@needs_git
def test_a_folder_of_somebody_elses_is_not_replaced(tmp_path):
    (tmp_path / "course").mkdir()
    (tmp_path / "course" / "thesis.txt").write_text("years")
    with pytest.raises(CourseError, match="course is somebody's own: name another folder"):
        kit.write(tmp_path, ["linux"], ["3.12"])
    assert (tmp_path / "course" / "thesis.txt").read_text() == "years"


@needs_git
@pytest.mark.nightly
def test_a_course_installed_from_its_kit_runs_with_every_index_off(tmp_path):
    """Downloads this system's packages as pip is set up here; then nothing can be reached."""
    system = {"linux": "linux", "darwin": "macos", "win32": "windows"}[sys.platform]
    kit.write(tmp_path / "kit", [system], [f"3.{sys.version_info.minor}"])
    course = tmp_path / "kit" / "course"
    venv.create(course / ".venv", with_pip=True)
    python = course / ".venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    nowhere = "http://127.0.0.1:9"  # nothing answers there
    off = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "COURSE_", "PYTHON"))}
    off |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": nowhere, "https_proxy": nowhere}
    off |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "kit" / "wheels")}
    pip = [python, "-m", "pip", "install", "--no-deps"]
    for rest in (
        ["--require-hashes", "-r", "requirements.lock"],
        ["--no-build-isolation", "-e", "."],
    ):
        subprocess.run([*pip, *rest], cwd=course, env=off, check=True)
    run = [python, "-m", "utils.course", "run", "01"]
    said = subprocess.run(run, cwd=course, env=off, check=True, capture_output=True, text=True)
    assert "01_feature_extraction" in said.stdout
