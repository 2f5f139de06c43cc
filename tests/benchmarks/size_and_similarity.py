"""When is it worth opening a network? By pictures per class, and by kind of pictures (lesson 10).

Six data sets, from photographs of cats and dogs to drawn signs, each with 10, 30, 100 and all
training pictures a class. For each: a linear classifier on the frozen network's features (its
regularisation chosen by cross-validation on the training pictures), the same classifier trained on
for 150 updates while the network stays frozen, and the network opened from block9 up for the same
150 updates of 20 pictures. Then linear classifiers on what comes before block9, which has fewer
channels and more places: averaged in 3 x 3 parts of the picture, and over all of it; and, where
pictures are few, on the last features without averaging, which are 3 x 3. All are judged on the
same validation pictures, at most 500, which choose nothing. Each seed draws other training
pictures.

What is done is stored after every step, seeds outermost, and a later run goes on from there. About
nine minutes a seed on one core. Needs the photographs; cars_50 is a folder in COURSE_DATA_DIR.

    python -m tests.benchmarks.size_and_similarity [number of seeds; 0: draw the figure anew]
"""

import sys
import time

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from utils import backbones, datasets, features, models, plots, results, statistics
from utils.base.folders import data_dir
from utils.base.framework import keras, tf
from utils.sources.registry import SOURCES

RECORD = "size_and_similarity"
SETS = ("cats_vs_dogs_full", "flowers", "cars_50", "gtsrb", "drawn_pets", "drawn_signs")
IN_TRACKS = ("gtsrb", "drawn_signs")  # pictures of one physical sign are no independent pictures
SIZES = (10, 30, 100, 0)  # training pictures a class; 0: all
BACKBONE, SIDE, FROM_BLOCK = "efficientnet_lite0", 96, "block9"
WAYS = ("frozen", "continued", "opened", "earlier", "averaged", "places")
UPDATES, BATCH, RATE = 150, 20, 3e-4  # set before the first run, and never changed
JUDGED = 500
FIGURE = results.STORED / "grid.svg"
TITLES = {
    "cats_vs_dogs_full": "photographs: cats and dogs",
    "flowers": "photographs: five flowers",
    "cars_50": "photographs: fifty cars",
    "drawn_pets": "drawings: cats and dogs",
    "gtsrb": "photographs: 43 traffic signs",
    "drawn_signs": "drawings: twelve traffic signs",
}


class Set:
    """A data set's features before block9 and after the last layer, and a model for each way."""

    def __init__(self, name, trunk, top, classifier):
        self.data = datasets.load(name if name in SOURCES else data_dir() / name)
        held = self.data.validation
        self.held = held.select(np.linspace(0, len(held) - 1, min(JUDGED, len(held))).astype(int))
        low = {s.name: features.extract(trunk, s).values for s in (self.data.train, self.held)}
        self.low = {split: np.asarray(values) for split, values in low.items()}
        self.high = {k: top.predict(v, verbose=0).mean((1, 2)) for k, v in self.low.items()}
        scores = {k: v @ classifier[0] + classifier[1] for k, v in self.high.items()}
        chances = np.exp(scores["validation"] - scores["validation"].max(1, keepdims=True))
        self.certainty = float((chances.max(1) / chances.sum(1)).mean())
        self.named = self._named(*(scores[split].argmax(1) for split in ("train", "validation")))
        self.groups = self.held.tracks() if name in IN_TRACKS else np.arange(len(self.held))
        pooled = keras.layers.GlobalAveragePooling2D()(top.output)
        softmax = keras.layers.Dense(self.data.num_classes, activation="softmax")
        self.opened = _compiled(keras.Model(top.input, softmax(pooled)))
        inputs = keras.Input(self.high["train"].shape[1:])
        alone = keras.layers.Dense(self.data.num_classes, activation="softmax")
        self.alone = _compiled(keras.Model(inputs, alone(inputs)))

    def _named(self, train, held):
        """Give the accuracy of who sees nothing of a picture but ImageNet's name for it.

        The answer is the class that most training pictures of that name have.
        """
        counts = np.zeros((1000, self.data.num_classes))
        np.add.at(counts, (train, self.data.train.labels), 1)
        counts += counts.sum(0) / counts.sum() / 1000  # names never seen: the most frequent class
        return float((counts[held].argmax(1) == self.held.labels).mean())

    def sizes(self):
        """Give the sizes that it has: name → pictures a class, the last being all (0)."""
        most = np.bincount(self.data.train.labels).max()
        return [size for size in SIZES if size < most]

    def draw(self, size, seed):
        """Draw places of training pictures, `size` of each class."""
        labels, rng = self.data.train.labels, np.random.default_rng([seed, size])
        if not size:
            return np.arange(len(labels))
        own = (np.flatnonzero(labels == label) for label in range(self.data.num_classes))
        return np.sort(np.concatenate([rng.permutation(places)[:size] for places in own]))


