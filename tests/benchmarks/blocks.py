"""Which block of a pretrained network to read, for pictures near ImageNet's and far from them.

Reads EfficientNet-Lite0 at 128 px after each of its eight stages and trains a linear classifier on
100 principal components of what it finds there, averaged to a grid of 4 × 4 places, so that every
stage has the same number of features. A network of random weights, three times, is
the control: what it reaches comes from the architecture, not from ImageNet. At most 1,000 training
pictures of six data sets; components and C are chosen on training pictures alone, with pictures of
one track in one fold; accuracies are of validation pictures, on which nothing is chosen.

Fixed before the first run: a block is as good as the end if the 95 % interval of the paired
difference lies above -0.03. All six must be in COURSE_DATA_DIR. Twenty minutes on one core;
what a record has already is not run again.

    COURSE_DATA_DIR=… python -m tests.benchmarks.blocks [pretrained] [random1] …
"""

import sys
import warnings

import numpy as np
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from utils import backbones, datasets, results, statistics
from utils.base.folders import data_dir
from utils.base.framework import keras

BACKBONE, SIZE = "efficientnet_lite0", 128
STAGES = ("block1", "block3", "block5", "block8", "block11", "block15", "block16", "top")
SETS = ("cats_vs_dogs_full", "flowers", "cars_50", "drawn_pets", "gtsrb", "drawn_signs")
NETWORKS = ("pretrained", "random1", "random2", "random3")
TRAIN, VALIDATION, COMPONENTS = 1000, 500, 100


def network(name: str, pixels: np.ndarray) -> keras.Model:
    """Give 4 × 4 grids of all stages; a random network gets the statistics of these pixels."""
    keras.utils.set_random_seed(int(name[-1]) if name != "pretrained" else 0)
    weights = "imagenet" if name == "pretrained" else None
    base = backbones.build(BACKBONE, SIZE, weights=weights)
    if weights is None:
        norms = [x for x in base.layers if isinstance(x, keras.layers.BatchNormalization)]
        for norm in norms:  # without means and variances of its own, a deep random network is mute
            norm.momentum = 0.0
        base(pixels.astype("float32"), training=True)
    found = []
    for stage in STAGES:
        output = backbones.block_output(base, stage)
        grid = keras.layers.AveragePooling2D(output.shape[1] // 4)(output)
        found.append(keras.layers.Flatten()(grid))
    return keras.Model(base.input, found)


def answers(train, labels, groups, held) -> np.ndarray:
    """Predict classes with logistic regression on standardised components; C by 3 folds."""
    pca = PCA(COMPONENTS, svd_solver="randomized", random_state=0).fit(train)
    train, held = pca.transform(train), pca.transform(held)
    folds = list(StratifiedGroupKFold(3).split(train, labels, groups))
    options = {"scoring": "accuracy", "l1_ratios": (0,), "use_legacy_attributes": False}
    search = LogisticRegressionCV(
        Cs=[1e-3, 1e-2, 1e-1], cv=folds, max_iter=100, tol=1e-2, **options
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return make_pipeline(StandardScaler(), search).fit(train, labels).predict(held)


def measure(name: str, data: datasets.DataSet) -> dict:
    """Give the accuracy at every stage, and the paired difference from the last."""
    train = data.train.limit(TRAIN // data.num_classes)
    held = data.validation.limit(-(-VALIDATION // data.num_classes))
    probe = network(name, train.select(np.arange(0, len(train), 5)).pixels(SIZE))
    batches = [split.batches(SIZE, 50).map(lambda x, y: x) for split in (train, held)]
    seen, asked = (probe.predict(each, verbose=0) for each in batches)
    numbers = {"train_pictures": len(train), "validation_pictures": len(held)}
    numbers |= {"classes": data.num_classes}
    predicted = {
        stage: answers(found, train.labels, train.tracks(), grid)
        for stage, found, grid in zip(STAGES, seen, asked, strict=True)
    }
    for stage, answer in predicted.items():
        found = statistics.compare(held.labels, predicted["top"], answer, held.tracks())
        numbers[f"grid_{stage}_accuracy"] = float(np.mean(answer == held.labels))
        for key in ("difference", "low", "high"):
            numbers[f"grid_{stage}_less_top_{key}"] = getattr(found, key)
    return {key: round(value, 6) for key, value in numbers.items()}


def main():
    """Run what is missing, print and store after each network and data set."""
    for name in sys.argv[1:] or NETWORKS:
        for source in SETS:
            key = f"{source} {name}"
            if key in results.load_stored("blocks"):
                continue
            numbers = measure(name, datasets.load(data_dir() / source))
            row = [f"{numbers[f'grid_{stage}_accuracy']:.3f}" for stage in STAGES]
            print(f"{key:<28}", *row, flush=True)
            entry = {
                "lesson": key,
                "profile": "blocks",
                "headline": "grid_top_accuracy",
                "seed": 0 if name == "pretrained" else int(name[-1]),
                "numbers": numbers,
                **results.provenance(),
            }
            results.store({key: entry}, "blocks")


if __name__ == "__main__":
    main()
