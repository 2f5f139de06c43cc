"""Answers that learners give to the exercises of lesson 14."""

import numpy as np

from utils import backbones
from utils.base.framework import keras

LOSSES = [2.0, 1.6, 1.7, 1.5, 1.56, 1.53, 1.4, 1.45, 1.41, 1.44, 1.3, 1.35]  # as in the lesson


def numbers(layers):
    return sum(int(np.prod(layer.output.shape[1:])) for layer in layers)


def lowest(base):
    """The place of the lowest layer that learns; None without one."""
    return next((i for i, layer in enumerate(base.layers) if layer.trainable_weights), None)


def from_the_lowest(base):
    return 0 if lowest(base) is None else numbers(base.layers[lowest(base) :])


def from_above(base):
    """Another way: from the top down, as far as the gradient goes."""
    learn, waiting, passed = {id(weight) for weight in base.trainable_weights}, 0, 0
    for layer in reversed(base.layers):
        passed += int(np.prod(layer.output.shape[1:]))
        if learn & {id(weight) for weight in layer.weights}:
            waiting = passed
    return waiting


def by_flag(base):
    if not base.trainable_weights:
        return 0
    places = [i for i, layer in enumerate(base.layers) if layer.trainable]
    return numbers(base.layers[places[0] :])


def all_or_none(base):
    return numbers(base.layers) if base.trainable_weights else 0


def those_that_learn(base):
    return numbers([layer for layer in base.layers if layer.trainable_weights])


def above_the_lowest(base):
    return 0 if lowest(base) is None else numbers(base.layers[lowest(base) + 1 :])


def below_the_lowest(base):
    return 0 if lowest(base) is None else numbers(base.layers[: lowest(base)])


def above_the_highest(base):
    places = [i for i, layer in enumerate(base.layers) if layer.trainable_weights]
    return numbers(base.layers[places[-1] :]) if places else 0


def parameters(base):
    return sum(int(np.prod(weight.shape)) for weight in base.trainable_weights)


def asked_of_keras(patience):
    """What `EarlyStopping` does with these losses: epochs that run, and whose weights it gives."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    stop = keras.callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True)
    model.compile("sgd", "mse")
    model.stop_training = False
    stop.set_model(model)
    stop.on_train_begin()
    for epoch, loss in enumerate(LOSSES, 1):
        model.set_weights([np.full((1, 1), epoch)])
        stop.on_epoch_end(epoch - 1, {"loss": loss, "val_loss": loss})
        if model.stop_training:
            break
    stop.on_train_end()
    return epoch, int(model.get_weights()[0][0, 0])


def ends(**changed):
    """What Keras does, or something else for some patience: p2=(12, 11)."""
    right = {patience: asked_of_keras(patience) for patience in (1, 2, 4)}
    return right | {int(name[1:]): pair for name, pair in changed.items()}, LOSSES


def in_a_loop(layer_names, blocks):
    factors, factor = {}, 1.0
    for block in blocks[::-1]:
        factors |= {name: factor for name in layer_names if backbones.in_block(name, block)}
        factor *= 0.9
    return factors


def with_others(layer_names, blocks):
    return dict.fromkeys(layer_names, 1.0) | in_a_loop(layer_names, blocks)


def upside_down(layer_names, blocks):
    return in_a_loop(layer_names, blocks[::-1])


def from_one(layer_names, blocks):
    return {name: 0.9 * factor for name, factor in in_a_loop(layer_names, blocks).items()}


def by_beginning(layer_names, blocks):
    return {
        name: 0.9 ** (len(blocks) - 1 - i)
        for i, block in reversed(list(enumerate(blocks)))
        for name in layer_names
        if name.startswith(block)
    }


def of_blocks(layer_names, blocks):
    return {block: 0.9**above for above, block in enumerate(reversed(blocks))}


def by_layer(layer_names, blocks):
    named = [name for name in layer_names if name in in_a_loop(layer_names, blocks)]
    return {name: 0.9**above for above, name in enumerate(reversed(named))}


def every_layer(layer_names, blocks):
    return {name: 0.9**above for above, name in enumerate(reversed(layer_names))}


def steadily(layer_names, blocks):
    factors = in_a_loop(layer_names, blocks)
    return {name: 1 + 0.1 * np.log(factor) / -np.log(0.9) for name, factor in factors.items()}


def without_batch_norm(layer_names, blocks):
    factors = in_a_loop(layer_names, blocks)
    return {name: factor for name, factor in factors.items() if not name.endswith("_bn")}


RIGHT = {
    "14-1": [from_the_lowest, from_above],
    "14-2": [ends(), ({patience: list(pair) for patience, pair in ends()[0].items()}, LOSSES)],
    "14-3": [in_a_loop, with_others],
}
WRONG = {
    "14-1": [
        (lambda base: numbers(base.layers), "who waits?"),
        (all_or_none, "Which is the lowest layer"),
        (by_flag, "all there are"),
        (those_that_learn, "Which way does the gradient take"),
        (above_the_lowest, "lowest layer that learns are asked for"),
        (below_the_lowest, "from the other end"),
        (above_the_highest, "There are lower ones"),
        (parameters, "and not"),
        (lambda base: 4 * from_the_lowest(base), "which are bytes"),
        (lambda base: ..., "waits"),
    ],
    "14-2": [
        (ends(p1=(4, 2)), "How many epochs back"),
        (ends(p1=(6, 4), p2=(10, 7)), "How many epochs without"),
        (ends(p1=(2, 1), p2=(5, 3)), "The first epoch is number 1"),
        (ends(p1=(3, 11), p2=(6, 11)), "never run"),
        (ends(p1=(3, 3), p2=(6, 6)), "the last is kept"),
        (ends(p2=(12, 11)), "falls a little"),
        (ends(p2=(6, 5)), "not that of epoch 5"),
        (ends(p2=6), "two numbers are asked for"),
        ((dict.fromkeys((1, 2, 4), ...), LOSSES), "waits"),
        (({1: (3, 2)}, LOSSES), "waits"),
        ((..., LOSSES), "waits"),
    ],
    "14-3": [
        (upside_down, "The lowest is to step least"),
        (from_one, "*above* the topmost"),
        (by_beginning, "begin in the same way"),
        (of_blocks, "names of blocks"),
        (by_layer, "Are layers counted"),
        (every_layer, "in none of the blocks"),
        (steadily, "What is 0.9 raised to"),
        (without_batch_norm, "is missing"),
        (lambda layer_names, blocks: {}, "'stem_conv' is missing"),
        (lambda layer_names, blocks: ..., "waits"),
    ],
}
