"""TensorFlow and Keras, imported once, quietly, and with the settings that the course needs.

TensorFlow's two start-up notes are written below Python, where no setting hides them, and would
open every lesson. Keras takes settings from `~/.keras/keras.json` and from the shell.
"""

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_NOTES = (b"oneDNN custom operations are on", b"before absl::InitializeLog() is called")
_TOO_LATE = "restart the kernel, and import from utils before keras"


@contextmanager
def _without_lines(notes):
    """Keep lines that hold one of these off the error stream, below Python, too."""
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            written.seek(0)
            kept = [line for line in written if not any(note in line for note in notes)]
            os.write(2, b"".join(kept))


@contextmanager
def silence() -> Iterator[None]:
    """Keep warnings and notes of other people's programs out of a lesson; lessons 21 and 22.

    Errors are raised as always.
    """
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"), _without_lines([b""]):
            yield
    finally:
        logging.disable(logging.NOTSET)


def _import_quietly():
    with _without_lines(_NOTES):
        import keras
        import tensorflow
    return tensorflow, keras


def _import():
    try:
        tensorflow, keras = _import_quietly()
    except ModuleNotFoundError as error:
        if error.name in ("tensorflow", "keras"):
            raise
        raise ImportError(f"Keras was asked to run on {error.name} before: {_TOO_LATE}") from error
    except (AttributeError, ValueError) as error:
        wrong = f"Keras does not start, most probably for its file keras.json ({error})"
        raise ImportError(f"{wrong}: remove it from the folder ~/.keras, and restart") from error
    if (found := keras.config.backend()) != "tensorflow":
        raise ImportError(f"Keras runs on {found}, but the course needs TensorFlow: {_TOO_LATE}")
    return tensorflow, keras


def _settle(config):
    """Set what changes results as the course has it, and say so where it was set otherwise."""
    wanted = {"image_data_format": "channels_last", "floatx": "float32", "epsilon": 1e-7}
    wanted |= {"dtype_policy": "float32", "max_epochs": None, "max_steps_per_epoch": None}
    said = []
    for name, value in wanted.items():
        was = getattr(config, name)()
        if (was := getattr(was, "name", was)) != value:
            getattr(config, f"set_{name}")(value)
            said.append(f"{name} {value} instead of {was}")
    if said:
        print(f"For this course Keras is set to {', '.join(said)}")


tf, keras = _import()
_settle(keras.config)
layers = keras.layers
# Keras notes at every `fit` that a data set shuffles by itself: the course's do, on purpose.
warnings.filterwarnings("ignore", message="`shuffle=True` was passed, but will be ignored")
# A warning meant for loops that build a model again and again by mistake: lessons do it on purpose.
tf.get_logger().addFilter(lambda record: "tf.function retracing" not in record.getMessage())


def untuned(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Switch off a pipeline's self-tuning; CONTRIBUTING says why.

    Its thread rests 10 ms, then 20, 40, and so on, and at times the end of an epoch waits for it.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)
