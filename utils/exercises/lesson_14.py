"""Exercises of lesson 14: outputs that have to wait, an end that is predicted, smaller steps."""

import numpy as np

from utils.base.framework import keras, layers
from utils.exercises.checking import answered, exercise

OUTPUTS = (192, 512, 512, 96, 96, 96, 48, 40, 10)  # numbers a picture, of the layers of `small`


def small():
    """Build a frozen base of four convolutions, with a batch normalisation in the middle."""
    x = pixels = keras.Input((8, 8, 3))
    for layer in (
        layers.Conv2D(8, 1, name="first"),
        layers.ReLU(),
        layers.Conv2D(6, 2, strides=2, name="second"),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(),
        layers.Conv2D(3, 1, name="third"),
        layers.Conv2D(10, 2, strides=2, name="fourth"),
        layers.MaxPooling2D(2),
    ):
        x = layer(x)
        layer.trainable = not layer.weights  # one without weights may, in name, learn
    return keras.Model(pixels, x)


@exercise(
    "14-1",
    right="How many numbers learn does not matter, but where the lowest of them sits.",
    hint="`layer.trainable_weights` is empty where nothing learns. Find the first layer of "
    "`base.layers` where it is not; if there is one, count from there to the end.",
)
def waiting(function):
    """A function: a base → how many numbers a picture have to wait for the backward pass."""
    for learn, start in (
        ((), 9),
        (("fourth",), 7),
        (("norm",), 4),
        (("second", "third"), 3),
        (("first", "second", "third", "fourth"), 1),
    ):
        base = small()
        for name in learn:
            base.get_layer(name).trainable = True
        given, right = int(answered(function(base))), sum(OUTPUTS[start:])
        learning = [i for i, layer in enumerate(base.layers) if layer.trainable_weights]
        told = f"Where {' and '.join(learn) or 'nothing'} may learn it counts {given:,} numbers"
        if given == 4 * right > 0:
            return f"{told}, which are bytes. The numbers are asked for."
        if given == right:
            continue
        if not learn:
            return f"{told}. The base is frozen, and no gradient goes back into it: who waits?"
        if given == sum(OUTPUTS):
            return f"{told}, all there are. Which is the lowest layer with weights that learn?"
        if given == sum(OUTPUTS[i] for i in learning):
            return f"{told}, of these layers only. Which way does the gradient take to them?"
        if given == right - OUTPUTS[start]:
            return f"{told}. The outputs of the lowest layer that learns are asked for, too."
        if given == sum(OUTPUTS[: learning[-1] + 1]) or given == sum(OUTPUTS[: learning[0]]):
            return f"{told}, from below. The gradient comes from the other end."
        if given == sum(OUTPUTS[learning[-1] :]):
            return f"{told}, above the highest layer that learns. There are lower ones."
        return f"{told}, and not {right:,}."
    return None


def ends(losses, patience):
    """Give how many epochs run with a patience, and which of them is the best, as Keras does."""
    best = 0
    for epoch, loss in enumerate(losses):
        best = epoch if loss < losses[best] else best
        if epoch - best >= patience:
            break
    return epoch + 1, best + 1


@exercise(
    "14-2",
    right="A longer patience sees later epochs, and pays for each; only what has run can be best.",
    hint="Go through the losses with two numbers in mind: the lowest so far, and how many epochs "
    "have passed since. When the second number reaches the patience, training ends.",
)
def stopped(told, losses):
    """A dictionary: patience 1, 2, 4 → (epochs that run, the epoch of the weights); losses."""
    given = {patience: answered(told.get(patience)) for patience in (1, 2, 4)}
    for patience, pair in given.items():
        if np.size(pair) != 2:
            return f"With patience {patience} it is {pair!r}, and two numbers are asked for."
        (epochs, best), (right, kept) = map(int, pair), ends(losses, patience)
        said = f"With patience {patience} you say that {epochs} epochs run"
        if (epochs, best) == (right, kept):
            continue
        if (epochs, best) == (right - 1, kept - 1):
            return f"{said}. The first epoch is number 1."
        if best > epochs:
            return f"{said}, and epoch {best} is kept. That epoch is never run."
        if epochs == right and best == right:
            return f"{said}, and the last is kept. What does `restore_best_weights` give back?"
        if epochs == right:
            return f"{said}. So it is, and the lowest loss among them is not that of epoch {best}."
        if epochs == ends(losses, patience + 1)[0]:
            return f"{said}. How many epochs without a new lowest loss does it wait for?"
        if epochs == len(losses):
            return f"{said}. Is a loss that falls a little a new lowest one?"
        return f"{said}. How many epochs back does the lowest loss lie, after each?"
    return None


NAMES = ["pixels", "stem_conv", "block1_conv", "block1_bn", "block2_a", "block2_b", "block2_add"]
NAMES += ["block10_conv", "top_conv", "dense"]
BLOCKS = ("stem", "block1", "block2", "block10", "top")
ABOVE = {n: len(BLOCKS) - 1 - i for i, b in enumerate(BLOCKS) for n in NAMES if f"{b}_" in n}


@exercise(
    "14-3",
    right="The topmost block steps as far as the head, and each below it by a tenth less.",
    hint="How many blocks stand above the last of a list, how many above the one before it? "
    "`backbones.in_block` says whether a layer belongs to a block.",
)
def smaller_steps(function):
    """A function: names of layers, of blocks from below → layer name: 0.9 to the blocks above."""
    given = dict(answered(function([*NAMES], BLOCKS)))
    if {*given} & {*BLOCKS}:
        return "Its keys are names of blocks. `ByLayer` looks up the names of layers."
    if missing := [name for name in ABOVE if name not in given]:
        return f"{missing[0]!r} is missing, so it would learn at the full rate."
    wrong = [name for name, above in ABOVE.items() if not np.isclose(given[name], 0.9**above)]
    if any(not np.isclose(given.get(name, 1), 1) for name in ("pixels", "dense")):
        return "A layer that is in none of the blocks gets a smaller step, such as the head's."
    if not wrong:
        return None
    told = f"Of {', '.join(BLOCKS)}, {wrong[0]!r} gets the factor {given[wrong[0]]:.4g}"
    if np.isclose(given["stem_conv"], 1):
        return f"{told}. Do your steps grow smaller from below? The lowest is to step least."
    if all(np.isclose(given[name], 0.9 ** (above + 1)) for name, above in ABOVE.items()):
        return f"{told}. How many blocks stand *above* the topmost?"
    if given["block1_conv"] == given["block10_conv"]:
        return f"{told}, as a layer of block10 does: their names begin in the same way."
    if given["block2_a"] != given["block2_b"]:
        return f"{told}, another one than its neighbour in the block. Are layers counted?"
    return f"{told}, and not {0.9 ** ABOVE[wrong[0]]:.4g}. What is 0.9 raised to?"
