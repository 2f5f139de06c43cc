"""Answers that learners give to the exercises of lesson 10."""

import copy

from utils import backbones, models, results
from utils.base.framework import keras


def finetune(network, num_classes):
    """As in the lesson."""
    below = keras.Model(network.input, network.layers[-1].input)
    below.trainable = False
    softmax = keras.layers.Dense(num_classes, activation="softmax")
    model = keras.Model(below.input, softmax(below.output))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def deep_copy(network, num_classes):
    return finetune(copy.deepcopy(network), num_classes)


def from_description(network, num_classes):
    twin = keras.Model.from_config(network.get_config())
    for old, new in zip(network.layers, twin.layers, strict=True):
        new.set_weights(old.get_weights())
    return finetune(twin, num_classes)


def without_weights(network, num_classes):
    return finetune(keras.models.clone_model(network), num_classes)


def copied_afterwards(network, num_classes):
    model = finetune(network, num_classes)
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    twin.compile("adam", "sparse_categorical_crossentropy")
    return twin


def not_compiled(network, num_classes):
    model = deep_copy(network, num_classes)
    return keras.Model(model.input, model.output)


def not_frozen(network, num_classes):
    model = deep_copy(network, num_classes)
    for layer in model.layers:
        layer.trainable = True
    return model


def on_top(network, num_classes):
    twin = copy.deepcopy(network)
    twin.trainable = False
    model = keras.Sequential([twin, keras.layers.Dense(num_classes, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def opened(model, chosen, compiled=True):
    for layer in model.layers:
        layer.trainable = chosen(layer)
    if compiled:
        model.compile("adam", "sparse_categorical_crossentropy")
    return model


def batch_norm(layer):
    return isinstance(layer, keras.layers.BatchNormalization)


def by_name(model, block):
    names = (f"{block}_conv", model.layers[-1].name)
    return opened(model, lambda layer: layer.name in names)


def by_last_weights(model, block):
    def chosen(layer):
        last = layer.output is model.output
        return last or (backbones.in_block(layer.name, block) and not batch_norm(layer))

    return opened(model, chosen)


def with_batch_norm(model, block):
    last = model.layers[-1]
    return opened(model, lambda one: one is last or backbones.in_block(one.name, block))


def without_last(model, block):
    return opened(model, lambda one: backbones.in_block(one.name, block) and not batch_norm(one))


def by_beginning(model, block):
    names = (block, model.layers[-1].name)
    return opened(model, lambda one: one.name.startswith(names) and not batch_norm(one))


def from_there(model, block):
    models.unfreeze_from(model, block)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def frozen_as_a_whole(model, block):
    by_last_weights(model, block)
    model.trainable = False
    return model


def not_compiled_again(model, block):
    names = (f"{block}_conv", model.layers[-1].name)
    return opened(model, lambda layer: layer.name in names, compiled=False)


TOLD = {n: e["numbers"] for n, e in results.load_stored("size_and_similarity").items()}
CELLS = [(n, s) for n in TOLD for s in ("10", "30", "100", "all") if f"{s}_opened_low" in TOLD[n]]


def cells(rule):
    """Cells for which a rule of the six numbers holds."""
    names = [
        f"{way}_{end}" for way in ("opened", "continued") for end in ("difference", "low", "high")
    ]
    return [(n, s) for n, s in CELLS if rule(*(TOLD[n][f"{s}_{name}"] for name in names))]


CARRIED = [("gtsrb", "30"), ("gtsrb", "all"), ("drawn_signs", "10"), ("drawn_signs", "all")]
CARRIED += [("drawn_pets", "100")]

RIGHT = {
    "10-1": [deep_copy, from_description],
    "10-2": [by_name, by_last_weights],
    "10-3": [CARRIED, {*CARRIED}, (list(pair) for pair in CARRIED)],
}
WRONG = {
    "10-1": [
        (finetune, "very same in both models"),
        (without_weights, "layers begin anew"),
        (copied_afterwards, "is frozen now"),
        (not_compiled, "not compiled"),
        (not_frozen, "arrays may learn, and not two"),
        (on_top, "Was the old one dropped"),
        (lambda network, num_classes: network, "have the shape (None, 6)"),
        (lambda network, num_classes: ..., "waits"),
    ],
    "10-2": [
        (with_batch_norm, "batch normalisation may learn"),
        (without_last, "but not the last layer"),
        (by_beginning, "also block12 is open"),
        (from_there, "blocks above it"),
        (frozen_as_a_whole, "No weight may learn"),
        (not_compiled_again, "question 5"),
        (
            lambda model, block: opened(model, lambda layer: not batch_norm(layer)),
            "blocks above it",
        ),
        (lambda model, block: by_name(model, "block2"), "block2_conv, new_predictions"),
        (lambda model, block: ..., "waits"),
    ],
    "10-3": [
        (cells(lambda opened, low, *_: opened > 0), "above zero"),
        (cells(lambda opened, low, *_: low > 0), "updates do alone"),
        (cells(lambda opened, low, high, more, *_: low > more), "control's difference"),
        (
            cells(lambda opened, low, high, more, least, _: low > 0 >= least),
            "Elsewhere it may have",
        ),
        (CARRIED[:4], "1 are missing"),
        ([("signs", "all")], "is not a cell"),
        (..., "waits"),
    ],
}
