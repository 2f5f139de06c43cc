"""Exercises of lesson 01: a choice that saw too much, scaling inside a model, copies found."""

import numpy as np

from utils.base.framework import keras, layers
from utils.exercises.checking import answered, exercise


@exercise(
    "01-1",
    right="Each part is judged by a choice and a classifier that have never seen it, so features "
    "that know nothing are left with guessing.",
    hint="`cross_val_score` divides whatever it is given, and fits anew what it is given to fit. "
    "With `make_pipeline` the choice of features can become a part of that.",
)
def chosen_inside(function):
    """A function: features (n, m) and labels (n,) → cross-validated accuracy with 20 of them."""
    draw, labels = np.random.default_rng(1), np.arange(120) % 2
    noise = [draw.normal(size=(120, 800)) for _ in range(3)]
    found = [answered(function(values, labels)) for values in noise]
    if np.size(found[0]) != 1:
        return f"It gives {np.size(found[0])} numbers. One is asked for, their mean."
    if not 0 <= np.min(found) <= np.max(found) <= 1:
        return f"An accuracy is a fraction from 0 to 1, and it gives {np.max(found):.3g}."
    if (mean := np.mean(found)) > 0.59:
        return (
            f"With random numbers for features it gives {mean:.2f}, and there is nothing in "
            "them to find. By which pictures are the features chosen, and by which is that judged?"
        )
    telling = 3 * noise[0]
    telling[:, 543] = noise[0][:, 543] + 5 * labels
    if (found := function(telling, labels)) < 0.72:
        return (
            f"One of 800 features tells the classes apart, and it gives {found:.2f}. "
            "Are the features still chosen by how well they tell the classes apart?"
        )
    return None


MEAN, SPREAD = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
MISTAKES = [  # what the network may be given instead, of pixels from 0 to 255, and what to say then
    (lambda x: x, "The network is given the pixels as they are. Which layer scales them?"),
    (
        lambda x: x / 255,
        "The network is given pixels from 0 to 1: mean and spread of each colour are missing.",
    ),
    (
        lambda x: (x - MEAN) / SPREAD,
        "The mean is taken from pixels that go to 255. It is a mean of numbers from 0 to 1.",
    ),
    (
        lambda x: (x - MEAN) / 255 / SPREAD,
        "The division by 255 comes after the mean is taken away. Which of the two is first?",
    ),
    (
        lambda x: x / 255 - MEAN,
        "The mean of each colour is taken away, but nothing is divided by the spread.",
    ),
    (
        lambda x: (x / 255 - MEAN) / np.sqrt(SPREAD),
        "It is divided by the root of the spread. `Normalization` asks for the variance, which is "
        "the square of the standard deviation.",
    ),
    (
        lambda x: x / 255 / SPREAD - MEAN,
        "It is divided by the spread first, and the mean taken away then. It is the other way.",
    ),
    (lambda x: (x / 255**2 - MEAN) / SPREAD, "The pixels are divided by 255 twice."),
]


@exercise(
    "01-2",
    right="Whoever has the model has the scaling, and can neither forget it nor do it twice.",
    hint="`keras.layers.Rescaling(scale, offset)` gives scale · x + offset, and both may be lists "
    "of three. `keras.layers.Normalization(mean=…, variance=…)` is another way.",
)
def scales_itself(function):
    """A function: a network of scaled pixels → a model of pixels 0–255 that scales, then asks."""
    network = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(5, 3)])
    draw = np.random.default_rng(2)
    weights = [draw.normal(size=weight.shape) for weight in network.weights]
    network.set_weights(weights)
    model = answered(function(network))
    if not isinstance(model, keras.Model):
        return f"It gives a {type(model).__name__}, not a Keras model that could be saved."
    if not all(map(np.allclose, network.get_weights(), weights)):
        return "The weights of the given network are others now. It was trained; leave it as it is."
    side = (model.input_shape[1] if model.built else None) or 4  # as the learner has set it
    pixels = draw.uniform(0, 255, (4, side, side, 3)).astype("float32")
    given = np.asarray(model(pixels, training=False))

    def equals(scaled):
        wanted = np.asarray(network(scaled.astype("float32")))
        return given.shape == wanted.shape and np.allclose(given, wanted, 0.02, 0.05)

    if equals((pixels / 255 - MEAN) / SPREAD):
        return None
    for mistake, told in MISTAKES:
        if equals(mistake(pixels)):
            return told
    if given.shape != (wanted := np.shape(network(pixels))):
        return f"Of these pixels the network gives {wanted}, and the model {given.shape}."
    return "The model does not give what the network gives for (pixels / 255 − mean) / spread."


ROWS = np.random.default_rng(3).permutation(12)  # as in the lesson: from 8 on, copies


@exercise(
    "01-3",
    right="A copy has other pixels than its original, and yet its features lie close to it.",
    hint="`neighbours.kneighbors(…, n_neighbors=1)` gives distances and places of training "
    "pictures. Print the twelve distances in order: is there a step between two of them?",
)
def copies(places):
    """The places, among the twelve that were sent, of those made of training pictures."""
    given, wanted = {int(place) for place in places}, {*np.flatnonzero(ROWS >= 8).tolist()}
    if given == wanted:
        return None
    if odd := sorted(given - {*range(12)}):
        return (
            f"{odd[0]} is no place among the twelve, which are counted from 0. Is it that of the "
            "training picture it resembles?"
        )
    if len(given) == 12:
        return "Each picture has a nearest training picture, a new one as well. How near is it?"
    if given and not given & wanted:
        return "All of these are new. Does a copy lie closer to its original, or farther away?"
    missing, extra = len(wanted - given), len(given - wanted)
    if missing and extra:
        return (
            f"Of these, {extra} are new, and {missing} copies are missing. A mirrored picture has "
            "other pixels in most places: compare features."
        )
    if missing:
        return f"There are more copies among the twelve, {missing} of them. Look at the distances."
    return f"All copies are there, and {extra} more that are new: they only resemble an old one."
