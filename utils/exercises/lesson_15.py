"""Exercises of lesson 15: when keeping pays, a name for what is kept, and a wrap-up of 10 to 15."""

import math

import numpy as np

from utils import backbones, models, statistics
from utils.base.framework import keras, layers
from utils.exercises.checking import answered, exercise, none_of_them


@exercise(
    "15-1",
    right="Keeping costs a run of the base for each view, however few epochs use it.",
    hint="With E epochs and V views an image costs E × plain in one way, V × view + E × head in "
    "the other. Let E, or V, be 1, 2, 3 and so on, and see where the second is smaller.",
)
def break_even(epochs, views, plain, view, head, kept, planned):
    """The fewest epochs for which `kept` views pay, the most views for `planned` epochs."""
    if plain <= head:
        return "By these times an epoch on kept views saves nothing: is the computer busy?"
    fewest = math.floor(kept * view / (plain - head)) + 1
    most = math.ceil(planned * (plain - head) / view) - 1
    if epochs != fewest:
        mistakes = {
            math.floor(kept * view / plain) + 1: "In each of them the head learns, too.",
            math.floor(view / (plain - head)) + 1: "The base runs once for *each* view.",
        }
        told = "it is quicker with one epoch less, too" if epochs > fewest else "it is not quicker"
        why = mistakes.get(epochs, "Compare the two sums for this number.")
        return f"With {kept} views kept and {epochs:g} epochs {told}. {why}"
    if views != most:
        told = "it is quicker with one view more, too" if views < most else "it is not quicker"
        told = f"With {planned} epochs and {views:g} views kept {told}."
        return f"The epochs are right. {told} Which of the two sums grows with the views?"
    return None


@exercise(
    "15-2",
    right="It changes with all that the outputs depend on. (The course's own name also overlooks "
    "the names of layers, which Keras numbers anew when a base is built a second time.)",
    hint="Three things decide: the layers with their settings, which `base.to_json()` describes; "
    "the numbers in all arrays of `base.get_weights()`; and those in `pixels`, in their order.",
)
def name_for(function):
    """A function: base and pixels → a name that is the same only if the outputs are."""
    draw = np.random.default_rng(15)
    pixels, kernel = draw.uniform(0, 255, (5, 4, 4, 3)).astype("float32"), draw.normal(0, 1, 54)

    def base(change=lambda numbers: numbers, scale=255):
        scaling, mix = layers.Rescaling(1 / scale, name="scaling"), layers.Conv2D(2, 3, name="mix")
        inputs = keras.Input((4, 4, 3), name="pixels")  # Keras would number a name of its own
        model = keras.Sequential([inputs, scaling, mix], name="base")
        mix.set_weights([change(kernel).reshape(3, 3, 3, 2), np.ones(2)])
        return model

    name, later = answered(function(base(), pixels)), pixels.copy()
    later[-1, 0, 0, 0] += 1
    if function(base(), pixels.copy()) != name:
        return "For the same weights and pixels it gives another name: nothing is found again."
    for other, images, what in (
        (base(lambda numbers: numbers + 1e-4), pixels, "Some weights moved by 0.0001"),
        (base(np.flip), pixels, "Weights changed places, so that their sum is the same"),
        (base(scale=127.5), pixels, "A layer without weights scales the pixels in another way"),
        (base(), pixels[::-1].copy(), "The same pictures stand in another order"),
        (base(), later, "One pixel of the last picture is another"),
    ):
        if function(other, images) == name:
            return f"{what}, and the name stayed: outputs would be served that are wrong."
    return None


