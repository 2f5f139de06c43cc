"""Answers that learners give to the exercises of lesson 15; signs that need no pictures."""

import functools
import hashlib
import json
import math
from types import SimpleNamespace

import numpy as np

from utils import backbones, models, statistics
from utils.base.framework import keras

# -- keeping pays


def costs(epochs, views, plain=2.4, view=2.5, head=0.3, kept=4, planned=12):
    """An answer, and times: by default 4 views pay from 5 epochs on, 12 epochs allow 10 views."""
    return epochs, views, plain, view, head, kept, planned


# -- a name


def digest(*parts):
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part)
    return whole.digest()


def numbers(base):
    return [array.tobytes() for array in base.get_weights()]


def by_config(base, pixels):
    return digest(json.dumps(base.get_config()).encode(), *numbers(base), pixels.tobytes())


def nothing_hashed(base, pixels):
    return base.to_json(), *numbers(base), pixels.tobytes()


def by_outputs(base, pixels):
    return digest(np.asarray(base(pixels)).tobytes(), pixels.tobytes())


def by_shape(base, pixels):
    return digest(f"{base.name} {pixels.shape}".encode())


def by_sum(base, pixels):
    total = sum(float(array.sum()) for array in base.get_weights())
    return digest(base.to_json().encode(), f"{total:.3f}".encode(), pixels.tobytes())


def weights_only(base, pixels):
    return digest(*numbers(base), pixels.tobytes())


def as_a_set(base, pixels):
    return digest(base.to_json().encode(), *numbers(base), *sorted(x.tobytes() for x in pixels))


def the_first_picture(base, pixels):
    return digest(base.to_json().encode(), *numbers(base), pixels[0].tobytes())


def without_pictures(base, pixels):
    return digest(base.to_json().encode(), *numbers(base), str(pixels.shape).encode())


def by_place_in_memory(base, pixels):
    return f"{id(base)} {id(pixels)}"


# -- two sets for one price: 3 classes, 8 signs each, 4 frames of a sign


def split(signs):
    """Labels and tracks, like a split's; a sign's frames stand together."""
    labels = np.repeat(np.arange(3), 4 * signs).astype("int32")
    tracks = np.repeat([f"{sign:03}" for sign in range(3 * signs)], 4)
    return SimpleNamespace(labels=labels, tracks=lambda: tracks, class_names=("a", "b", "c"))


SIGNS = SimpleNamespace(train=split(8), validation=split(10))
TRACKS = SIGNS.train.tracks()
EVERY = np.unique(TRACKS)
MANY = np.arange(96)[::4]
FEW = np.flatnonzero(np.isin(TRACKS, EVERY[::4]))  # two signs of each class


def answers_of(rows):
    """More signs, more right answers: whole signs of validation are right or wrong."""
    known = len({*TRACKS[rows]})
    wrong = np.isin(np.arange(120) // 4, np.arange(30)[:: 2 + known // 6])
    return np.where(wrong, (SIGNS.validation.labels + 1) % 3, SIGNS.validation.labels)


def gain(few=FEW, many=MANY, groups=True):
    truth, tracks = SIGNS.validation.labels, SIGNS.validation.tracks() if groups else None
    found = statistics.compare(truth, answers_of(few), answers_of(many), tracks)
    return found.low, found.high


def bought(few=FEW, many=MANY, ends=None):
    return few, many, *(ends or gain(few, many)), answers_of, SIGNS


def alone():
    """The interval of one accuracy, which is not what was asked for."""
    return statistics.interval((answers_of(MANY) == SIGNS.validation.labels).mean(), 120)


OTHER = np.flatnonzero(np.isin(TRACKS, EVERY[np.isin(np.arange(24) % 8, (1, 6))]))
MASK = np.isin(np.arange(96), MANY + 3)
THREES = np.flatnonzero(np.isin(TRACKS, EVERY[::2]) & (np.arange(96) % 4 < 2))  # half the frames
UNEQUAL = np.concatenate([np.arange(12), np.arange(32, 44)])


# -- a network that is left open


@functools.cache
def half_open(place=23, from_block="block12"):
    """As in the lesson; the layer that is left open is in block 8."""
    network = backbones.build("efficientnet_lite0", 32)
    models.unfreeze_from(network, from_block)
    norms = [
        layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)
    ]
    norms[place].trainable = True
    norms[place].gamma.trainable = norms[place].beta.trainable = False
    return network


