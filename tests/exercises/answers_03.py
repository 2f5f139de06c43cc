"""Answers that learners give to the exercises of lesson 03."""

import numpy as np

from utils.base.framework import keras, layers

TURN, ZOOM = layers.RandomRotation(15 / 360, fill_mode="nearest"), layers.RandomZoom(0.1)
SHIFT, FLIP = layers.RandomTranslation(0.2, 0.2), layers.RandomFlip("horizontal")


def joined(augmentation, base, head):
    model = keras.Sequential([augmentation, base, head])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def functional(augmentation, base, head):
    for layer in base.layers:
        layer.trainable = False
    pixels = keras.Input(base.input_shape[1:])
    model = keras.Model(pixels, head(base(augmentation(pixels))))
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def as_given(augmentation, base, head):
    model = joined(augmentation, base, head)
    model.layers[0].trainable = False
    return model


def second_layer(augmentation, base, head):
    model = joined(augmentation, base, head)
    model.layers[1].trainable = False
    return model


def misspelt(augmentation, base, head):
    base.trainabel = False
    return joined(augmentation, base, head)


def whole_model(augmentation, base, head):
    model = joined(augmentation, base, head)
    model.trainable = False
    return model


def last_layer(augmentation, base, head):
    base.trainable = head.trainable = False
    return joined(augmentation, base, head)


def not_compiled(augmentation, base, head):
    base.trainable = False
    return keras.Sequential([augmentation, base, head])


def without_base(augmentation, base, head):
    return keras.Sequential([keras.Input((4,)), augmentation, layers.Dense(2)])


def without_augmentation(augmentation, base, head):
    base.trainable = False
    model = keras.Sequential([base, head])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def in_a_loop(before, after):
    moved = 0
    for old, new in zip(before, after, strict=True):
        moved += int((old != new).any())
    return moved


def pairs(test):
    return lambda before, after: sum(map(test, before, after))


RIGHT = {
    "03-1": [
        [TURN, ZOOM, SHIFT],
        keras.Sequential([layers.RandomRotation((-0.02, 0.02), fill_mode="constant"), SHIFT]),
        [layers.RandomBrightness(0.2), ZOOM],
    ],
    "03-2": [functional, second_layer],
    "03-3": [in_a_loop],
    "03-4": [np.array(["Stays", "Moves", "Stays", "Moves"])],
}
WRONG = {
    "03-1": [
        ([FLIP, layers.RandomRotation(0.26), ZOOM], "come out mirrored"),
        ([layers.RandomFlip("vertical"), TURN], "or an `ahead`"),
        ([layers.RandomRotation(0.26, fill_mode="nearest"), ZOOM], "In which unit"),
        ([layers.RandomRotation(0.5)], "In which unit"),
        *(([layers.RandomRotation(share)], "15 were meant") for share in (15 / 180, 1 / 15)),
        ([layers.Rescaling(1 / 255), TURN], "scaled twice"),
        ([layers.Rescaling(0.9), TURN], "validation and test pictures"),
        ([], "comes out as it went in"),
        (TURN, "stopped with"),
        (..., "waits"),
    ],
    "03-2": [
        (as_given, "Of the 4 arrays of the base 4 are trainable"),
        (misspelt, "Is it the base"),
        (whole_model, "the head is frozen, too"),
        (last_layer, "the head is frozen, too"),
        (not_compiled, "not compiled"),
        (without_base, "is a part left out"),
        (without_augmentation, "not augmented any more"),
        (lambda augmentation, base, head: None, "waits"),
    ],
    "03-3": [
        (pairs(np.array_equal), "count the arrays that stayed"),
        (pairs(lambda old, new: (old != new).sum()), "Every array counts once"),
        (lambda before, after: before != after, "stopped with ValueError"),
        (lambda before, after: any(map(np.any, map(np.not_equal, before, after))), "counts once"),
        (pairs(lambda old, new: not np.allclose(old, new)), "close to it is not the same"),
        (pairs(lambda old, new: old.sum() != new.sum()), "their sum is the same"),
        (lambda before, after: ..., "waits"),
    ],
    "03-4": [
        (["stays", "moves", "moves", "stays"], "asked for anew"),
        (["moves", "stays", "moves", "moves"], "as it is at `compile`"),
        (["stays", "moves", "stays", "stays"], "recording of their own"),
        (["moves"] * 4, "Of the four 2 are right"),
        ("moves", "a list of four words"),
        ([True, False, True, False], "a list of four words"),
        (..., "waits"),
    ],
}
