"""Exercises of lesson 03: augmentation that keeps labels, a real freeze, its proof, its moment."""

import numpy as np

from utils.base.framework import keras
from utils.exercises.checking import answered, exercise


@exercise(
    "03-1",
    right="Whatever these layers do to a sign, it keeps its meaning, and the pictures still vary.",
    hint="Apply each layer to one picture of a sign, eight times, with training=True, and look at "
    "the results with plots.grid. Would you still write the same label below each?",
)
def keeps_labels(layers):
    """Layers, in a list or a model, that neither mirror nor turn by more than 15 degrees."""
    rows, columns = np.mgrid[:64, :64]
    images = np.zeros((64, 64, 64, 3), "float32")  # a red disc left, a green above, a blue between
    for colour, (row, column) in enumerate(((32, 20), (20, 32), (32, 32))):
        images[:, (rows - row) ** 2 + (columns - column) ** 2 < 25, colour] = 200
    after = outside = images
    for seed, layer in enumerate(getattr(layers, "layers", layers)):
        config = layer.get_config()  # made anew: the answer's own random numbers stay
        twin = type(layer).from_config(config | ({"seed": seed} if "seed" in config else {}))
        after, outside = (
            np.array(twin(x, training=now)) for x, now in ((after, True), (outside, False))
        )
    if after.max() < 50:
        return (
            f"The brightest pixel, 200 before, is {after.max():.2g} after it. The base expects 0 "
            "to 255 and scales the pixels itself: they would be scaled twice."
        )
    if not np.array_equal(outside, images):
        return "These layers change validation and test pictures, too. Which one is not random?"
    if np.allclose(after, images):
        return "Every picture comes out as it went in. A sign that is tilted a little is no other."
    discs = after > after.max((1, 2), keepdims=True) / 2
    places = (discs * (columns + 1j * rows)[..., None]).sum((1, 2)) / discs.sum((1, 2))
    left, above = places[:, 0] - places[:, 2], places[:, 1] - places[:, 2]
    if mirrored := int(((above / left).imag < 0).sum()):
        return (
            f"Of 64 pictures {mirrored} come out mirrored. What would a `left` mean then, or an "
            "`ahead`?"
        )
    if (turned := np.degrees(np.abs(np.angle(-left))).max()) > 18:  # measured to 3 degrees
        return (
            f"One of 64 pictures is turned by {turned:.0f} degrees, and 15 were meant at most. In "
            "which unit does RandomRotation take its number? The lesson divides by 360."
        )
    return None


@exercise(
    "03-2",
    right="It is the base that is frozen now. Addressed as `base` it is found wherever it stands "
    "in a model; counted, as `layers[1]`, only until another layer is put in front of it.",
    hint="Print `joined.layers`. Which of them is the base? And whose `trainable` is set?",
)
def only_the_head_learns(function):
    """A function: augmentation, base, head → one compiled model, in which only the head learns."""
    noise = keras.Sequential([keras.Input((4,)), keras.layers.GaussianNoise(0.1)])
    base = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(3)])
    head = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
    model, values = answered(function(noise, base, head)), np.eye(4, dtype="float32")
    if not np.allclose(model(values, training=False), head(base(values)), atol=1e-5):
        return "The model does not give what head(base(pictures)) gives: is a part left out?"
    if np.allclose(model(values, training=True), model(values, training=False)):
        return "In training the pictures are not augmented any more: is that part left out?"
    learn = {id(weight) for weight in model.trainable_weights}
    if learning := sum(id(weight) in learn for weight in base.weights):
        return (
            f"Of the {len(base.weights)} arrays of the base {learning} are trainable in this "
            "model. Is it the base whose `trainable` is set?"
        )
    if len(learn) < len(head.weights):
        return "Now the head is frozen, too, or a part of it. Only the base has to stay."
    if not model.compiled:
        return "The model is not compiled, so `fit` would refuse it."
    return None


@exercise(
    "03-3",
    right="It counts arrays, and no movement is too small for it, as in `checks.unchanged`.",
    hint="zip(before, after) gives the arrays in pairs. NumPy has a function that says whether "
    "two arrays are equal in every number; lesson 03 uses it to check augmentation.",
)
def arrays_that_moved(function):
    """A function: two lists of arrays, before and after → how many arrays differ at all."""
    before = [np.array(values, "float32") for values in ([[0.5, 1], [2, 3]], [1, 1, 1], [0, 0])]
    same, some, little, swapped = ([array.copy() for array in before] for _ in range(4))
    some[0] += 1
    some[2][1] = -7
    little[0][0, 0] += 6e-8
    swapped[0][0] = 1, 0.5
    if (found := answered(function(before, same))) != 0:
        return f"When nothing has moved it gives {found}. Did you count the arrays that stayed?"
    if (found := answered(function(before, some))) != 2:
        told = f"Two of three arrays moved, five numbers in all, and it gives {found}."
        return f"{told} Every array counts once, however many of its numbers moved."
    if answered(function(before, swapped)) != 1:
        return "Two numbers of an array changed places, and it was missed: their sum is the same."
    if answered(function(before, little)) != 1:
        told = "One number moved by 0.00000006, and it was missed. With a small learning rate"
        return f"{told} weights move by little: close to it is not the same."
    return None


ROWS = ("stays", "moves", "stays", "moves")
BELIEFS = {
    ("stays", "moves", "moves", "stays"): "You took `trainable` as it is at the last `fit`. Is it "
    "asked for anew in every `fit`? Rows 3 and 5 of the lesson are about that.",
    ("moves", "stays", "moves", "moves"): "You took `trainable` as it is at `compile`. Row 2 of "
    "the lesson shows that something else has to happen until it is read.",
    ("stays", "moves", "stays", "stays"): "Three of four are right. In the last row batches of ten "
    "get a recording of their own. Does the one for batches of twenty still exist?",
}


@exercise(
    "03-4",
    right="A recording keeps what was trainable when it was made, and several can exist at once.",
    hint="Go through a row from the left. At each `fit` ask whether there has been a recording for "
    "batches of this size since the last `compile`; if not, it is made now, as things are now.",
)
def predicted_rows(words):
    """Four words, "moves" or "stays", one for each row of calls."""
    words = tuple(str(word).strip().lower() for word in words)
    if len(words) != 4 or not set(words) <= {"moves", "stays"}:
        return 'It takes a list of four words, one a row, and each is "moves" or "stays".'
    right = sum(a == b for a, b in zip(words, ROWS, strict=True))
    told = f"Of the four {right} are right. When does Keras note down which weights may learn?"
    return None if right == 4 else BELIEFS.get(words, told)
