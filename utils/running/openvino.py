"""Who runs a base: TensorFlow, or OpenVINO, which does the same sums faster on many processors.

OpenVINO is optional (`pip install -e .[fast]`). It runs networks, and trains none. To import it
starts a package that reports to its makers, so that package is hidden from it here.
Lesson 15 compares the two.
"""

import importlib.util
import sys

import numpy as np

from utils.base.framework import keras, tf

ENGINES = ("tensorflow", "openvino", "auto")
TOLERANCE = 1e-3  # how far an engine may be from TensorFlow, absolute or relative
_AT_A_TIME = 4  # small enough for a processor's own memory: faster than 32 for light networks


class EngineError(RuntimeError):
    """An engine that is not installed, or cannot run this base, in one sentence."""


def installed() -> bool:
    """Say whether OpenVINO is there."""
    return importlib.util.find_spec("openvino") is not None


def resolve(engine: str) -> str:
    """Turn "auto" into "openvino" where it is installed, else into "tensorflow", saying so.

    Args:
        engine: one of `ENGINES`.

    Raises:
        ValueError: for an engine that is not there.
        EngineError: for "openvino" where it is not installed.

    Taught in lesson 15.
    """
    if engine not in ENGINES:
        raise ValueError(f"there is no engine {engine!r}; there are {', '.join(ENGINES)}")
    if engine == "tensorflow":
        return engine
    if installed():
        return "openvino"
    if engine == "openvino":
        raise EngineError("OpenVINO is not installed: run pip install -e .[fast], or use auto")
    print("OpenVINO is not installed, so TensorFlow runs the base (pip install -e .[fast])")
    return "tensorflow"


class Runner:
    """A base that is compiled at its first use, and then only run.

    Args:
        base: takes float32 (batch, height, width, channels).
        engine: one of `ENGINES`; `engine` says afterwards which one it became.
    """

    def __init__(self, base: keras.Model, engine: str = "tensorflow"):
        self.base, self.asked, self.engine, self._run = base, engine, resolve(engine), None

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Run the base in inference mode.

        Args:
            images: float32 (any number, height, width, channels).

        Returns:
            The base's output, float32.

        Raises:
            EngineError: if OpenVINO cannot read this base, or disagrees with TensorFlow about the
                first pictures it sees.
        """
        if self._run is None:
            run = {"tensorflow": _tensorflow, "openvino": _openvino}[self.engine](self.base)
            if self.engine != "tensorflow":
                agrees(self.base, images[:_AT_A_TIME], run(images[:_AT_A_TIME]))
            self._run = run  # not before: an engine that disagrees is never used
        return self._run(images)

    def back_to_tensorflow(self) -> None:
        """Let TensorFlow run the base from now on."""
        self.engine, self._run = "tensorflow", None


def _tensorflow(base):
    any_number = tf.TensorSpec(base.input_shape, "float32")  # else the tail is compiled once more
    run = tf.function(lambda images: base(images, training=False), input_signature=[any_number])
    return lambda images: run(images).numpy()


def _openvino(base):
    sys.modules.setdefault("openvino_telemetry", None)  # not there, as far as OpenVINO can tell
    import openvino
    from openvino.frontend.tensorflow import utils as reader

    # Asking for TensorFlow's version in OpenVINO's own way fails on Python 3.13 (openvino #32482).
    reader.get_environment_setup = lambda framework: {"tensorflow": tf.__version__}
    pixels = tf.TensorSpec((_AT_A_TIME, *base.input_shape[1:]), "float32")
    graph = tf.function(lambda images: base(images, training=False), input_signature=[pixels])
    # Full precision: on processors with bfloat16 it would take that, and differ visibly.
    how = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "THROUGHPUT"}
    try:
        network = openvino.convert_model(graph.get_concrete_function())
        queue = openvino.AsyncInferQueue(openvino.compile_model(network, "CPU", how))
    except Exception as error:  # each layer has its own way of not being understood
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:150]
        raise EngineError(f"OpenVINO cannot run {base.name} ({reason}): use tensorflow") from error

    def run(images):
        filling = np.zeros((-len(images) % _AT_A_TIME, *images.shape[1:]), "float32")
        images, count = np.concatenate([images, filling]), len(images)
        outputs = np.empty((len(images), *base.output_shape[1:]), "float32")

        def keep(request, start):
            outputs[start : start + _AT_A_TIME] = request.get_output_tensor().data

        queue.set_callback(keep)
        for start in range(0, len(images), _AT_A_TIME):
            queue.start_async(images[start : start + _AT_A_TIME], start)
        queue.wait_all()
        return outputs[:count]

    return run


def agrees(base: keras.Model, images: np.ndarray, outputs: np.ndarray) -> None:
    """Claim that an engine's outputs are TensorFlow's, within `TOLERANCE`.

    Args:
        base: what was run.
        images: float32 (n, height, width, channels).
        outputs: what the engine made of them.

    Raises:
        EngineError: with the largest difference.

    Taught in lesson 15.
    """
    expected = np.array(base(images, training=False))
    if not np.allclose(outputs, expected, rtol=TOLERANCE, atol=TOLERANCE):
        largest = float(np.abs(outputs - expected).max())
        raise EngineError(
            f"this engine's outputs of {base.name} differ from TensorFlow's by up to "
            f"{largest:.2g}, more than {TOLERANCE:g}: use tensorflow"
        )