@exercise(
    "15-3",
    right="Both sets cost the same, and the interval says what more signs are worth.",
    hint="`np.unique(tracks, return_index=True)` gives each sign, and a row in which it is; "
    "`np.isin(tracks, some)` is True for all frames of some signs. The fourth argument of "
    "`statistics.compare` says which validation frames belong together.",
)
def same_price(few, many, low, high, answers_of, signs):
    """Rows with all frames of few signs, rows with one frame of many; the interval of the gain."""
    tracks, labels = signs.train.tracks(), signs.train.labels
    size, rows = len(labels) // 4, []
    for which, given in (("first", few), ("second", many)):
        rows.append(np.arange(len(labels))[np.asarray(given)])  # a mask of True and False will do
        count = len({*rows[-1].tolist()})
        if not count == len(rows[-1]) == size:
            return f"The {which} set has {count} different pictures, and {size} are paid for."
        if (np.bincount(labels[rows[-1]]) != size // len(signs.train.class_names)).any():
            return f"In the {which} set some classes have more pictures than others."
    shown, wanted = [len({*tracks[part]}) for part in rows], [size // 4, size]
    if shown == wanted[::-1]:
        return "The two sets are exchanged: the first has few signs, with all their frames."
    if shown != wanted:
        told = "The first set shows {} signs, and the second {}".format(*shown)
        return f"{told}; asked for were {wanted[0]} with all their frames, and {wanted[1]}."
    judging = signs.validation
    pair = judging.labels, *map(answers_of, rows)
    found, alone = statistics.compare(*pair, judging.tracks()), statistics.compare(*pair)
    if np.allclose((low, high), (found.low, found.high), atol=1e-3):
        return None
    if np.allclose((low, high), (alone.low, alone.high), atol=1e-3):
        return "Here each frame was drawn for itself. How many *signs* have judged?"
    if np.allclose((-high, -low), (found.low, found.high), atol=1e-3):
        return "That is few signs less many: the gain of many has the other sign."
    told = f"For these rows the check finds another interval than {low:+.3f} to {high:+.3f}."
    return f"{told} Were both asked about the validation frames, and compared frame by frame?"


@exercise(
    "15-4",
    right="Up to there the network says the same in every epoch, whatever learns above.",
    hint="keras.Model(half_open.input, backbones.block_output(half_open, block)) is the network up "
    "to a block. Ask it about a few signs with training=False and with training=True.",
)
def still_up_to(block, network):
    """The last block whose outputs `fit` leaves as they are."""
    blocks, norm = backbones.entry(network.name).blocks, layers.BatchNormalization
    if wrong := none_of_them({block}, blocks):
        return wrong

    def lowest(moves):
        names = [layer.name for layer in network.layers if moves(layer)]
        return min(i for i, b in enumerate(blocks) for x in names if backbones.in_block(x, b))

    given, learns = blocks.index(block), lowest(lambda layer: layer.trainable_weights)
    moves = min(learns, lowest(lambda layer: isinstance(layer, norm) and layer.trainable))
    if given == moves - 1:
        return None
    if given < moves:
        return f"What {block} says may be kept, and so may what the next block says: go on."
    if given == moves:
        return f"{block} is the first that does not stay: what goes into it can be kept."
    if given == learns - 1:
        return f"Below {blocks[learns]} no gradient moves anything. What changes without one?"
    return f"What {block} says in `fit` is not what it says otherwise, or soon will not be."


def joint():
    """A small base of two blocks, a head, pictures; each weight a number of its own."""
    x = pixels = keras.Input((6, 6, 3))
    for block in ("block1", "block2"):
        x = layers.Conv2D(4, 2, name=f"{block}_conv")(x)
        x = layers.BatchNormalization(name=f"{block}_bn")(x)
    base, draw = keras.Model(pixels, x), np.random.default_rng(5)
    head = models.head(base.output_shape[1:], 3)
    for model in (base, head):
        model.set_weights([draw.uniform(0.1, 1, w.shape) for w in model.weights])
    base.trainable = False
    return base, head, draw.uniform(0, 1, (6, 6, 6, 3)).astype("float32")


@exercise(
    "15-5",
    right="It starts where the head ended, and only what should learn learns. What opening adds on "
    "these signs, and whether that may be chance, the line above says.",
    hint="Three lines are to be looked at: which head the model has, what may learn in the base "
    "(`models.unfreeze_from`), and which of the lesson's two rates the optimizer gets.",
)
def mended(function):
    """A function: base, head, block → a model of the trunk's outputs, opened, ready for `fit`."""
    base, head, images = joint()
    said, below = head(base(images)), models.split_at(base, "block2")[0](images)
    model = answered(function(base, head, "block2"))
    if not np.allclose(model(below), said, atol=1e-4):
        return "Before its first step the model says something else than head and base did."
    if not np.allclose(model(below, training=True), said, atol=1e-4):
        return "It says the right thing when it is asked, and another in `fit`. Which layers do so?"
    learn = {weight.path.split("/")[-2] for weight in model.trainable_weights}
    if "block2_conv" not in learn or len(learn) < 2:
        return f"These may learn: {', '.join(learn) or 'none'}. It should be block and head."
    if not model.compiled:
        return "The model is not compiled, so `fit` would refuse it."
    if (rate := float(model.optimizer.learning_rate)) > 0.00099:
        return f"The rate is {rate:.2g}. At 0.001 nine of ten bases were ruined in lesson 04."
    return None
