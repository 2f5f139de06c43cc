"""OpenVINO (`pip install -e .[fast]`) runs a base faster on many processors; lesson 15 compares."""

import importlib.util
import sys
from unittest.mock import patch

import numpy as np

from utils.base.framework import keras, tf

_BATCH = 4  # small enough for a processor's own memory: faster than 32 for light networks


class EngineError(RuntimeError):
    """OpenVINO is not installed or cannot run this base, in one sentence."""


def installed() -> bool:
    """Say whether OpenVINO is there."""
    return importlib.util.find_spec("openvino") is not None


def compiled(base: keras.Model):
    """Compile a base for `features.extract(…, run=…)`: a function from float32 pictures to outputs.

    When it first runs, it raises EngineError if these are not TensorFlow's within 0.001.
    """
    if not installed():
        raise EngineError("OpenVINO is not installed: run pip install -e .[fast], or leave out run")
    try:
        queue = _read(base)
    except Exception as error:  # each layer has its own way of not being understood
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:150]
        raise EngineError(f"OpenVINO cannot run {base.name} ({reason}): leave out run") from error

    def run(images):
        filling = np.zeros((-len(images) % _BATCH, *images.shape[1:]), "float32")
        filled = np.concatenate([images, filling])  # (4 n, 128, 128, 3)
        outputs = np.empty((len(filled), *base.output_shape[1:]), "float32")  # (4 n, 4, 4, 1280)

        def keep(request, at):
            outputs[at] = request.get_output_tensor().data

        queue.set_callback(keep)
        for start in range(0, len(filled), _BATCH):
            at = slice(start, start + _BATCH)
            queue.start_async(filled[at], at)
        queue.wait_all()
        if not run.trusted:
            expected = base(filled[:_BATCH], training=False).numpy()
            difference = np.abs(outputs[:_BATCH] - expected)
            if not (difference <= 1e-3 * (1 + np.abs(expected))).all():
                by = f"from TensorFlow's by up to {difference.max():.2g}"
                raise EngineError(f"OpenVINO's {base.name} differs {by}: leave out run")
            run.trusted = True  # not before: one that disagrees is never used
        return outputs[: len(images)]

    run.name, run.trusted = "openvino", False
    return run


def _read(base):
    reports = "openvino_telemetry"  # reports to OpenVINO's makers once it is imported
    sys.modules.setdefault(reports, None)  # so there is none, as far as OpenVINO can tell
    versions = {"tensorflow": tf.__version__}  # its own question fails on 3.13 (openvino #32482)
    pixels = tf.TensorSpec((_BATCH, *base.input_shape[1:]), "float32")
    graph = tf.function(lambda images: base(images, training=False), input_signature=[pixels])
    try:
        import openvino
        from openvino.frontend.tensorflow import utils as reader

        with patch.object(reader, "get_environment_setup", lambda framework: versions):
            network = openvino.convert_model(graph.get_concrete_function())
    finally:
        if sys.modules[reports] is None:
            del sys.modules[reports]
    # Full precision: on processors with bfloat16 it would take that, and differ visibly.
    how = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "THROUGHPUT"}
    return openvino.AsyncInferQueue(openvino.compile_model(network, "CPU", how))