def by_running(network):
    """The last block that says the same in both modes: what it says is asked of pictures."""
    images, found = np.random.default_rng(1).uniform(0, 255, (4, 32, 32, 3)), None
    blocks = backbones.entry(network.name).blocks
    outputs = [backbones.block_output(network, block) for block in blocks]
    parts = keras.Model(network.input, outputs)
    pair = (parts(images.astype("float32"), training=mode) for mode in (True, False))
    for block, one, other in zip(blocks, *pair, strict=True):
        if not np.allclose(one, other, atol=1e-3):
            break
        found = block
    return found


# -- an opening


def compiled(top, head, rate=3e-4):
    model = models.attach(top, head)
    model.compile(keras.optimizers.Adam(rate), models.LOSS)
    return model


def opened(base, head, block, rate=3e-4):
    models.unfreeze_from(base, block)
    return compiled(models.split_at(base, block)[1], head, rate)


def copied_head(base, head, block):
    _, top = models.split_at(base, block)
    for layer in top.layers:
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    twin = keras.models.clone_model(head)
    twin.set_weights(head.get_weights())
    return compiled(top, twin, 1e-4)


def as_given(base, head, block):
    base.trainable = True
    return compiled(models.split_at(base, block)[1], keras.models.clone_model(head), 1e-3)


def new_head(base, head, block):
    return opened(base, models.head(base.output_shape[1:], 3), block)


def norm_open(base, head, block):
    base.trainable = True
    return compiled(models.split_at(base, block)[1], head)


def all_frozen(base, head, block):
    base.trainable = False
    return compiled(models.split_at(base, block)[1], head)


def head_frozen(base, head, block):
    head.trainable = False
    return opened(base, head, block)


def not_compiled(base, head, block):
    models.unfreeze_from(base, block)
    return models.attach(models.split_at(base, block)[1], head)


def whole_base(base, head, block):
    models.unfreeze_from(base, block)
    return compiled(base, head)


RIGHT = {
    "15-1": [costs(5, 10), costs(np.int64(2), 26.0, 9.0, 4.0), costs(1, 50, view=0.5)],
    "15-2": [by_config, nothing_hashed, by_outputs],
    "15-3": [bought(), bought(OTHER.tolist(), MASK)],
    "15-4": [("block7", half_open()), (by_running(half_open()), half_open())],
    "15-5": [opened, copied_head],
}
WRONG = {
    "15-1": [
        (costs(4, 10), "not quicker. Compare"),
        (costs(math.floor(4 * 2.5 / 2.4) + 1, 10, head=0.9), "the head learns"),
        (costs(2, 10), "for *each* view"),
        (costs(10, 5), "one epoch less"),
        (costs(5, 11), "The epochs are right. With 12 epochs and 11 views kept it is not quicker"),
        (costs(5, 4), "one view more"),
        (costs(5, 10, plain=0.2), "is the computer busy"),
        (costs(..., ...), "waits"),
    ],
    "15-2": [
        (by_shape, "Some weights moved"),
        (by_sum, "Weights changed places"),
        (weights_only, "A layer without weights"),
        (as_a_set, "in another order"),
        (the_first_picture, "One pixel of the last"),
        (without_pictures, "in another order"),
        (by_place_in_memory, "another name: nothing is found"),
        (lambda base, pixels: None, "waits"),
    ],
    "15-3": [
        (bought(ends=gain(groups=False)), "drawn for itself"),
        (bought(ends=tuple(-end for end in gain()[::-1])), "the other sign"),
        (bought(ends=alone()), "another interval"),
        (bought(MANY, FEW, gain()), "are exchanged"),
        (bought(THREES, MANY, gain()), "The first set shows 12 signs"),
        (bought(FEW, FEW, gain()), "and the second 6"),
        (bought(FEW[:12], MANY, gain()), "The first set has 12 different"),
        (bought(FEW, np.repeat(MANY, 2), gain()), "24 are paid for"),
        (bought(UNEQUAL, MANY, gain()), "some classes have more"),
        (bought(..., ..., (..., ...)), "waits"),
    ],
    "15-4": [
        (("block11", half_open()), "no gradient moves anything"),
        (("block8", half_open()), "the first that does not stay"),
        (("block4", half_open()), "go on"),
        (("block9", half_open()), "in `fit` is not"),
        (("top", half_open()), "in `fit` is not"),
        (("block8_project_bn", half_open()), "is none of: stem"),
        ((..., half_open()), "waits"),
    ],
    "15-5": [
        (as_given, "Before its first step"),
        (new_head, "Before its first step"),
        (norm_open, "another in `fit`"),
        (all_frozen, "These may learn: dense"),
        (head_frozen, "These may learn: block2_conv"),
        (not_compiled, "not compiled"),
        (functools.partial(opened, rate=1e-3), "The rate is 0.001"),
        (whole_base, "stopped with ValueError"),
        (lambda base, head, block: None, "waits"),
    ],
}
