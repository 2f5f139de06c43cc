"""Five kinds of flowers by their codes: VGG16 and EfficientNet-Lite0, three plain classifiers.

The flowers program of 2017 took VGG16's first dense layer, whose trained weights come in no Python
package. Here the code is the last feature map of block 5, averaged over its places or flattened.
What a classifier leaves open (C, or the number of neighbours) is chosen by cross-validation on the
training pictures; the test pictures are asked once. The data card says which flowers these are; of
each kind 200 train. Writes notebooks/results/flowers.json. Six minutes on one quiet core, most of
it VGG16's; what was extracted is kept.

    python -m tests.benchmarks.flowers
"""

import time
from dataclasses import replace

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.svm import LinearSVC

from utils import backbones, datasets, features, results, statistics

SIZE = 128  # the pictures' own side
PER_CLASS = 200  # training pictures of each kind
DRAWS = 5  # random halves of the training pictures
WAYS = {
    "logistic_regression": (
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)),
        {"logisticregression__C": [1e-4, 1e-3, 1e-2, 1e-1]},
    ),
    "linear_svm": (
        make_pipeline(StandardScaler(), LinearSVC(random_state=1)),
        {"linearsvc__C": [1e-5, 1e-4, 1e-3, 1e-2]},
    ),
    "nearest_neighbours": (
        make_pipeline(Normalizer(), KNeighborsClassifier()),
        {"kneighborsclassifier__n_neighbors": [1, 5, 9, 15, 25]},
    ),
}


def codes_of(data):
    """Give {name: (training codes, test codes)} of each network and way of reading it."""
    found = {}
    for network in ("efficientnet_lite0", "vgg16"):
        base = backbones.build(network, SIZE)
        maps = [features.extract(base, split).values for split in (data.train, data.test)]
        found[network] = [values.mean(axis=(1, 2)) for values in maps]
        if network == "vgg16":
            found["vgg16_flattened"] = [values.reshape(len(values), -1) for values in maps]
    top = backbones.build("efficientnet_lite0", SIZE, include_top=True).layers[-1]
    kernel, bias = top.get_weights()  # ImageNet's own classifier, before its softmax
    found["imagenet_scores"] = [codes @ kernel + bias for codes in found["efficientnet_lite0"]]
    return found


def main():
    """Fit, compare, print and store."""
    data = datasets.load("flowers")
    data = replace(data, train=data.train.limit(PER_CLASS))
    numbers = {f"{split.name}_pictures": len(split) for split in (data.train, data.test)}
    numbers["baseline_accuracy"] = data.test.baseline
    answers, begin = {}, time.perf_counter()
    codes = codes_of(data)
    print(f"features: {time.perf_counter() - begin:.0f} s", flush=True)
    y = data.train.labels
    for name, (train, test) in codes.items():
        plain = name in ("efficientnet_lite0", "vgg16")
        for way in WAYS if plain else ("logistic_regression",):
            model, grid = WAYS[way]
            search = GridSearchCV(model, grid, cv=3).fit(train, y)
            key = f"{name}_{way}"
            answers[key] = search.predict(test)
            numbers[f"{key}_test_accuracy"] = float((answers[key] == data.test.labels).mean())
            numbers[f"{key}_chosen"] = next(iter(search.best_params_.values()))
            print(key, numbers[f"{key}_test_accuracy"], search.best_params_, flush=True)
            for draw in range(1, DRAWS + 1 if plain else 1):
                places = np.random.default_rng(draw).permutation(len(y))[: len(y) // 2]
                half = search.best_estimator_.fit(train[places], y[places])
                score = float(half.score(test, data.test.labels))
                numbers[f"{key}_half{draw}_test_accuracy"] = score
    for first, second in [
        ("vgg16_logistic_regression", "efficientnet_lite0_logistic_regression"),
        ("vgg16_logistic_regression", "vgg16_flattened_logistic_regression"),
        ("imagenet_scores_logistic_regression", "efficientnet_lite0_logistic_regression"),
        *(
            (f"{network}_{way}", f"{network}_logistic_regression")
            for network in ("vgg16", "efficientnet_lite0")
            for way in ("linear_svm", "nearest_neighbours")
        ),
    ]:
        found = statistics.compare(data.test.labels, answers[first], answers[second])
        print(f"{first} → {second}: {found}", flush=True)
        for what in ("difference", "low", "high", "p_value"):
            numbers[f"{first}_to_{second}_{what}"] = getattr(found, what)
    entry = {
        "lesson": "flowers",
        "profile": "flowers",
        "headline": "vgg16_logistic_regression_test_accuracy",
        "seed": 1,
        "numbers": {k: v if isinstance(v, int) else round(v, 6) for k, v in numbers.items()},
        "predictions": {k: results._wrong(data.test, v) for k, v in answers.items()},
        **results.provenance(),
    }
    results.store({"flowers": entry}, "flowers")


if __name__ == "__main__":
    main()
