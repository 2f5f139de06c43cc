"""A dense head against a linear classifier, and what dividing by 255 costs which network.

The head of lesson 02, with the settings of the profiles `drawn` and `book`, for five seeds, against
logistic regression on the averages of the same features, picture by picture, on validation
pictures. Fixed before the first run: the two count as equal where the 95 % interval of the paired
difference lies within three points.

Then both networks on both sets of pictures, with their own preprocessing and with pixels divided by
255 in its place: logistic regression, which has no seed. So a difference between the networks is
not one between the pictures. C is chosen on training pictures. Needs the photographs in
COURSE_DATA_DIR. About fifteen minutes on one core; what a record has already is not run again.

    COURSE_DATA_DIR=… python -m tests.benchmarks.heads
"""

import numpy as np
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from utils import backbones, datasets, features, models, results, statistics
from utils.base.framework import keras
from utils.running import profiles

LESSON = "02_dense_head"
SEEDS = (1, 2, 3, 4, 5)
CASES = {"drawn_pets": "drawn", "cats_vs_dogs_full": "book"}  # whose settings
SIZES = {"efficientnet_lite0": 128, "vgg16": 150}


def linear(train: features.Features, held: features.Features) -> np.ndarray:
    """Predict classes as lessons 01 and 02 do: averages, standardised, C by cross-validation."""
    search = LogisticRegressionCV(
        Cs=[1e-4, 1e-3, 1e-2, 1e-1, 1],
        cv=5,
        max_iter=1000,
        scoring="accuracy",
        l1_ratios=(0,),
        use_legacy_attributes=False,
    )
    classifier = make_pipeline(StandardScaler(), search)
    classifier.fit(train.values.mean((1, 2)), train.labels)
    return classifier.predict(held.values.mean((1, 2)))


def dense(train, held, settings, seed) -> np.ndarray:
    """Train the head of lesson 02; give its predictions."""
    keras.utils.set_random_seed(seed)
    pooling = "flatten" if settings["FLATTEN"] else "average"
    head = models.head(train.values.shape[1:], 2, settings["UNITS"], 0.5, pooling)
    optimizer = keras.optimizers.RMSprop(settings["LEARNING_RATE"])
    head.compile(optimizer, models.LOSS)
    head.fit(train.values, train.labels, epochs=settings["EPOCHS"], batch_size=20, verbose=0)
    return head.predict(held.values, verbose=0).argmax(1)


def compared(labels, first, second, names) -> dict:
    """Write down two accuracies and their paired difference, second less first."""
    found = statistics.compare(labels, first, second)
    numbers = {
        f"{names[0]}_accuracy": float(np.mean(first == labels)),
        f"{names[1]}_accuracy": float(np.mean(second == labels)),
        **{key: getattr(found, key) for key in ("difference", "low", "high", "p_value")},
    }
    return {key: round(value, 6) for key, value in numbers.items()} | {
        "only_first": found.only_first,
        "only_second": found.only_second,
        "validation_pictures": len(labels),
    }


def keep(key, seed, numbers):
    """Store one comparison."""
    about = {"lesson": key, "profile": "heads", "headline": "difference", "seed": seed}
    results.store({key: about | {"numbers": numbers} | results.provenance()}, "heads")
    print(key, numbers, flush=True)


def seen(network, preprocessing, source):
    """Give features of training and validation pictures."""
    base = backbones.build(network, SIZES[network], preprocessing=preprocessing)
    data = datasets.load(source)
    return features.extract(base, data.train), features.extract(base, data.validation)


def divided(source, network):
    """Compare the network's own preprocessing with a division by 255 in its place."""
    own, instead = (seen(network, how, source) for how in ("own", "unit"))
    names = ("own_preprocessing", "divided_by_255_instead")
    return compared(own[1].labels, linear(*own), linear(*instead), names)


def heads(source, seed):
    """Compare the linear classifier with the dense head."""
    profile = CASES[source]
    settings = profiles.default_parameters(LESSON) | profiles.parameters(LESSON, profile)
    found = seen(settings["BACKBONE"], "own", source)
    answers = linear(*found), dense(*found, settings, seed)
    return compared(found[1].labels, *answers, ("linear", "dense"))


def main():
    """Run what is missing; store each comparison."""
    todo = [(f"{source} seed {n}", n, heads, (source, n)) for source in CASES for n in SEEDS]
    pairs = [(source, network) for source in reversed(CASES) for network in reversed(SIZES)]
    todo += [(f"{' '.join(pair)} divided instead", 0, divided, pair) for pair in pairs]
    todo.sort(key=lambda one: "seed" in one[0] and one[0].startswith("cats"))  # the long ones last
    for key, seed, measure, given in todo:
        if key not in results.load_stored("heads"):
            keep(key, seed, measure(*given))


if __name__ == "__main__":
    main()
