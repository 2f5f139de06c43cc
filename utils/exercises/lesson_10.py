"""Exercises of lesson 10: a copy of its own, one block only, and what the grid is evidence for."""

import numpy as np

from utils import results
from utils.base.framework import keras, layers
from utils.exercises.checking import answered, exercise


def small(blocks, last):
    """A classifier of six classes with blocks and a last layer of these names, always the same."""
    x = pixels = keras.Input((8, 8, 3))
    for name in blocks:
        x = layers.Conv2D(4, 1, name=f"{name}_conv")(x)
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
    x = layers.GlobalAveragePooling2D(name="average_pool")(x)
    model = keras.Model(pixels, layers.Dense(6, activation="softmax", name=last)(x))
    draw = np.random.default_rng(10)
    model.set_weights([draw.uniform(0.1, 1, w.shape) for w in model.weights])
    return model


@exercise(
    "10-1",
    right="The new model has all that the network has learned, in weights of its own.",
    hint="`keras.models.clone_model` makes new layers after an old model's description; "
    "`get_weights` and `set_weights` carry numbers from one model to another of the same form.",
)
def apart(function):
    """A function: network and number of classes → a model as of `finetune`, sharing nothing."""
    network = small(["block1"], "predictions")
    before, open_before = network.get_weights(), len(network.trainable_weights)
    model = answered(function(network, 3))
    if model.output_shape != (None, 3):
        return f"For 3 classes the outputs have the shape {model.output_shape}."
    shared = {id(w) for w in network.weights} & {id(w) for w in model.weights}
    if shared:
        return f"{len(shared)} arrays are the very same in both models: what one learns, both know."
    if not all(map(np.array_equal, network.get_weights(), before)):
        return "The weights of the given network are others than before."
    if len(network.trainable_weights) != open_before:
        return "The given network is frozen now, and it was to be left as it is."
    *below, kernel, _ = model.get_weights()
    if len(below) != len(before) - 2 or kernel.shape != (4, 3):
        return "The new layer does not stand in the old one's place. Was the old one dropped?"
    if not all(map(np.array_equal, below, before)):
        return "Below the new layer the weights are not the network's. Copied layers begin anew."
    if (count := len(model.trainable_weights)) != 2:
        return f"{count} arrays may learn, and not two, the new kernel and the new bias."
    return None if model.compiled else "All is there but the last step: it is not compiled."


@exercise(
    "10-2",
    right="Only this block and the last layer may learn, and no running mean moves.",
    hint="Ask three things of every layer: does it belong to the block, is it the last one, is it "
    "batch normalisation? `backbones.in_block` and `isinstance` answer the first and the third.",
)
def only(function):
    """A function: model and a block's name → the model, this block and its last layer opened."""
    model = small(["stem", "block1", "block2", "block12"], "new_predictions")
    model.trainable = False
    model.layers[-1].trainable = model.trainable = True
    for layer in model.layers[1:-1]:
        layer.trainable = False
    model = answered(function(model, "block1"))
    names = [layer.name for layer in model.layers if layer.trainable_weights]
    if any(name.endswith("_bn") for name in names):
        return "A layer of batch normalisation may learn, so its running mean and variance move."
    if not names:
        return "No weight may learn. Is the model as a whole frozen, or each of its layers?"
    if "new_predictions" not in names:
        return f"{', '.join(names)} may learn, but not the last layer, which is to learn, too."
    if {"block2_conv", "block12_conv"} <= {*names}:
        return f"With block1 also the blocks above it are open: {', '.join(names[:-1])} may learn."
    if "block12_conv" in names:
        return "With block1 also block12 is open, whose name begins in the same way."
    if names != ["block1_conv", "new_predictions"]:
        return f"Asked for block1, these layers may learn: {', '.join(names)}."
    if not model.compiled:
        return "The right layers may learn. `fit` needs one thing more, as question 5 showed."
    return None


@exercise(
    "10-3",
    right="Few cells carry the claim, most of them of signs. It may hold elsewhere, too: there "
    "the numbers are not enough to say so.",
    hint="Go through the names in `order` and the four sizes; take a pair if its `_opened_low` is "
    "there and is larger than its `_continued_high`.",
)
def carried(pairs):
    """Pairs (data set, size) in which the gain of opening lies wholly above that of the control."""
    told = {n: e["numbers"] for n, e in results.load_stored("size_and_similarity").items()}
    cells = {
        (n, s) for n in told for s in ("10", "30", "100", "all") if f"{s}_opened_low" in told[n]
    }

    def above(end, bar):
        return {
            c for c in cells if told[c[0]][f"{c[1]}_{end}"] > told[c[0]].get(f"{c[1]}_{bar}", 0)
        }

    given, wanted = {tuple(map(str, pair)) for pair in pairs}, above("opened_low", "continued_high")
    better, surely = above("opened_low", "zero"), above("continued_low", "zero")
    if odd := sorted(given - cells):
        return f"{odd[0]} is not a cell of the grid, such as ('flowers', '30')."
    if given == above("opened_difference", "zero"):
        return f"In these {len(given)} the difference is above zero. Where does its interval begin?"
    if given == better:
        return f"In these {len(given)} opening is surely better. What do the same updates do alone?"
    if given == above("opened_low", "continued_difference"):
        return "You compared with the control's difference. It has an interval, too."
    if given == better - surely:
        return "You left out where the control surely gained. Elsewhere it may have, too."
    if given != wanted:
        return f"{len(given - wanted)} pairs do not belong here; {len(wanted - given)} are missing."
    return None
