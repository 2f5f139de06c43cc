"""A head, and what may learn below it.

Lessons 02 to 04 write all of this out; the deeper lessons use these few functions.
"""

from utils.backbones import in_block, unknown_block
from utils.base.framework import keras, layers

LOSS = "sparse_categorical_crossentropy"  # labels are integers, outputs are a softmax


def head(
    input_shape: tuple[int, ...],
    num_classes: int,
    units: int = 0,
    dropout: float = 0.0,
    pooling: str = "average",
) -> keras.Sequential:
    """Build the classifier that stands on a conv base; lesson 02 writes it out.

    Args:
        input_shape: shape of one feature map, (height, width, channels), without the batch.
        num_classes: width of the softmax, at least 2.
        units, dropout: of the hidden layer; 0 units leave it out (a linear classifier).
        pooling: "average" over the places of the map, or "flatten", which keeps every place.

    Probabilities are float32, whatever Keras's dtype policy.
    """
    if num_classes < 2:
        raise ValueError(f"a classifier needs at least two classes, but there are {num_classes}")
    reduce = {"average": layers.GlobalAveragePooling2D, "flatten": layers.Flatten}
    if pooling not in reduce:
        raise ValueError(f"there is no pooling {pooling!r}; there are average and flatten")
    model = keras.Sequential([keras.Input(input_shape), reduce[pooling]()], name="head")
    if units:
        model.add(layers.Dense(units, activation="relu"))
        model.add(layers.Dropout(dropout))
    # Also where a learner computes in float16: a softmax needs the digits.
    model.add(layers.Dense(num_classes, activation="softmax", dtype="float32"))
    return model


def attach(
    base: keras.Model, head: keras.Model, augmentation: keras.Model | None = None
) -> keras.Model:
    """Join a base and a head, with augmentation before them if wanted; lesson 03 writes it out.

    From float32 RGB 0–255 (batch, side, side, 3) to probabilities. The head is shared, not copied,
    so what it has learned comes along. Augmentation acts in training only.
    """
    inputs = keras.Input(base.input_shape[1:], name="pixels")
    x = inputs if augmentation is None else augmentation(inputs)
    return keras.Model(inputs, head(base(x)), name=f"{base.name}_with_head")


def unfreeze_from(base: keras.Model, block: str) -> None:
    """Let a block and all layers after it learn; lesson 04 writes it out. Compile afterwards.

    Batch normalisation stays frozen: in Keras 3 a frozen layer of this kind runs in inference
    mode, so its running mean and variance stay as they are.

    Raises:
        ValueError: for a block the base does not have; nothing is changed.
    """
    start = _first_layer(base, block)
    base.trainable = True
    for i, layer in enumerate(base.layers):
        layer.trainable = i >= start and not isinstance(layer, layers.BatchNormalization)


def _first_layer(base, block):
    for i, layer in enumerate(base.layers):
        if in_block(layer.name, block):
            return i
    raise ValueError(unknown_block(base, block))


def split_at(base: keras.Model, block: str) -> tuple[keras.Model, keras.Model]:
    """Cut a base in two before a block: what stays as it is, and what will learn; lesson 15.

    Both parts share their layers with `base`: what the top learns, the base has learned. Nothing
    below the first layer that learns ever changes, so the trunk need run only once for a picture.

    Returns:
        (trunk, top): pixels → activations, and activations → the base's output.

    Raises:
        ValueError: for a block the base does not have, or before which more than one path runs.
    """
    cut = base.layers[_first_layer(base, block)].input
    if isinstance(cut, list):
        raise ValueError(f"{base.name} cannot be cut before {block}: several paths meet there")
    try:
        top = keras.Model(cut, base.output, name=f"{base.name}_from_{block}")
    except ValueError as error:
        raise ValueError(f"{base.name} cannot be cut before {block}: a path passes by") from error
    return keras.Model(base.input, cut, name=f"{base.name}_below_{block}"), top


def up_to(model: keras.Model, name: str) -> keras.Model:
    """Cut a network after a layer, such as "fc1" of VGG16; the layers are shared; lesson 13."""
    names = [layer.name for layer in model.layers]
    if name not in names:
        raise ValueError(
            f"{model.name} has no layer {name!r}; its last ones are {', '.join(names[-6:])}"
        )
    return keras.Model(model.input, model.get_layer(name).output, name=f"{model.name}_{name}")


def batch_norm(base: keras.Model, statistics: str, learn: bool = False) -> keras.Model:
    """Give a frozen base whose batch normalisation acts as one era of Keras did; lessons 11, 14.

    All other layers stay frozen. The layers are shared with `base` and are changed by this.

    Args:
        statistics: by which mean and variance a frozen layer normalises in training, and what its
            running averages do: "updated" by the batch, and they move (Keras up to 2.1.2, issue
            6570); "batch" by the batch, and they stay (2.1.3 to 2.3, pull request 9965); "kept" by
            the averages, always, and they stay (TensorFlow 2.0 and later, Keras 3).
        learn: whether scale and offset of these layers learn; not with "kept".
    """
    if statistics not in ("kept", "batch", "updated") or (learn and statistics == "kept"):
        raise ValueError(
            f"there is no batch normalisation with statistics {statistics!r} and learn={learn}; "
            "statistics are kept, batch or updated, and with kept ones nothing learns"
        )
    base.trainable = True
    for layer in base.layers:
        layer.trainable = False
        if isinstance(layer, layers.BatchNormalization) and statistics != "kept":
            layer.trainable = True
            layer.gamma.trainable = layer.beta.trainable = learn
            if statistics == "batch":
                layer.momentum = 1.0  # the averages move by nothing
    return keras.Model(base.input, base.output, name=base.name)
