"""Does the port of EfficientNet-Lite0 still see what its authors trained it to see?

With its 1,000-class top on, photographs of cats must come out as one of ImageNet's cats, and dogs
as one of its dogs. Needs the cats_vs_dogs photographs. Writes its result to notebooks/results.

    python -m tests.benchmarks.imagenet_classes
"""

import numpy as np

from utils import backbones, datasets, results, statistics

CATS, DOGS = range(281, 286), range(151, 269)  # ImageNet's domestic cats, and its breeds of dogs
SIZE = 224


def main():
    """Measure on the validation pictures and store the two shares."""
    split = datasets.load("cats_vs_dogs").validation
    model = backbones.build("efficientnet_lite0", SIZE, include_top=True)
    answers = model.predict(split.batches(SIZE), verbose=1).argmax(1)
    shares = {}
    for name, wanted, label in (("cats", CATS, 0), ("dogs", DOGS, 1)):
        mine = answers[split.labels == label]
        shares[f"{name}_in_{name[:-1]}_classes"] = float(np.isin(mine, wanted).mean())
        print(name, statistics.with_interval(shares[f"{name}_in_{name[:-1]}_classes"], len(mine)))
    entry = {
        "lesson": "imagenet_classes",
        "profile": "efficientnet_lite0",
        "headline": "cats_in_cat_classes",
        "seed": 0,
        "numbers": {**shares, "pictures_per_class": len(split) // 2},
        **results.provenance(),
    }
    results.store({"imagenet_classes": entry}, "efficientnet_lite0")


if __name__ == "__main__":
    main()
