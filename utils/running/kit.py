"""Everything that a room without a network needs, in one folder for a USB stick: `make kit`.

`pip download` evaluates markers ("; sys_platform == 'win32'") of the machine it runs on, so the
lock is resolved here for each system first, and pip fetches exactly what is left.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from tqdm.auto import tqdm

from utils import backbones, datasets
from utils.base.folders import ROOT, data_dir, weights_dir
from utils.running.profiles import CourseError
from utils.sources.registry import ARCHIVES, SOURCES

PYTHONS = ("3.11", "3.12", "3.13")
# What markers of the lock ask about a system; system → the answers, and the wheels that run there.
# glibc 2.28 is that of Debian 10, Ubuntu 20.04 has a later one; TensorFlow asks for macOS 12.
ASKED = ("os_name", "sys_platform", "platform_system", "platform_machine")
SYSTEMS = {
    "linux": (
        ("posix", "linux", "Linux", "x86_64"),
        [f"manylinux_2_{n}_x86_64" for n in range(28, 4, -1)] + ["manylinux2014_x86_64"],
    ),
    "macos": (("posix", "darwin", "Darwin", "arm64"), ["macosx_12_0_arm64"]),
    "windows": (("nt", "win32", "Windows", "AMD64"), ["win_amd64"]),
}
PAGE = Path(__file__).with_suffix(".md")  # the text of INSTALL.md


def needed(system: str, python: str, lock: str) -> list[str]:
    """Choose what a lock asks for on another system, each with its digests, without markers.

    `system` is a key of SYSTEMS, `python` such as "3.12"; `lock` is the text of requirements.lock.
    """
    versions = {"python_version": python, "python_full_version": f"{python}.9"}
    asked = dict(zip(ASKED, SYSTEMS[system][0], strict=True))
    markers = {**default_environment(), **asked, **versions}
    chosen = []
    for block in re.split(r"\n(?=\S)", lock.replace("\\\n", " ")):
        name, *hashes = re.split(r"\s+--hash=", block.strip())
        if not name or name.startswith("#"):
            continue
        requirement = Requirement(name)
        marker, requirement.marker = requirement.marker, None
        if marker is None or marker.evaluate(markers):
            chosen.append(" ".join([str(requirement), *(f"--hash={h}" for h in hashes)]))
    return chosen


def fetch(system: str, python: str, lock: str, wheels: Path) -> None:
    """Download what a system needs into `wheels`; what is there already is compared, not fetched.

    Raises CourseError, with pip's own last line, if a package cannot be had.
    """
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "wanted.txt"
        wanted.write_text("\n".join(needed(system, python, lock)), "utf-8")
        command = [sys.executable, "-m", "pip", "download", "--require-hashes", "--no-deps"]
        command += ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
        command += [f"--platform={tag}" for tag in SYSTEMS[system][1]]
        command += ["--progress-bar=off", f"--dest={wheels}", f"--requirement={wanted}"]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        why = (said or done.stderr.splitlines() or ["pip failed"])[-1].removeprefix("ERROR: ")
        raise CourseError(f"no package for {system}, Python {python}: {why}")


def _course(folder):
    """A copy of the repository as last committed, with the pictures and weights that are here."""
    if not (ROOT / ".git").exists():
        raise CourseError(f"{ROOT} is no git checkout: clone the course, and make the kit there")
    if folder.exists() and not (folder / "utils" / "running" / PAGE.name).exists():
        raise CourseError(f"{folder} is somebody's own: name another folder for the kit")
    shutil.rmtree(folder, ignore_errors=True)
    clone = ["git", "clone", "--quiet", "--depth", "1", ROOT.as_uri(), str(folder)]
    subprocess.run(clone, check=True)
    subprocess.run(["git", "-C", str(folder), "remote", "remove", "origin"], check=True)
    for name in [name for name in SOURCES if name not in ARCHIVES]:
        datasets.load(name)  # draws it where it is not there yet
    here = [name for name in SOURCES if (data_dir() / name).is_dir()]
    for name in here:
        shutil.copytree(data_dir() / name, folder / "data" / name)
    files = [p for name in backbones.BACKBONES for p in weights_dir().glob(f"{name}*.weights.h5")]
    for path in files:
        (folder / "data" / "weights").mkdir(exist_ok=True)
        shutil.copy(path, folder / "data" / "weights")
    return [name for name in here if name in ARCHIVES] + [path.name for path in files]


def write(folder: Path, systems: list[str], pythons: list[str], lock: Path | None = None) -> str:
    """Write the kit into `folder`, and say what it holds; a second call goes on where one stopped.

    Args:
        folder: made when missing; `course`, `wheels` and `INSTALL.md` are written into it.
        systems, pythons: for which computers; keys of SYSTEMS, and of PYTHONS.
        lock: the requirements, requirements.lock if not given.

    Raises CourseError: no git checkout, a folder `course` of another kind, a package not to be had.
    """
    wheels, lock = folder / "wheels", (lock or ROOT / "requirements.lock").read_text("utf-8")
    more = _course(folder / "course")
    wheels.mkdir(parents=True, exist_ok=True)
    for system, python in tqdm([(s, p) for s in systems for p in pythons], "packages", unit="set"):
        fetch(system, python, lock, wheels)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e9
    text = PAGE.read_text("utf-8").format(
        size=size,
        more="".join(f", {name}" for name in more),
        systems=", ".join(systems),
        pythons=", ".join(pythons),
    )
    (folder / "INSTALL.md").write_text(text, "utf-8")
    return f"{folder} ({size:,.1f} GB): read INSTALL.md there"
