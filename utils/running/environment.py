"""What is installed against what is wanted, and what this machine can do right now."""

import functools
import importlib.metadata
import operator
import re
import shutil
import tomllib

import psutil
from packaging.requirements import Requirement

from utils.backbones import BACKBONES, available_offline
from utils.base.folders import ROOT, cache_dir, data_dir, weights_dir
from utils.sources.registry import SOURCES


def wanted() -> dict[str, str]:
    """Read the direct dependencies of this platform from pyproject.toml: name → version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    pins = {}
    for requirement in map(Requirement, functools.reduce(operator.iadd, groups, [])):
        if requirement.marker is None or requirement.marker.evaluate():
            pins[requirement.name] = str(requirement.specifier).removeprefix("==")
    return pins


def installed(name: str) -> str:
    """Give the installed version of a package, "" if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def report() -> tuple[str, bool]:
    """Describe packages, machine, backbones and data sets; taught in lesson 00.

    Returns:
        (text, whether every package has the wanted version).
    """
    lines, good = ["Packages (installed, wanted)"], True
    for name, version in wanted().items():
        found = installed(name)
        if name == "tensorflow-cpu" and not found:
            found = installed("tensorflow")  # the GPU build, installed by choice
        same = found == version
        good = good and same
        lines.append(f"  {'ok ' if same else 'BAD'} {name:34} {found or 'missing':10} {version}")
    memory = psutil.virtual_memory()
    data_dir().mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(data_dir()).free
    lines += [
        "Machine",
        f"  {psutil.cpu_count()} cores, {memory.total / 1e9:.0f} GB memory "
        f"({memory.available / 1e9:.0f} GB free), {free / 1e9:.0f} GB disk free",
        f"  data {data_dir()}\n  cache {cache_dir()}\n  weights {weights_dir()}",
        "Backbones without a network",
    ]
    for name in BACKBONES:
        where = available_offline(name)
        lines.append(f"  {'yes' if where else 'no ':3} {name:20} {where}")
    lines.append("Data sets without a network")
    for name, source in SOURCES.items():
        here = (data_dir() / name).is_dir()
        where = "on disk" if here else "is drawn when first used" if not source.network else ""
        lines.append(f"  {'yes' if where else 'no ':3} {name:20} {where}")
    return "\n".join(lines), good


def locked() -> dict[str, str]:
    """Read every pin of requirements.lock: name → version."""
    text = (ROOT / "requirements.lock").read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE))


def licences() -> str:
    """List the licence of every installed package of the lock, of weights and of data sets."""
    lines = ["Packages, as they state it"]
    for name, version in locked().items():
        if installed(name):
            lines.append(f"  {name:34} {version:14} {_licence(importlib.metadata.metadata(name))}")
    lines.append("Weights, trained on ImageNet, whose own terms are for research")
    lines += [f"  {name:34} {backbone.licence}" for name, backbone in BACKBONES.items()]
    lines.append("Data sets")
    lines += [f"  {name:34} {source.licence}" for name, source in SOURCES.items()]
    return "\n".join(lines)


def _licence(metadata):
    """Packages say it in three places; the newest one first."""
    classified = [
        line.split(" :: ")[-1]
        for line in metadata.get_all("Classifier") or []
        if line.startswith("License :: OSI Approved :: ")
    ]
    text = (metadata.get("License") or "").strip().split("\n")[0]
    stated = metadata.get("License-Expression") or ", ".join(classified) or text
    return stated if stated not in ("", "UNKNOWN") else "see the file LICENSE in the package"
