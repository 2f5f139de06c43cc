"""A backbone is a conv base that takes pixels as they are: float32 RGB, 0–255.

Its own preprocessing is part of the model, as layers that are saved with it, so that training,
caching and serving cannot disagree. Lesson 01 shows what happens with the wrong preprocessing.
"""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.base.folders import weights_dir
from utils.base.framework import keras, layers
from utils.sources.efficientnet_lite import EfficientNetLite0, weights_path

ABSURD = 1e6  # no weight or average of a trained network is as large; damaged bytes often are


class WeightsError(RuntimeError):
    """Weights that cannot be had or do not fit, with the way out in one sentence."""


@keras.saving.register_keras_serializable(package="transfer_learning_course")
class ReverseChannels(layers.Layer):
    """RGB to BGR, the order of the Caffe networks VGG and ResNet50 come from; lesson 01."""

    def call(self, inputs):
        """Reverse the last axis of (..., 3)."""
        return inputs[..., ::-1]

    def compute_output_shape(self, input_shape):
        """Same shape as the input."""
        return input_shape


@keras.saving.register_keras_serializable(package="transfer_learning_course")
class ConvBase(keras.Model):
    """A functional model that runs in inference mode, whatever it is part of; lesson 04.

    Tutorials call a base with `training=False` to keep its batch-norm statistics still. Inside
    another functional model Keras 3.15 replaces that argument by the outer model's own (see
    `operation_fn` in keras/src/models/functional.py), and unfrozen statistics move. So here the
    base itself says so. Its weights can still learn.
    """

    def call(self, inputs, training=None, mask=None):
        """Run the graph in inference mode; `training` is ignored."""
        return super().call(inputs, training=False, mask=mask)


def _caffe():
    return [ReverseChannels(), layers.Rescaling(1.0, offset=[-103.939, -116.779, -123.68])]


def _minus_one_to_one():
    return [layers.Rescaling(1 / 127.5, offset=-1.0)]


def _lite():
    return [layers.Rescaling(1 / 128, offset=-127 / 128)]


def _in_the_model():
    return []  # keras.applications' EfficientNets scale by themselves: scaling twice is a classic


def _unit():
    return [layers.Rescaling(1 / 255)]


@dataclass(frozen=True)
class Backbone:
    """An entry of the registry."""

    builder: Callable[..., keras.Model]  # with the arguments of keras.applications
    preprocessing: Callable[[], list[layers.Layer]]
    image_size: int  # the side it was trained at
    blocks: tuple[str, ...]  # names to cut at, from the input up; layer names begin with them
    download_megabytes: int  # 0: the weights come with the course's packages
    licence: str  # of the weights, as those who trained them state it


def _numbered(prefix, first, last):
    return tuple(f"{prefix}{number}" for number in range(first, last + 1))


def _efficientnet_blocks(repeats):
    letters = "abcdefghijklmnopqrstuvwxyz"
    inner = [f"block{i}{letters[j]}" for i, n in enumerate(repeats, 1) for j in range(n)]
    return ("stem", *inner, "top")


def _resnet_blocks(repeats):
    return ("conv1", *(f"conv{i}_block{j + 1}" for i, n in enumerate(repeats, 2) for j in range(n)))


_GOOGLE = "Apache-2.0, Google"
_OXFORD = "CC BY 4.0, Visual Geometry Group, University of Oxford"

BACKBONES = {
    "efficientnet_lite0": Backbone(
        EfficientNetLite0, _lite, 224, ("stem", *_numbered("block", 1, 16), "top"), 0, _GOOGLE
    ),
    "vgg16": Backbone(keras.applications.VGG16, _caffe, 224, _numbered("block", 1, 5), 59, _OXFORD),
    "vgg19": Backbone(keras.applications.VGG19, _caffe, 224, _numbered("block", 1, 5), 80, _OXFORD),
    "resnet50": Backbone(
        keras.applications.ResNet50,
        _caffe,
        224,
        _resnet_blocks((3, 4, 6, 3)),
        95,
        "MIT, K. He and others",
    ),
    "inception_v3": Backbone(
        keras.applications.InceptionV3,
        _minus_one_to_one,
        299,
        _numbered("mixed", 0, 10),
        88,
        _GOOGLE,
    ),
    "xception": Backbone(
        keras.applications.Xception,
        _minus_one_to_one,
        299,
        _numbered("block", 1, 14),
        84,
        "MIT, F. Chollet",
    ),
    "mobilenet_v2": Backbone(
        keras.applications.MobileNetV2,
        _minus_one_to_one,
        224,
        ("Conv1", "expanded_conv", *_numbered("block_", 1, 16), "Conv_1"),
        9,
        _GOOGLE,
    ),
    "efficientnet_b0": Backbone(
        keras.applications.EfficientNetB0,
        _in_the_model,
        224,
        _efficientnet_blocks((1, 2, 2, 3, 3, 4, 1)),
        17,
        _GOOGLE,
    ),
    "efficientnet_b5": Backbone(
        keras.applications.EfficientNetB5,
        _in_the_model,
        456,
        _efficientnet_blocks((3, 5, 5, 7, 7, 9, 3)),
        115,
        _GOOGLE,
    ),
}


def entry(name: str) -> Backbone:
    """Look a backbone up in the registry; taught in lesson 01.

    Raises:
        ValueError: for a name that is not there; the message lists those that are.
    """
    if name not in BACKBONES:
        raise ValueError(f"there is no backbone {name!r}; there are {', '.join(BACKBONES)}")
    return BACKBONES[name]


