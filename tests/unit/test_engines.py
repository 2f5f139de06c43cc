import os
import subprocess
import sys

import numpy as np
import pytest

from utils import backbones, features
from utils.base.folders import ROOT
from utils.running import openvino

pytestmark = pytest.mark.check
with_openvino = pytest.mark.skipif(
    not openvino.installed(), reason="OpenVINO is not installed: pip install -e .[fast]"
)


@with_openvino
@pytest.mark.parametrize("name", ["efficientnet_lite0", "vgg16"])
def test_openvino_says_what_tensorflow_says(name, noise):
    weights = "imagenet" if name == "efficientnet_lite0" else None
    base = backbones.build(name, 32, weights=weights)
    ours, theirs = openvino.compiled(base)(noise[0]), base(noise[0], training=False).numpy()
    assert ours.dtype == theirs.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)


@with_openvino
def test_any_number_of_pictures(toy, noise):
    run = openvino.compiled(toy)
    for count in (1, 3, 5, 8):
        np.testing.assert_allclose(run(noise[0][:count]), toy(noise[0][:count]), atol=1e-4)


@with_openvino
def test_what_it_says_is_kept_apart_from_what_tensorflow_says(pets, toy):
    run = openvino.compiled(toy)
    found = [features.extract(toy, pets.train, run=each) for each in (None, run)]
    assert [f.from_cache for f in found] == [False, False]
    np.testing.assert_allclose(found[0].values, found[1].values, atol=1e-3)
    assert features.extract(toy, pets.train, run=openvino.compiled(toy)).from_cache


class Wrong:
    """OpenVINO's queue, with a network that adds 0.01 to what the base says."""

    def __init__(self, base):
        self.base = base

    def set_callback(self, keep):
        self.keep = keep

    def start_async(self, images, at):
        self.data = self.base(images).numpy() + 0.01
        self.keep(self, at)

    def get_output_tensor(self):
        return self

    def wait_all(self):
        pass


def test_one_that_disagrees_is_not_used_and_not_trusted_the_second_time(
    pets, toy, home, monkeypatch
):
    monkeypatch.setattr(openvino, "installed", lambda: True)
    monkeypatch.setattr(openvino, "_read", Wrong)
    run = openvino.compiled(toy)
    for _ in range(2):
        with pytest.raises(openvino.EngineError, match=r"from TensorFlow's by up to 0.01: leave"):
            features.extract(toy, pets.train, run=run)
    assert list((home / "cache" / "features").iterdir()) == []


def test_not_installed_it_says_how(toy, monkeypatch):
    monkeypatch.setattr(openvino, "installed", lambda: False)
    with pytest.raises(openvino.EngineError, match="not installed: run pip install"):
        openvino.compiled(toy)


@with_openvino
def test_what_openvino_cannot_run_is_named_in_one_sentence(toy, monkeypatch):
    import openvino as theirs

    monkeypatch.setattr(theirs, "AsyncInferQueue", None)
    with pytest.raises(openvino.EngineError, match=r"cannot run toy .*: leave out run") as caught:
        openvino.compiled(toy)
    assert "\n" not in str(caught.value)


@with_openvino
@pytest.mark.parametrize("fails", [False, True])
def test_what_is_patched_is_put_back(toy, monkeypatch, fails):
    import openvino as theirs
    from openvino.frontend.tensorflow import utils as reader

    before, ask = sys.modules.get("openvino_telemetry", "none"), reader.get_environment_setup
    if fails:
        monkeypatch.setattr(theirs, "convert_model", None)
        with pytest.raises(openvino.EngineError):
            openvino.compiled(toy)
    else:
        openvino.compiled(toy)
    assert sys.modules.get("openvino_telemetry", "none") == before
    assert reader.get_environment_setup is ask


REPORTS = """
class Telemetry:
    def __init__(self, *args, **kwargs):
        raise SystemExit("telemetry was started")
"""


@with_openvino
def test_nothing_is_reported_to_anyone(tmp_path):
    """Importing OpenVINO starts the package that reports, if it is there; here it never does."""
    package = tmp_path / "openvino_telemetry"
    package.mkdir()
    (package / "__init__.py").write_text(REPORTS)
    (package / "backend.py").write_text("backend_ga4 = None\n")
    script = (
        "import numpy as np\n"
        "from utils import backbones\n"
        "from utils.running import openvino\n"
        "base = backbones.build('efficientnet_lite0', 32, weights=None)\n"
        "openvino.compiled(base)(np.zeros((2, 32, 32, 3), 'float32'))\n"
    )
    ends = {}
    for what in (script, "import openvino"):
        done = subprocess.run(
            [sys.executable, "-c", what],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))},
            capture_output=True,
            text=True,
        )
        ends[what] = (done.returncode, "telemetry was started" in done.stderr)
    assert ends == {script: (0, False), "import openvino": (1, True)}  # and the trap works
