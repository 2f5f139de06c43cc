import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from utils import features
from utils.base import framework
from utils.base.folders import ROOT
from utils.base.framework import keras, tf, untuned

pytestmark = pytest.mark.check


def seconds_to_close(batches, taken=0.35):
    """How long the end of a pass takes that itself took so long."""
    iterator = iter(batches)
    next(iterator)
    time.sleep(taken)
    begun = time.perf_counter()
    del iterator
    return time.perf_counter() - begun


def test_a_pass_that_is_over_is_over_at_once():
    """With tuning it waits 0.28 s, until 10 × (1 + 2 + … + 32) ms have gone by, in six of ten
    passes. Two may take long here, for another test may keep the processor busy just then."""
    pipeline = tf.data.Dataset.range(10).map(lambda x: x + 1, num_parallel_calls=tf.data.AUTOTUNE)
    seconds = [seconds_to_close(untuned(pipeline.prefetch(2))) for _ in range(10)]
    assert sorted(seconds)[-3] < 0.1


def test_the_courses_own_pipelines_are_not_tuned(pets):
    values = np.zeros((4, 2), "float32")
    seen = features.Views((values, values), np.zeros(4, "int32"), True)
    for batches in (pets.train.batches(32, shuffle_seed=1), features.epochs(seen, 2, 1)):
        assert batches.options().autotune.enabled is False


def test_lessons_that_build_many_models_are_not_warned_of_it(caplog):
    with caplog.at_level("WARNING", "tensorflow"):
        tf.get_logger().warning("5 out of the last 11 calls triggered tf.function retracing.")
        tf.get_logger().warning("something else")
    assert [record.message for record in caplog.records] == ["something else"]


# -- a learner's own Keras settings


def process(home, program, settings=None, **environment):
    """Run a program with settings of one's own, in keras.json and in the shell."""
    (home / "keras").mkdir()
    if settings is not None:
        (home / "keras" / "keras.json").write_text(json.dumps(settings))
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


OWN = {
    "image_data_format": "channels_first",
    "floatx": "float16",
    "epsilon": 1e-3,
    "backend": "jax",
}
LESSON = """
from utils import backbones, models, results
import keras
base = backbones.build("efficientnet_lite0", 32)
model = models.attach(base, models.head(base.output_shape[1:], 3))
print(base.input_shape, base.output.dtype, model.output.dtype, keras.config.max_epochs())
print(results.provenance()["policy"])
"""


def test_settings_of_ones_own_change_nothing_and_are_named_once(home):
    done = process(home, LESSON, OWN, KERAS_BACKEND="torch", KERAS_MAX_EPOCHS="1")
    assert done.stdout.splitlines() == [
        "For this course Keras runs on TensorFlow instead of torch (KERAS_BACKEND)",
        "For this course Keras is set to image_data_format channels_last instead of "
        "channels_first, floatx float32 instead of float16, epsilon 1e-07 instead of 0.001, "
        "max_epochs None instead of 1",
        "(None, 32, 32, 3) float32 float32 None",
        "float32",
    ], done.stderr


@pytest.mark.parametrize(
    ("program", "settings", "message"),
    [
        (
            "try: import keras\nexcept ImportError: pass\nfrom utils import checks",
            OWN,
            "Keras was asked to run on jax before: restart the kernel, and import from utils",
        ),
        (
            "from utils import checks",
            {"floatx": "float8"},
            "Keras does not start, most probably for its file keras.json (Invalid `floatx` config",
        ),
        (
            "from utils import checks",
            ["floatx"],
            "Keras does not start, most probably for its file keras.json ('list' object has no",
        ),
    ],
    ids=["another backend", "no such float", "a list"],
)
def test_what_cannot_be_set_aside_is_said_in_a_sentence(home, program, settings, message):
    done = process(home, program, settings, KERAS_BACKEND="" if "try" in program else "tensorflow")
    assert done.stderr.splitlines()[-1].startswith(f"ImportError: {message}"), done.stderr


def test_another_backend_that_runs_already_is_named(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(ImportError, match="Keras runs on jax, but the course needs TensorFlow: re"):
        framework._import()


@pytest.mark.parametrize(
    ("name", "own", "said"),
    [
        ("image_data_format", "channels_first", "channels_last instead of channels_first"),
        ("floatx", "float64", "float32 instead of float64"),
        ("epsilon", 1e-3, "1e-07 instead of 0.001"),
        ("dtype_policy", "mixed_float16", "float32 instead of mixed_float16"),
        ("max_epochs", 1, "None instead of 1"),
        ("max_steps_per_epoch", 2, "None instead of 2"),
    ],
)
def test_what_was_set_before_the_course_is_set_aside(capsys, name, own, said):
    getattr(keras.config, f"set_{name}")(own)
    framework._settle(keras.config)
    assert capsys.readouterr().out == f"For this course Keras is set to {name} {said}\n"
    framework._settle(keras.config)
    assert capsys.readouterr().out == ""
