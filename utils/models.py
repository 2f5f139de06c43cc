"""Heads, and what may learn."""

import math

from utils.backbones import ConvBase, in_block, unknown_block
from utils.base.framework import keras, layers


def head(
    input_shape: tuple[int, ...],
    num_classes: int,
    units: int = 256,
    dropout: float = 0.5,
    pooling: str = "flatten",
) -> keras.Sequential:
    """Build the classifier that stands on a conv base; every lesson uses this one.

    Args:
        input_shape: shape of one feature map, (height, width, channels), without the batch.
        num_classes: 2 gives one sigmoid output, the probability of the second class; more give a
            softmax.
        units: width of the hidden layer; 0 leaves it and the dropout out (a linear head).
        dropout: share of hidden values dropped while training.
        pooling: "flatten" keeps every place, "average" averages over places.

    Returns:
        A model from feature maps to probabilities, (batch, 1) or (batch, num_classes), float32.

    Raises:
        ValueError: fewer than two classes, or an unknown pooling.

    Taught in lesson 02.
    """
    if num_classes < 2:
        raise ValueError(f"a classifier needs at least two classes, but there are {num_classes}")
    reduce = {"flatten": layers.Flatten, "average": layers.GlobalAveragePooling2D}
    if pooling not in reduce:
        raise ValueError(f"there is no pooling {pooling!r}; there are flatten and average")
    model = keras.Sequential([keras.Input(input_shape), reduce[pooling]()], name="head")
    if units:
        model.add(layers.Dense(units, activation="relu"))
        model.add(layers.Dropout(dropout))
    if num_classes == 2:
        model.add(layers.Dense(1, activation="sigmoid"))
    else:
        model.add(layers.Dense(num_classes, activation="softmax"))
    return model


def loss_for(num_classes: int) -> str:
    """Name the loss that goes with `head`: one sigmoid for two classes, else a softmax; lesson 02.

    Returns:
        "binary_crossentropy" or "sparse_categorical_crossentropy": labels are integers for both.
    """
    return "binary_crossentropy" if num_classes == 2 else "sparse_categorical_crossentropy"


def attach(
    base: keras.Model, head: keras.Model, augmentation: keras.Model | None = None
) -> keras.Model:
    """Join a base and a head, with augmentation before them if wanted, into one model.

    The base runs in inference mode for good: its batch-norm statistics never move, whatever is
    unfrozen. Augmentation acts in training only.

    Args:
        base: from `backbones.build`.
        head: from `head`; it is shared, not copied, so what it has learned comes along.
        augmentation: layers from pixels to pixels.

    Returns:
        A model from float32 RGB 0–255 (batch, side, side, 3) to the head's probabilities. `fit`,
        `evaluate` and `predict` know when to augment; calling it yourself, say `training=False`.

    Taught in lesson 03.
    """
    inputs = keras.Input(base.input_shape[1:], name="pixels")
    x = inputs if augmentation is None else augmentation(inputs)
    return keras.Model(inputs, head(base(x, training=False)), name=f"{base.name}_with_head")


def freeze(base: keras.Model) -> None:
    """Let nothing in the base learn; compile the model afterwards. Taught in lesson 03."""
    base.trainable = False


def unfreeze_from(base: keras.Model, block: str) -> None:
    """Let a block and all layers after it learn, and nothing before; compile afterwards.

    Args:
        base: from `backbones.build`.
        block: beginning of the names of the block's layers, one of `backbones.entry(…).blocks`.

    Raises:
        ValueError: for a block the base does not have; nothing is changed.

    Taught in lesson 04.
    """
    start = _first_layer(base, block)
    base.trainable = True
    for i, layer in enumerate(base.layers):
        layer.trainable = i >= start


def _first_layer(base, block):
    for i, layer in enumerate(base.layers):
        if in_block(layer.name, block):
            return i
    raise ValueError(unknown_block(base, block))


def split_at(base: keras.Model, block: str) -> tuple[ConvBase, ConvBase]:
    """Cut a base in two before a block: what stays as it is, and what will learn.

    Both parts share their layers with `base`: what the top learns, the base has learned. Nothing
    below the first layer that learns ever changes, so the trunk need run only once for a picture.

    Args:
        base: from `backbones.build`.
        block: where the top begins, one of `backbones.entry(…).blocks`.

    Returns:
        (trunk, top): pixels → activations, and activations → the base's output.

    Raises:
        ValueError: for a block the base does not have, or before which more than one path runs.

    Taught in lesson 04.
    """
    start = _first_layer(base, block)
    cut = base.layers[start].input
    if isinstance(cut, list):
        raise ValueError(f"{base.name} cannot be cut before {block}: several paths meet there")
    try:
        top = ConvBase(cut, base.output, name=f"{base.name}_from_{block}")
    except ValueError as error:
        raise ValueError(f"{base.name} cannot be cut before {block}: a path passes by") from error
    return ConvBase(base.input, cut, name=f"{base.name}_below_{block}"), top