def in_block(layer_name: str, block: str) -> bool:
    """Say whether a layer belongs to a block: "block1_conv" to "block1", "block16_bn" not."""
    return layer_name == block or layer_name.startswith(f"{block}_")


def block_output(base: keras.Model, block: str):
    """Give the tensor that leaves a block, to cut a base there or to listen; taught in lesson 01.

    Args:
        base: from `build`.
        block: one of `entry(…).blocks`.

    Returns:
        A Keras tensor (batch, height, width, channels).

    Raises:
        ValueError: for a block the base does not have; the message lists those it has.
    """
    found = [layer for layer in base.layers if in_block(layer.name, block)]
    if not found:
        raise ValueError(unknown_block(base, block))
    return found[-1].output


def unknown_block(base: keras.Model, block: str) -> str:
    """Write the sentence for a block that is not there."""
    known = BACKBONES[base.name].blocks if base.name in BACKBONES else [x.name for x in base.layers]
    return f"{base.name} has no block {block!r}; there are {', '.join(known)}"


def build(
    name: str,
    image_size: int,
    preprocessing: str = "own",
    weights: str | Path | None = "imagenet",
    include_top: bool = False,
) -> keras.Model:
    """Build a pretrained conv base with its preprocessing inside.

    Args:
        name: a key of `BACKBONES`.
        image_size: side of the pictures in pixels.
        preprocessing: "own", what the network was trained with, or "unit", ×1/255, to see the harm.
        weights: "imagenet" takes `COURSE_WEIGHTS_DIR/<name>.weights.h5` if it is there (with the
            top `<name>_with_top.weights.h5`), else the installed package or Keras's download; a
            path takes that file; None starts at random.
        include_top: with ImageNet's 1,000-class layer.

    Returns:
        A `ConvBase`, float32 RGB 0–255 (batch, image_size, image_size, 3) → the last feature
        map; or class probabilities with the top. Its layers keep the names of the source.

    Raises:
        ValueError: an unknown name or preprocessing.
        WeightsError: weights that are not there, do not fit, or cannot be downloaded.

    Taught in lesson 01.
    """
    backbone = entry(name)
    steps = {"own": backbone.preprocessing, "unit": _unit}
    if preprocessing not in steps:
        raise ValueError(f"there is no preprocessing {preprocessing!r}; there are own and unit")
    shape = (image_size, image_size, 3)
    inputs = x = keras.Input(shape, name="pixels")
    for layer in steps[preprocessing]():
        x = layer(x)
    if x is inputs:  # some builders rename the tensor they are given
        x = layers.Activation("linear", name="pixels_as_they_are")(x)
    model = backbone.builder(include_top=include_top, weights=None, input_tensor=x)
    model = ConvBase(inputs, model.outputs[0], name=name)
    if weights is not None:
        plain = _with_weights(name, backbone, weights, include_top, shape)
        model.set_weights(plain.get_weights())
    return model


def _with_weights(name, backbone, weights, include_top, shape):
    """The network as its builder makes it, without our preprocessing, with its weights loaded."""
    found = _weights_file(name, include_top)
    path = found if weights == "imagenet" and found.exists() else None
    if weights != "imagenet":
        path = Path(weights)
    if path is None:
        return _from_package_or_download(name, backbone, include_top, shape)
    plain = backbone.builder(include_top=include_top, weights=None, input_shape=shape)
    try:
        with warnings.catch_warnings():
            # Of a file that does not fit Keras says each missing piece; one sentence follows here.
            warnings.filterwarnings("ignore", "Skipping nested container")
            plain.load_weights(path)
        if not plausible(plain.get_weights()):
            raise ValueError("it holds numbers that no training gives")
    except Exception as error:  # h5py and Keras raise many kinds for a file that does not fit
        reason = "it is not there" if not path.exists() else "it is damaged or of another network"
        raise WeightsError(f"{path} does not fit {name}: {reason}; remove or replace it") from error
    return plain


def plausible(arrays: list[np.ndarray]) -> bool:
    """Say whether all numbers are such as training gives; damaged ones often are not; lesson 13."""
    return all(np.all(np.abs(array) < ABSURD) for array in arrays)


def _weights_file(name, include_top):
    return weights_dir() / f"{name}{'_with_top' if include_top else ''}.weights.h5"


def _from_package_or_download(name, backbone, include_top, shape):
    if backbone.download_megabytes and not _downloaded(name, include_top):
        print(
            f"Downloading about {backbone.download_megabytes} MB of {name} weights (ImageNet) from "
            f"storage.googleapis.com to Keras's cache (licence: {backbone.licence})"
        )
    try:
        return backbone.builder(include_top=include_top, weights="imagenet", input_shape=shape)
    except Exception as error:
        if not backbone.download_megabytes:
            raise
        raise WeightsError(
            f"the weights of {name} could not be downloaded ({type(error).__name__}): connect and "
            f"run again, or put {_weights_file(name, include_top).name} into {weights_dir()}, or "
            "use efficientnet_lite0, whose weights are installed"
        ) from error


def _downloaded(name, include_top):
    """Whether Keras's own cache holds the file already."""
    stem = {"efficientnet_b0": "efficientnetb0", "efficientnet_b5": "efficientnetb5"}.get(
        name, name
    )
    folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"
    return any(("notop" in p.name) != include_top for p in folder.glob(f"{stem}_*.h5"))


def available_offline(name: str, include_top: bool = False) -> str:
    """Say where a backbone's weights are on this machine, "" if a download is needed; lesson 01."""
    if _weights_file(name, include_top).exists():
        return "weights folder"
    if entry(name).download_megabytes == 0:
        return "installed package" if weights_path().exists() else ""
    return "Keras's cache" if _downloaded(name, include_top) else ""
