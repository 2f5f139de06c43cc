"""TensorFlow and Keras, imported once and without TensorFlow's two start-up notes.

They are written below Python, where no setting hides them, and would open every lesson.
"""

import os
import tempfile
import warnings

_NOTES = (b"oneDNN custom operations are on", b"before absl::InitializeLog() is called")


def _import_quietly():
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            import tensorflow
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            written.seek(0)
            kept = [line for line in written if not any(note in line for note in _NOTES)]
            os.write(2, b"".join(kept))
    import keras

    return tensorflow, keras


tf, keras = _import_quietly()
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