def replace_head(model: keras.Model, num_classes: int, learning_rate: float = 1e-3) -> ConvBase:
    """Make a classifier of other classes from a full network, as fast.ai's `finetune` did.

    Drops the last layer, freezes what is left, adds a softmax of the new size, and compiles. The
    layers that stay are shared with the old model, not copied. Called again it drops the layer it
    added, so that nothing stacks.

    Args:
        model: a network whose last layer is dense, such as `backbones.build(…, include_top=True)`.
        num_classes: how many classes the new layer tells apart.
        learning_rate: of Adam.

    Returns:
        A compiled model from the old one's inputs to (batch, num_classes) probabilities, float32,
        for integer labels. It runs in inference mode, as every base of the course.

    Raises:
        ValueError: fewer than two classes, or a network that does not end in a dense layer.

    Taught in lesson 10.
    """
    if num_classes < 2:
        raise ValueError(f"a classifier needs at least two classes, but there are {num_classes}")
    if not isinstance(model.layers[-1], layers.Dense):
        raise ValueError(
            f"{model.name} ends with {model.layers[-1].name}, which is not a dense layer: build it "
            "with include_top=True"
        )
    rest = model.layers[-1].input
    outputs = layers.Dense(num_classes, activation="softmax", name="new_predictions")(rest)
    replaced = ConvBase(model.input, outputs, name=model.name)
    for layer in replaced.layers[:-1]:
        layer.trainable = False
    replaced.compile(
        keras.optimizers.Adam(learning_rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return replaced


def up_to(model: keras.Model, name: str) -> ConvBase:
    """Cut a network after a layer, to read what that layer says.

    Args:
        model: a network, for example with its top.
        name: of a layer, such as "fc1" of VGG16 or "average_pool" of EfficientNet-Lite0.

    Returns:
        A base from the same pixels to that layer's output, sharing the layers.

    Raises:
        ValueError: for a layer the network does not have, naming its last ones.

    Taught in lesson 13.
    """
    names = [layer.name for layer in model.layers]
    if name not in names:
        raise ValueError(
            f"{model.name} has no layer {name!r}; its last ones are {', '.join(names[-6:])}"
        )
    return ConvBase(model.input, model.get_layer(name).output, name=f"{model.name}_{name}")


def batch_norm(base: keras.Model, statistics: str, learn: bool = False) -> keras.Model:
    """Give a frozen base whose batch normalisation behaves in one of three ways.

    All other layers stay frozen. The layers are shared with `base` and are changed by this.

    Args:
        base: from `backbones.build`.
        statistics: "kept" normalises by the running averages from ImageNet, always; "batch" by the
            batch while training, and leaves the averages alone, as a frozen base did before Keras
            2.1.3; "updated" by the batch while training, and moves the averages towards it.
        learn: whether scale and offset of these layers learn; not with "kept".

    Returns:
        An ordinary model, that hands `training` on to its layers; compile afterwards.

    Raises:
        ValueError: for other statistics, or learning with "kept".

    Taught in lessons 11 and 14.
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


def memory_estimate(model: keras.Model, batch_size: int) -> dict[str, float]:
    """Estimate what one training step holds in memory, in megabytes (10⁶ bytes).

    Counted are float32 numbers: all weights; a gradient and two moments (Adam) for each weight that
    learns; and every layer's output for the batch, which the way back needs. It leaves out Python,
    TensorFlow itself, the data, and the scratch space of convolutions.

    Args:
        model: with `trainable` set as it will be trained.
        batch_size: pictures in one update.

    Returns:
        {"weights", "gradients", "optimizer", "activations", "total"}: megabytes.

    Taught in lesson 14.
    """
    learn = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    numbers = {
        "weights": model.count_params(),
        "gradients": learn,
        "optimizer": 2 * learn,
        "activations": batch_size * _activations(model),
    }
    megabytes = {name: 4 * count / 1e6 for name, count in numbers.items()}
    return megabytes | {"total": sum(megabytes.values())}


def _activations(model):
    """Numbers that the layers of a model put out for one picture."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            total += _activations(layer)
        elif not isinstance(layer, layers.InputLayer):
            outputs = layer.output if isinstance(layer.output, list) else [layer.output]
            total += sum(math.prod(output.shape[1:]) for output in outputs)
    return total