def _compiled(model):
    falling = keras.optimizers.schedules.CosineDecay(RATE, UPDATES)
    model.compile(keras.optimizers.Adam(falling), models.LOSS)
    return model


def linear(values, labels, scaler=None):
    """Fit a linear classifier, its regularisation chosen by cross-validation on 1,000 pictures."""
    steps = (scaler or StandardScaler(), LogisticRegression(max_iter=100, tol=1e-3))
    plain = make_pipeline(*steps)
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    some = np.random.default_rng(0).permutation(len(labels))[:1000]
    if np.bincount(labels[some], minlength=labels.max() + 1).min() < 3:  # many classes
        some = np.arange(len(labels))
    choices = [1e-4, 1e-3, 1e-2, 1e-1] + ([1e-5] if scaler else [])
    grid = {"logisticregression__C": choices}
    search = GridSearchCV(plain, grid, cv=folds, refit=False).fit(values[some], labels[some])
    return plain.set_params(**search.best_params_).fit(values, labels)


def turned(values, held):
    """Standardise many features and write them in as many as there are pictures, losing nothing.

    A linear classifier that penalises the length of its weights does not notice the change.
    """
    scaler = StandardScaler().fit(values)
    values = scaler.transform(values)
    axes = np.linalg.svd(values, full_matrices=False)[2].T
    return values @ axes, scaler.transform(held) @ axes


def as_dense(fitted):
    """Write a fitted linear classifier as kernel and bias of a softmax on the features as such."""
    scaler, regression = fitted[0], fitted[1]
    kernel, bias = regression.coef_ / scaler.scale_, regression.intercept_
    bias = bias - kernel @ scaler.mean_
    if len(kernel) == 1:  # two classes
        kernel, bias = np.concatenate([-kernel, kernel]) / 2, np.concatenate([-bias, bias]) / 2
    return kernel.T.astype("float32"), bias.astype("float32")


def train(model, dense, inputs, labels, order):
    """Set a last layer, forget the optimizer's past, and make the 150 updates."""
    model.layers[-1].set_weights(dense)
    if model.optimizer.built:
        for variable in model.optimizer.variables:
            variable.assign(tf.zeros_like(variable))
    model.fit(inputs[order], labels[order], batch_size=BATCH, shuffle=False, verbose=0)


