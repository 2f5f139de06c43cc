"""Logistic regression on four sets of features of the book's photographs, compared in pairs.

Each network runs once over the book's cut (2,000 / 1,000 / 1,000, copies of 200 × 200 pixels); its
features are averaged over places, and C is chosen by five-fold cross-validation on the training
pictures. Validation and test are asked once each. Needs the weights of VGG16 and Xception; fifteen
minutes on two cores, most of them for Xception. Writes notebooks/results/photographs.json.

    python -m tests.benchmarks.photographs
"""

import time

import numpy as np
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from utils import backbones, datasets, features, results, statistics

NETWORKS = [
    ("efficientnet_lite0", 160),
    ("efficientnet_lite0", 224),
    ("vgg16", 150),
    ("xception", 299),
]
CANDIDATES = 10.0 ** np.arange(-5, 1)  # of C, the inverse of the regularisation's strength
# What newer versions of scikit-learn ask to be said.
QUIET = {"l1_ratios": (0.0,), "scoring": "accuracy", "use_legacy_attributes": False}


def measure(network, size, data):
    """Give numbers and the predictions of validation and test."""
    start = time.perf_counter()
    base = backbones.build(network, size)
    train, validation, test = (
        features.extract(base, split, dtype="float16").values.astype("float32").mean((1, 2))
        for split in data.splits
    )
    classifier = make_pipeline(
        StandardScaler(), LogisticRegressionCV(Cs=CANDIDATES, cv=5, max_iter=2000, **QUIET)
    ).fit(train, data.train.labels)
    numbers, said = {"chosen_c": float(np.ravel(classifier[-1].C_)[0])}, {}
    for split, values in ((data.validation, validation), (data.test, test)):
        said[split.name] = (split, classifier.predict(values))
        numbers[f"{split.name}_accuracy"] = float(np.mean(said[split.name][1] == split.labels))
        numbers[f"{split.name}_pictures"] = len(split)
    numbers |= {"features": train.shape[1], "seconds": round(time.perf_counter() - start)}
    return numbers, said


def main():
    """Measure each network, store it, and compare each with the first."""
    data, predicted = datasets.load("cats_vs_dogs_full"), {}
    for network, size in NETWORKS:
        name = f"{network}_{size}"
        numbers, said = measure(network, size, data)
        predicted[name] = said["test"][1]
        for split in ("validation", "test"):
            accuracy, n = numbers[f"{split}_accuracy"], numbers[f"{split}_pictures"]
            print(f"{name} {split}: {statistics.with_interval(accuracy, n)}", flush=True)
        if len(predicted) > 1:
            first = next(iter(predicted.values()))
            found = statistics.compare(data.test.labels, first, predicted[name])
            print(f"against {next(iter(predicted))}: {found}", flush=True)
            for end in ("difference", "low", "high"):
                numbers[f"first_to_this_{end}"] = getattr(found, end)
        entry = results.record(
            name, "photographs", "test_accuracy", seed=0, predictions=said, **numbers
        ).entry
        results.store({name: entry}, "photographs")


if __name__ == "__main__":
    main()
