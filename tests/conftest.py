"""What all tests share: no network, a cache of their own, the built-in pictures, a small base.

Tests of faults count what was tried and what was survived, for the table on the page of results:
`COURSE_STORE_FAULTS=1 pytest -m "" tests/faults tests/unit/test_downloads.py` keeps the counts.
Not with `-n`: each worker would keep its own.
"""

import os
import shutil
from contextlib import contextmanager

# Kernels and other processes that tests start inherit this: whatever is not loopback fails.
os.environ.update(dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"))
os.environ.update(dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9"))
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"

import numpy as np
import pytest
from PIL import Image

from utils import results
from utils.sources import drawn_pets

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


# Tests of these files share what is dear to make, so one worker takes them all.
TOGETHER = ("test_lab", "test_site", "test_start", "test_drawn_pets", "test_bottleneck")
# The largest network, and the engine that only lesson 15 uses: at night.
AT_NIGHT = ("efficientnet_b5", "/test_engines.py")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.stem in TOGETHER:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
        if any(part in item.nodeid for part in AT_NIGHT):
            item.add_marker(pytest.mark.nightly)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Empty data, cache and weights folders for one test."""
    for name in ("DATA", "CACHE", "WEIGHTS"):
        monkeypatch.setenv(f"COURSE_{name}_DIR", str(tmp_path / name.lower()))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path


def write_classes(folder, per_class=10, classes=("cat", "dog"), first=0, size=32):
    """Draw a small folder of class folders."""
    for class_name in classes:
        (folder / class_name).mkdir(parents=True, exist_ok=True)
        for index in range(first, first + per_class):
            kind = class_name if class_name in drawn_pets.CLASS_NAMES else "cat"
            seed = sum(class_name.encode())
            image = drawn_pets.draw(seed, index, kind, size)
            image.save(folder / class_name / f"{class_name} {index}.png")
    return folder


@pytest.fixture
def pets_folder(tmp_path):
    """Class folders with ten cats and ten dogs, 32 × 32."""
    return write_classes(tmp_path / "my pets")


@pytest.fixture
def pets(home, pets_folder):
    """The same as a data set."""
    from utils import datasets

    return datasets.load(pets_folder)


@pytest.fixture(scope="session")
def lite():
    """EfficientNet-Lite0 at 32 px, with its real weights."""
    from utils import backbones

    return backbones.build("efficientnet_lite0", 32)


@pytest.fixture(scope="session")
def shipped_folder(tmp_path_factory):
    """A folder such as lesson 21 leaves, with a small classifier of drawn pets."""
    from tests import shipped

    return shipped.make(tmp_path_factory.mktemp("shipped") / "drawn")


@pytest.fixture
def toy():
    """A tiny base for 32 px pictures, with batch norm, random weights, and two blocks."""
    from utils.base.framework import keras, layers

    keras.utils.set_random_seed(7)
    inputs = keras.Input((32, 32, 3), name="pixels")
    x = layers.Rescaling(1 / 255)(inputs)
    for name in ("block1", "block2"):
        x = layers.Conv2D(4, 3, strides=4, padding="same", name=f"{name}_conv")(x)
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
        x = layers.ReLU(name=f"{name}_relu")(x)
    return keras.Model(inputs, x, name="toy")


@pytest.fixture
def noise():
    """Eight pictures of noise, float32 0–255, 32 px, and their labels."""
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (8, 32, 32, 3)).astype("float32"), np.arange(8) % 2


def save(path, mode="RGB", size=(40, 30), **options):
    """Write a picture of one colour in a mode of Pillow's."""
    Image.new(mode, size, options.pop("color", 0)).save(path, **options)
    return path


COUNTS = {}


class Tally:
    """Counts how often each fault was tried, and how often nothing was lost."""

    @contextmanager
    def attempt(self, fault):
        """Count a try, and its survival if the block ends without an error."""
        counts = COUNTS.setdefault(fault, {"tries": 0, "survived": 0})
        counts["tries"] += 1
        yield
        counts["survived"] += 1


@pytest.fixture
def tally():
    return Tally()


def pytest_sessionfinish():
    if os.environ.get("COURSE_STORE_FAULTS") and COUNTS:
        entries = {
            fault: {
                "lesson": "faults",
                "profile": "faults",
                "headline": "survived",
                "seed": 0,
                "numbers": counts | {"lost": counts["tries"] - counts["survived"]},
                **results.provenance(),
            }
            for fault, counts in COUNTS.items()
        }
        results.store(entries, "faults")
