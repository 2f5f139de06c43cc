"""A backbone is a pretrained conv base that takes pixels as they are: float32 RGB, 0–255.

Its own preprocessing is part of the model, as layers that are saved with it, so that training,
caching and serving cannot disagree. Lesson 01 shows what happens when pixels are scaled twice.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from utils.base.framework import keras, layers
from utils.sources import weights as files
from utils.sources.efficientnet_lite import EfficientNetLite0


def _caffe(pixels):
    """VGG and ResNet50 come from the program Caffe: blue first, ImageNet's mean taken away."""
    return layers.Rescaling(1.0, offset=[-103.939, -116.779, -123.68])(pixels[..., ::-1])


def _minus_one_to_one(pixels):
    return layers.Rescaling(1 / 127.5, offset=-1.0)(pixels)


def _lite(pixels):
    return layers.Rescaling(1 / 128, offset=-127 / 128)(pixels)


def _in_the_model(pixels):
    """EfficientNets of keras.applications scale by themselves; some builders rename their input."""
    return layers.Identity(name="pixels_as_they_are")(pixels)


def _unit(pixels):
    return layers.Rescaling(1 / 255)(pixels)


@dataclass(frozen=True)
class Backbone:
    """An entry of the registry."""

    builder: Callable[..., keras.Model]  # with the arguments of keras.applications
    preprocessing: Callable  # from a Keras tensor of pixels, 0–255, to what the network expects
    image_size: int  # the side it was trained at
    blocks: tuple[str, ...]  # names to cut at, from the input up; layer names begin with them
    download_megabytes: int  # 0: the weights come with the course's packages
    licence: str  # of the weights, as those who trained them state it


def _numbered(prefix, first, last):
    return tuple(f"{prefix}{number}" for number in range(first, last + 1))


_KERAS = keras.applications
_RESNET = (f"conv{i}_block{j + 1}" for i, n in enumerate((3, 4, 6, 3), 2) for j in range(n))
_REPEATS = enumerate((3, 5, 5, 7, 7, 9, 3), 1)
_B5 = (f"block{i}{'abcdefghi'[j]}" for i, n in _REPEATS for j in range(n))
_GOOGLE = "Apache-2.0, Google"
_OXFORD = "CC BY 4.0, Visual Geometry Group, University of Oxford"

BACKBONES = {
    "efficientnet_lite0": Backbone(
        EfficientNetLite0, _lite, 224, ("stem", *_numbered("block", 1, 16), "top"), 0, _GOOGLE
    ),
    "vgg16": Backbone(_KERAS.VGG16, _caffe, 224, _numbered("block", 1, 5), 59, _OXFORD),
    "resnet50": Backbone(
        _KERAS.ResNet50, _caffe, 224, ("conv1", *_RESNET), 95, "MIT, K. He and others"
    ),
    "inception_v3": Backbone(
        _KERAS.InceptionV3, _minus_one_to_one, 299, _numbered("mixed", 0, 10), 88, _GOOGLE
    ),
    "xception": Backbone(
        _KERAS.Xception, _minus_one_to_one, 299, _numbered("block", 1, 14), 84, "MIT, F. Chollet"
    ),
    "efficientnet_b5": Backbone(
        _KERAS.EfficientNetB5, _in_the_model, 456, ("stem", *_B5, "top"), 115, _GOOGLE
    ),
}


def entry(name: str) -> Backbone:
    """Look a backbone up; a ValueError lists the names that there are; lesson 01."""
    if name not in BACKBONES:
        raise ValueError(f"there is no backbone {name!r}; there are {', '.join(BACKBONES)}")
    return BACKBONES[name]


def build(
    name: str,
    image_size: int,
    preprocessing: str = "own",
    weights: str | Path | None = "imagenet",
    include_top: bool = False,
) -> keras.Model:
    """Build a pretrained conv base with its preprocessing inside; lesson 01.

    An ordinary functional model of Keras's own layers: saved, it loads without this course.

    Example:
        >>> base = backbones.build("efficientnet_lite0", 128)
        >>> base.output_shape
        (None, 4, 4, 1280)

    Args:
        preprocessing: "own", what the network was trained with; "unit" divides by 255 in its
            place, as the book's first edition did.
        weights: "imagenet" takes `COURSE_WEIGHTS_DIR/<name>.weights.h5` if it is there (with the
            top `<name>_with_top.weights.h5`), else the installed package or Keras's download; a
            path takes that file; None starts at random.
        include_top: with ImageNet's 1,000-class layer.

    Returns:
        A model from float32 RGB 0–255 (batch, image_size, image_size, 3) to the last feature map,
        or to class probabilities with the top. Its layers keep the names of the source.

    Raises:
        ValueError: an unknown name or preprocessing; WeightsError: weights that are not there, do
            not fit, or cannot be downloaded.
    """
    backbone = entry(name)
    steps = {"own": backbone.preprocessing, "unit": _unit}
    if preprocessing not in steps:
        raise ValueError(f"there is no preprocessing {preprocessing!r}; there are own and unit")
    shape = (image_size, image_size, 3)
    pixels = keras.Input(shape, name="pixels")
    network = backbone.builder(
        include_top=include_top, weights=None, input_tensor=steps[preprocessing](pixels)
    )
    model = keras.Model(pixels, network.outputs[0], name=name)
    if weights is not None:
        about = (backbone.download_megabytes, backbone.licence)
        plain = files.load(name, backbone.builder, weights, include_top, shape, *about)
        model.set_weights(plain.get_weights())
    return model


def available_offline(name: str, include_top: bool = False) -> str:
    """Say where a backbone's weights are on this machine, "" if a download is needed; lesson 11."""
    return files.available(name, entry(name).download_megabytes, include_top)


def in_block(layer_name: str, block: str) -> bool:
    """Say whether a layer belongs to a block: "block1_conv" to "block1", "block16_bn" not."""
    return layer_name == block or layer_name.startswith(f"{block}_")


def block_output(base: keras.Model, block: str):
    """Give the Keras tensor that leaves a block, (batch, height, width, channels); lesson 01."""
    found = [layer for layer in base.layers if in_block(layer.name, block)]
    if not found:
        raise ValueError(unknown_block(base, block))
    return found[-1].output


def unknown_block(base: keras.Model, block: str) -> str:
    """Write the sentence for a block that is not there."""
    known = BACKBONES[base.name].blocks if base.name in BACKBONES else [x.name for x in base.layers]
    return f"{base.name} has no block {block!r}; there are {', '.join(known)}"
