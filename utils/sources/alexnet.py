"""AlexNet in Keras: the network of 2012, as it is met in old programs and their weights.

Source: Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural
Networks" (2012); order of layers, padding and normalisation as in Caffe's `bvlc_alexnet`, for its
converted weights are the ones in circulation. Lesson 13 uses it.
"""

from pathlib import Path

from utils.backbones import entry, plausible
from utils.base.framework import keras, layers, tf
from utils.sources.unpickler import read_dictionary


@keras.saving.register_keras_serializable(package="transfer_learning_course")
class LocalResponseNormalization(layers.Layer):
    """Divide each value by what its neighbour channels say at the same place (2012, section 3.3).

    Args:
        depth_radius: how many channels to either side.
        bias, alpha, beta: y = x / (bias + alpha · Σ x²) ** beta over those channels.
    """

    def __init__(self, depth_radius=2, bias=1.0, alpha=2e-5, beta=0.75, **options):
        super().__init__(**options)
        self.depth_radius, self.bias, self.alpha, self.beta = depth_radius, bias, alpha, beta

    def call(self, inputs):
        """Normalise (batch, height, width, channels), float32."""
        return tf.nn.local_response_normalization(
            inputs, self.depth_radius, self.bias, self.alpha, self.beta
        )

    def compute_output_shape(self, input_shape):
        """Same shape as the input."""
        return input_shape

    def get_config(self):
        """What it was made with."""
        names = ("depth_radius", "bias", "alpha", "beta")
        return super().get_config() | {name: getattr(self, name) for name in names}


def AlexNet(classes: int = 1000) -> keras.Model:
    """Build AlexNet with random weights.

    Args:
        classes: number of classes of the last layer.

    Returns:
        A model from float32 RGB 0–255 (batch, 227, 227, 3) to class probabilities. Its own
        preprocessing (BGR, mean subtracted) is inside. Layers are named conv1 … conv5, fc6, fc7,
        fc8; 60,965,224 parameters with 1,000 classes.

    Taught in lesson 13.
    """
    inputs = x = keras.Input((227, 227, 3), name="pixels")
    for layer in entry("vgg16").preprocessing():  # both come from Caffe
        x = layer(x)
    # Two groups in conv2, 4 and 5: in 2012 the network was spread over two graphics cards.
    x = layers.Conv2D(96, 11, strides=4, activation="relu", name="conv1")(x)
    x = LocalResponseNormalization(name="norm1")(x)
    x = layers.MaxPooling2D(3, 2, name="pool1")(x)
    x = layers.Conv2D(256, 5, padding="same", groups=2, activation="relu", name="conv2")(x)
    x = LocalResponseNormalization(name="norm2")(x)
    x = layers.MaxPooling2D(3, 2, name="pool2")(x)
    x = layers.Conv2D(384, 3, padding="same", activation="relu", name="conv3")(x)
    x = layers.Conv2D(384, 3, padding="same", groups=2, activation="relu", name="conv4")(x)
    x = layers.Conv2D(256, 3, padding="same", groups=2, activation="relu", name="conv5")(x)
    x = layers.MaxPooling2D(3, 2, name="pool5")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(4096, activation="relu", name="fc6")(x)
    x = layers.Dropout(0.5, name="drop6")(x)
    x = layers.Dense(4096, activation="relu", name="fc7")(x)
    x = layers.Dropout(0.5, name="drop7")(x)
    outputs = layers.Dense(classes, activation="softmax", name="fc8")(x)
    return keras.Model(inputs, outputs, name="alexnet")


def load_weights(model: keras.Model, path: Path) -> None:
    """Put the weights of `bvlc_alexnet.npy` into an `AlexNet` of 1,000 classes; all or none.

    Args:
        model: from `AlexNet()`.
        path: a pickled dictionary, layer name → [kernel, bias]; read without running code.

    Raises:
        ValueError: if it is not there, is damaged, would run code, or is of another network.

    Taught in lesson 13.
    """
    path = Path(path)
    if not path.exists():
        raise ValueError(
            f"{path} is not there: AlexNet's weights come with no Python package; put the file "
            "bvlc_alexnet.npy there if you have it, or go on with random weights"
        )
    stored = read_dictionary(path.read_bytes(), str(path))
    wanted = []
    for layer in model.layers:
        if not layer.weights:
            continue
        arrays = stored.get(layer.name, [])
        shapes = [array.shape for array in arrays]
        if shapes != [tuple(weight.shape) for weight in layer.weights]:
            raise ValueError(
                f"{path}: {layer.name} has the shapes {shapes} but the model needs "
                f"{[tuple(weight.shape) for weight in layer.weights]}: it is of another network"
            )
        if not plausible(arrays):
            raise ValueError(
                f"{path}: {layer.name} holds numbers that no training gives: it is damaged"
            )
        wanted.append((layer, arrays))
    for layer, arrays in wanted:
        layer.set_weights(arrays)
