"""Exercises of lesson 13: the nearest other code, a probe on a base."""

import numpy as np

from utils.base.framework import keras, tf
from utils.exercises.checking import answered, exercise


@exercise(
    "13-1",
    right="No row is its own answer, copies find each other, and the length of a code is nothing.",
    hint="`unit(values) @ unit(values).T` holds the similarity of each two codes, largest where "
    "two point the same way. What can be done to its diagonal, before the largest is looked for?",
)
def nearest_other(function):
    """A function: codes (n, d) → for each the row of the other code with the nearest direction."""
    codes = np.random.default_rng(2).uniform(0.1, 1, (9, 3))
    codes[6], codes[7], codes[8] = 3 * codes[0], codes[2], 4 * codes[8]
    products, itself, own = codes @ codes.T, np.eye(9, dtype=bool), np.arange(9)
    squares = np.diag(products)
    alike = products / np.sqrt(np.outer(squares, squares))
    found = np.asarray(answered(function(codes.copy())))
    if found.shape != (9,):
        return f"For 9 codes it gives something of shape {found.shape}. One row each is asked for."
    if not np.array_equal(found, given := found.astype(int)):
        return f"It gives numbers such as {found[0]:.3f}. In which *row* does the nearest stand?"
    if (selves := np.flatnonzero(given == own)).size > 4:
        return f"{selves.size} of 9 codes are their own answer. Nothing is more similar to a code."
    if selves.size:
        return (
            f"Row {selves[0]} is its own answer. Another row points exactly the same way, and of "
            "two that are equally near, the first found need not be the code itself."
        )

    def largest(measure):
        chosen = np.where(itself, -np.inf, measure)
        return np.allclose(chosen[own, given], chosen.max(1), atol=1e-6)

    if largest(alike):
        return None
    if largest(-alike):
        return "It gives the *least* similar of the others."
    if largest(products) or largest(2 * products - squares):
        return "Where one code is three times another, it finds a third. Does length count in it?"
    row = np.flatnonzero(alike[own, given] < np.where(itself, -2, alike).max(1) - 1e-6)[0]
    return f"For row {row} of nine codes it gives {given[row]}, and there is a nearer one."


@exercise(
    "13-2",
    right="The probe reads what the base has learned from the other head, and leaves no trace.",
    hint="Two heads may be called with the same `base.output`. Something that lets nothing back "
    "has to stand on one of the two ways, after they have parted.",
)
def with_probe(function):
    """A function: base, head, probe → a model with two outputs; the base learns of the head's."""
    pixels = keras.Input((4,))
    base = keras.Model(pixels, keras.layers.Dense(3, activation="tanh")(pixels), name="base")
    head, probe = (
        keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="tanh")], name=name)
        for name in ("head", "probe")
    )
    draw = np.random.default_rng(3)
    for weight in (parts := base.weights + head.weights + probe.weights):
        weight.assign(draw.normal(0, 0.5, weight.shape))
    values = draw.normal(size=(5, 4)).astype("float32")
    model = answered(function(base, head, probe))
    with tf.GradientTape(persistent=True) as tape:
        given = model(values)
        if not isinstance(given, (list, tuple)) or len(given) != 2:
            return (
                "Two outputs are asked for, the head's and the probe's, and it has another number."
            )
        sums = [tf.reduce_sum(output) for output in given]
    wanted = head(base(values)), probe(base(values))
    if all(np.allclose(*pair, atol=1e-5) for pair in zip(given, wanted[::-1], strict=True)):
        return "Both outputs are there, in the other order: the head's comes first."
    if not all(np.allclose(*pair, atol=1e-5) for pair in zip(given, wanted, strict=True)):
        return "What it gives is not head(base(…)) and probe(base(…)): forward nothing may change."
    if {id(weight) for weight in model.weights} != {id(weight) for weight in parts}:
        return "It has other weights than the three parts. A copy of the base stays as it is now."
    if len(model.trainable_weights) < len(parts):
        return "Something is frozen. What is frozen learns from neither of the two outputs."

    def reaches(total, part):
        found = tape.gradient(total, [weight.value for weight in part.weights])
        return any(gradient is not None and np.any(gradient) for gradient in found)

    from_head, from_probe = (reaches(total, base) for total in sums)
    if not reaches(sums[0], head) or not reaches(sums[1], probe):
        return "A head gets no gradient from its own output: the stop stands after it."
    if from_probe and from_head:
        return "The gradient of the probe's output reaches the base, and what it asks is learned."
    if from_probe:
        return "You stopped the way to the head. The base learns from the probe only."
    return None if from_head else "The base learns from neither: the ways part after the stop."
