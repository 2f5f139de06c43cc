"""What is installed against what is wanted, and what this machine can do right now."""

import importlib.metadata
import re
import shutil
import tomllib

import psutil
from packaging.requirements import Requirement

from utils.backbones import BACKBONES, available_offline
from utils.base.folders import ROOT, cache_dir, data_dir, weights_dir
from utils.sources.registry import ARCHIVES, LICENCES, SOURCES


def wanted(extras: bool = False) -> dict[str, str]:
    """Read the pins of pyproject.toml for this platform, of learners or of the extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups = project["optional-dependencies"].values() if extras else [project["dependencies"]]
    pins = [Requirement(text) for group in groups for text in group]
    pins = [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]
    return {pin.name: str(pin.specifier).removeprefix("==") for pin in pins}


def installed(name: str) -> str:
    """Give the installed version of a package, "" if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        # The GPU build of TensorFlow, installed by choice, is as good.
        return installed("tensorflow") if name == "tensorflow-cpu" else ""


def report() -> tuple[str, bool]:
    """Describe packages, machine, backbones and data sets, and say whether all needed is there."""
    needed = {name: installed(name) == version for name, version in wanted().items()}
    lines = ["Packages (installed, wanted)"]
    for name, version in (wanted() | wanted(extras=True)).items():
        found = installed(name)
        word = "ok " if found == version else "BAD" if found or name in needed else "-  "
        use = "" if name in needed or found else "  not installed (tests and some lessons use it)"
        lines.append(f"  {word} {name:34} {found or 'missing':10} {version}{use}")
    if not all(needed.values()):
        lines.append("Some packages differ: run `pip install --no-deps -r requirements.lock`")
    memory, data = psutil.virtual_memory(), data_dir()
    data.mkdir(parents=True, exist_ok=True)
    sizes = (memory.total, memory.available, shutil.disk_usage(data).free)
    size, left, free = (f"{number / 1e9:.0f} GB" for number in sizes)
    lines += [
        "Machine",
        f"  {psutil.cpu_count()} cores, {size} memory ({left} free), {free} disk free",
        f"  data {data}\n  cache {cache_dir()}\n  weights {weights_dir()}",
        "Backbones and data sets without a network",
    ]
    places = {name: available_offline(name) for name in BACKBONES}
    for name in SOURCES:
        drawn = "" if name in ARCHIVES else "is drawn when first used"
        places[name] = "on disk" if (data / name).is_dir() else drawn
    lines += [f"  {'yes' if at else 'no ':3} {name:20} {at}" for name, at in places.items()]
    return "\n".join(lines), all(needed.values())


def locked(path: str) -> dict[str, str]:
    """Read every pin of a lock: name → version."""
    text = (ROOT / path).read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE))


def licences() -> str:
    """List the licence of every installed package of the locks, of weights and of data sets."""
    lines = ["Packages, as they state it"]
    locks = ("requirements.lock", "requirements-extras.lock", "tests/requirements.lock")
    for name, version in (pin for lock in locks for pin in locked(lock).items()):
        if installed(name):
            lines.append(f"  {name:34} {version:14} {_licence(importlib.metadata.metadata(name))}")
    lines.append("Weights, trained on ImageNet, whose own terms are for research")
    lines += [f"  {name:34} {backbone.licence}" for name, backbone in BACKBONES.items()]
    data_sets = [f"  {name:34} {licence}" for name, licence in LICENCES.items()]
    return "\n".join([*lines, "Data sets", *data_sets])


def _licence(metadata):
    """Packages say it in three places; the newest one first."""
    marked = [c for c in metadata.get_all("Classifier", []) if c.startswith("License :: OSI")]
    stated = metadata.get("License-Expression") or ", ".join(c.split(" :: ")[-1] for c in marked)
    stated = stated or metadata.get("License", "").strip().split("\n")[0]
    return stated if stated not in ("", "UNKNOWN") else "see the file LICENSE in the package"
