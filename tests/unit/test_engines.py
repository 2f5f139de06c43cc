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
@pytest.mark.parametrize("name", ["efficientnet_lite0", "vgg16", "resnet50"])
def test_openvino_says_what_tensorflow_says(name, noise):
    weights = "imagenet" if name == "efficientnet_lite0" else None
    base = backbones.build(name, 32, weights=weights)
    ours, theirs = (openvino.Runner(base, e)(noise[0]) for e in ("openvino", "tensorflow"))
    assert ours.dtype == theirs.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)


@with_openvino
@pytest.mark.parametrize("count", [1, 3, 5, 8])
def test_any_number_of_pictures(toy, noise, count):
    said = openvino.Runner(toy, "openvino")(noise[0][:count])
    np.testing.assert_allclose(said, toy(noise[0][:count]), atol=1e-4)


@with_openvino
def test_engines_do_not_share_what_they_keep(pets, toy):
    found = [features.extract(toy, pets.train, engine=e) for e in ("tensorflow", "openvino")]
    assert [f.from_cache for f in found] == [False, False]
    np.testing.assert_allclose(found[0].values, found[1].values, atol=1e-3)
    assert features.extract(toy, pets.train, engine="auto").from_cache
    halves = [features.extract(toy, pets.train, 32, e, "float16") for e in ("tensorflow", "auto")]
    assert [f.from_cache for f in halves] == [False, False]


def test_an_engine_that_disagrees_is_not_used(pets, toy, monkeypatch, capsys):
    monkeypatch.setattr(openvino, "installed", lambda: True)
    monkeypatch.setattr(openvino, "_openvino", lambda base: lambda x: base(x).numpy() + 0.01)
    with pytest.raises(openvino.EngineError, match=r"differ from TensorFlow's by up to 0.01"):
        features.extract(toy, pets.train, engine="openvino")
    found = features.extract(toy, pets.train, engine="auto")
    np.testing.assert_allclose(
        found.values, toy(pets.train.pixels(32).astype("float32")), atol=1e-4
    )
    assert "TensorFlow runs the base: this engine's outputs" in capsys.readouterr().out


def test_views_go_back_to_tensorflow_once_and_are_the_same(pets, toy, monkeypatch, capsys):
    from utils import views
    from utils.base.framework import keras, layers

    augmentation = keras.Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)])
    expected = views.extract(toy, pets.train, augmentation, 3, seed=1, dtype="float32")
    monkeypatch.setattr(openvino, "installed", lambda: True)
    monkeypatch.setattr(openvino, "_openvino", lambda base: lambda x: base(x).numpy() + 0.01)
    runner = openvino.Runner(toy, "auto")
    change = features.Change(augmentation).start(1000 + 1)
    found = features.extract(toy, pets.train, 32, runner, "float32", change)
    assert found.from_cache  # TensorFlow's view has been there before, under its own name
    assert np.array_equal(found.values, expected.values[1])
    views.extract(toy, pets.train, augmentation, 3, seed=2, engine="auto")
    assert capsys.readouterr().out.count("TensorFlow runs the base") == 2  # once for each runner


def test_an_engine_that_disagreed_is_not_trusted_the_second_time(toy, noise, monkeypatch):
    monkeypatch.setattr(openvino, "installed", lambda: True)
    monkeypatch.setattr(openvino, "_openvino", lambda base: lambda x: base(x).numpy() + 0.01)
    runner = openvino.Runner(toy, "openvino")
    for _ in range(2):
        with pytest.raises(openvino.EngineError, match="differ from TensorFlow's"):
            runner(noise[0])


def test_without_openvino_auto_says_so_and_openvino_refuses(pets, toy, monkeypatch, capsys):
    monkeypatch.setattr(openvino, "installed", lambda: False)
    found = features.extract(toy, pets.train, engine="auto")
    assert "OpenVINO is not installed, so TensorFlow runs" in capsys.readouterr().out
    assert features.extract(toy, pets.train).from_cache and not found.from_cache
    with pytest.raises(openvino.EngineError, match="not installed: run pip install"):
        features.extract(toy, pets.train, engine="openvino")


def test_an_unknown_engine_lists_what_there_is(pets, toy):
    with pytest.raises(ValueError, match="no engine 'onnx'; there are tensorflow, openvino, auto"):
        features.extract(toy, pets.train, engine="onnx")


@with_openvino
def test_what_openvino_cannot_run_is_named(toy, monkeypatch, noise):
    import openvino

    monkeypatch.setattr(openvino, "AsyncInferQueue", None)
    with pytest.raises(openvino.EngineError, match=r"OpenVINO cannot run toy .*: use tensorflow"):
        openvino.Runner(toy, "openvino")(noise[0])


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
        "from utils import backbones, engines\n"
        "base = backbones.build('efficientnet_lite0', 32, weights=None)\n"
        "openvino.Runner(base, 'openvino')(np.zeros((2, 32, 32, 3), 'float32'))\n"
    )
    ends = {}
    for what in (script, "import openvino"):
        done = subprocess.run(
            [sys.executable, "-c", what],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        ends[what] = (done.returncode, "telemetry was started" in done.stderr)
    assert ends == {script: (0, False), "import openvino": (1, True)}  # and the trap works
