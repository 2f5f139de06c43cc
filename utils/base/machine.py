"""When, on what and with which versions something was measured."""

import datetime
import importlib.metadata
import platform
import re
import sys
from contextlib import suppress
from pathlib import Path

import psutil

_PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "scikit-learn", "pillow")


def provenance() -> dict:
    """Describe this measurement: date, Python, machine, versions, Keras's policy; lesson 00."""
    versions = {}
    for package in _PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):  # of two TensorFlows one is there
            versions[package] = importlib.metadata.version(package)
    return {
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "versions": versions,
        # How Keras computes; None where nothing was computed, and Keras need not be imported.
        "policy": keras.config.dtype_policy().name if (keras := sys.modules.get("keras")) else None,
    }


def _processor():
    with suppress(OSError):
        if found := re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text("utf-8")):
            return found[1].strip()
    return platform.processor() or "unknown"