def quarters(maps):
    """Average a map of features in 3 × 3 parts, (n, 9 × channels)."""
    n, side, _, channels = maps.shape
    return maps.reshape(n, 3, side // 3, 3, side // 3, channels).mean((2, 4)).reshape(n, -1)


def cell(found, size, seed, wanted, first_top, top):
    """Give who is right on the judged pictures, bool (n,), for each wanted way."""
    places, held, right = found.draw(size, seed), found.low["validation"], {}
    labels, truth = found.data.train.labels[places], found.held.labels
    low, high = found.low["train"][places], found.high["train"][places]
    top.set_weights(first_top)
    if "opened" in wanted:
        fitted = linear(high, labels)
        right["frozen"] = fitted.predict(found.high["validation"]) == truth
        rng = np.random.default_rng([seed, 99])
        rounds = [rng.permutation(len(labels)) for _ in range(UPDATES * BATCH // len(labels) + 1)]
        order = np.concatenate(rounds)[: UPDATES * BATCH]
        dense = as_dense(fitted)
        train(found.alone, dense, high, labels, order)
        answers = found.alone.predict(found.high["validation"], verbose=0)
        right["continued"] = answers.argmax(1) == truth
        train(found.opened, dense, low, labels, order)
        right["opened"] = found.opened.predict(held, verbose=0).argmax(1) == truth
        top.set_weights(first_top)
    if "earlier" in wanted:
        right["earlier"] = linear(quarters(low), labels).predict(quarters(held)) == truth
    if "averaged" in wanted:
        fitted = linear(low.mean((1, 2)), labels)
        right["averaged"] = fitted.predict(held.mean((1, 2))) == truth
    if "places" in wanted and size in (10, 30):
        maps = (top.predict(inputs, verbose=0) for inputs in (low, held))
        values, others = turned(*(each.reshape(len(each), -1) for each in maps))
        right["places"] = linear(values, labels, "passthrough").predict(others) == truth
    return right


def packed(right):
    """Write who is right in few letters."""
    return np.packbits(right).tobytes().hex()


def unpacked(letters, n):
    """Read what `packed` wrote."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(letters), "uint8"))[:n].astype(bool)


def summary(right, found, size):
    """Give each run's accuracy, and the paired difference of each way to frozen, over all seeds."""
    n, numbers = len(found.held), {}
    runs = {way: [] for way in WAYS}
    for name, letters in right.items():
        way = name.split("_")[1]
        if name.startswith(f"{size or 'all'}_"):
            runs[way].append(unpacked(letters, n))
            numbers[f"{name}_accuracy"] = round(float(runs[way][-1].mean()), 6)
    for way in [way for way in WAYS[1:] if runs[way]]:
        times = len(runs[way])
        groups, truth = np.tile(found.groups, times), np.ones(n * times, bool)
        first, second = (np.concatenate(runs[one][:times]) for one in ("frozen", way))
        one = statistics.compare(truth, first, second, groups)
        about = {"difference": one.difference, "low": one.low, "high": one.high}
        for what, value in about.items():
            numbers[f"{size or 'all'}_{way}_{what}"] = round(value, 6)
    return numbers


def draw_figure(path):
    """Draw what opening and earlier features add to the frozen network, from the record."""
    record, lines = results.load_stored(RECORD), {"opened": "block 9 and up opened"}
    lines["earlier"] = "frozen, a classifier on what enters block 9"
    # Text stays text, and the same numbers give the same bytes.
    style = {"svg.hashsalt": "course", "svg.fonttype": "none", "font.size": 10}
    style |= {"axes.spines.top": False, "axes.spines.right": False}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(9, 5.2), layout="constrained")
        axes = figure.subplots(2, 3, sharex=True, sharey=True)
        for ax, (name, title) in zip(axes.flat, TITLES.items(), strict=True):
            numbers = record[name]["numbers"]
            at = {str(size or "all"): size or numbers["all_per_class"] for size in SIZES}
            sizes = [size for size in at if f"{size}_opened_low" in numbers]
            for i, (way, text) in enumerate(lines.items()):
                middle, low, high = (
                    np.array([numbers[f"{size}_{way}_{end}"] for size in sizes])
                    for end in ("difference", "low", "high")
                )
                x = np.array([at[size] for size in sizes]) * (1 + 0.06 * i)  # side by side
                how = {"color": plots.COLOURS[i], "marker": plots.MARKERS[i], "label": text}
                ax.errorbar(x, middle, (middle - low, high - middle), capsize=2, **how)
            ax.axhline(0, color="grey", linestyle="--", linewidth=1)
            ax.set(title=title, xscale="log", xticks=[10, 30, 100, 1000])
            ax.set_xticklabels(["10", "30", "100", "1,000"])
            ax.minorticks_off()
        axes[1, 1].set_xlabel("training pictures a class")
        figure.supylabel("validation accuracy, less that of\na classifier on the last features")
        figure.suptitle("What two ways add to a frozen network, with 95 % intervals")
        handles = axes.flat[0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=2, frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None})


def main():
    """Run what is missing, seeds outermost; print and store, and draw the figure."""
    if sys.argv[1:] == ["0"]:
        return draw_figure(FIGURE)
    seeds = range(1, 1 + int(sys.argv[1] if len(sys.argv) > 1 else 3))
    full = backbones.build(BACKBONE, SIDE, include_top=True)
    classifier = full.layers[-1].get_weights()
    base = backbones.build(BACKBONE, SIDE)
    models.unfreeze_from(base, FROM_BLOCK)
    trunk, top = models.split_at(base, FROM_BLOCK)
    first_top = top.get_weights()
    sets = {name: Set(name, trunk, top, classifier) for name in SETS}
    for seed in seeds:
        for name, found in sets.items():
            for size in found.sizes():
                entry = results.load_stored(RECORD).get(name, {"numbers": {}, "right": {}})
                have = entry["right"]
                wanted = [w for w in WAYS if f"{size or 'all'}_{w}_seed{seed}" not in have]
                if not wanted or (wanted == ["places"] and size not in (10, 30)):
                    continue
                begun = time.perf_counter()
                right = cell(found, size, seed, wanted, first_top, top)
                for way, one in right.items():
                    entry["right"][f"{size or 'all'}_{way}_seed{seed}"] = packed(one)
                train_split, most = found.data.train, np.bincount(found.data.train.labels)
                numbers = entry["numbers"] | {
                    "validation_pictures": len(found.held),
                    "classes": found.data.num_classes,
                    "all_per_class": round(len(train_split) / len(most), 1),
                    "certainty": round(found.certainty, 6),
                    "named_accuracy": round(found.named, 6),
                    "baseline_accuracy": round(found.held.baseline, 6),
                    **summary(entry["right"], found, size),
                }
                about = {"lesson": name, "profile": RECORD, "headline": "all_opened_difference"}
                entry = {**about, "seed": 1, "numbers": numbers, "right": entry["right"]}
                results.store({name: {**entry, **results.provenance()}}, RECORD)
                shown = ", ".join(f"{way} {one.mean():.3f}" for way, one in right.items())
                seconds = time.perf_counter() - begun
                print(f"seed {seed} {name} {size or 'all'}: {shown} ({seconds:.0f} s)", flush=True)
    draw_figure(FIGURE)


if __name__ == "__main__":
    main()
