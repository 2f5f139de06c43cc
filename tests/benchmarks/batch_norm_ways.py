"""What a frozen base with batch normalisation did in three eras of Keras: ten seeds, over updates.

Up to Keras 2.1.2 a frozen layer normalised by the batch in `fit`, and its averages moved; from
2.1.3 to 2.3 it normalised by the batch and the averages stayed; since TensorFlow 2.0 it uses the
averages in `fit`, too. A head learns on a frozen base in each way. In the first two eras it learns
from the same numbers, so one training serves both, and only the averages that validation uses
differ: ImageNet's, or those moved at momentum 0.99 (the layer's default) or 0.9. As a control the
same head is also judged by the statistics of shuffled validation batches. Stores each seed; a
second call goes on. About five minutes of one core.

    python -m tests.benchmarks.batch_norm_ways
"""

import numpy as np

from utils import backbones, datasets, features, models, results, statistics
from utils.base.framework import keras, layers

NAME, BACKBONE = "batch_norm_ways", "efficientnet_lite0"
SEEDS, RATE = range(1, 11), 1e-3
PER_CLASS, SIZE, BATCH = 40, 64, 32  # 15 updates an epoch
SHOWN = (1, 3, 6, 12, 20)  # after how many epochs validation is looked at
MOMENTUMS = {"updated": 0.99, "updated_fast": 0.9}


class Bench:
    """The data, and one network that all seeds use one after the other."""

    def __init__(self):
        data = datasets.load("drawn_signs")
        self.train, self.validation = data.train.limit(PER_CLASS), data.validation
        base = backbones.build(BACKBONE, SIZE)
        self.kept = {s.name: features.extract(base, s) for s in (self.train, self.validation)}
        self.layers = [la for la in base.layers if isinstance(la, layers.BatchNormalization)]
        self.imagenet = self.averages()
        base = models.batch_norm(base, "updated")
        for layer in self.layers:
            layer.momentum = 0.0  # so that the averages are the last batch's statistics
        self.shape, self.classes = base.output_shape[1:], data.num_classes
        self.head = models.head(self.shape, self.classes)
        self.alone = models.head(self.shape, self.classes)
        self.model = models.attach(base, self.head)
        for model in (self.model, self.alone):
            model.compile(keras.optimizers.Adam(RATE), models.LOSS, metrics=["accuracy"])
            model.optimizer.build(model.trainable_variables)
        self.pixels = self.validation.stored_pixels(SIZE).astype("float32")
        self.order = np.random.default_rng(0).permutation(len(self.validation))

    def averages(self):
        """Running means and variances as they are: a list of arrays."""
        return [w.numpy() for la in self.layers for w in (la.moving_mean, la.moving_variance)]

    def set_averages(self, values):
        """Put running means and variances in place."""
        weights = (w for la in self.layers for w in (la.moving_mean, la.moving_variance))
        for weight, value in zip(weights, values, strict=True):
            weight.assign(value)

    def predicted(self):
        """Give the classes that the network sees in the validation pictures."""
        return self.model.predict(self.pixels, batch_size=96, verbose=0).argmax(-1)

    def by_batch(self):
        """The same, normalised by shuffled validation batches."""
        found = np.empty(len(self.order), int)
        for at in range(0, len(self.order), BATCH):
            chosen = self.order[at : at + BATCH]
            found[chosen] = np.argmax(self.model(self.pixels[chosen], training=True), -1)
        return found

    def run(self, seed):
        """Train one head in each way; give way → {updates: predictions}."""
        keras.utils.set_random_seed(seed)
        begin = models.head(self.shape, self.classes).get_weights()
        for model in (self.head, self.alone):
            model.set_weights(begin)
        for model in (self.model, self.alone):
            for variable in model.optimizer.variables:
                variable.assign(np.zeros(variable.shape, variable.dtype))
            model.optimizer.learning_rate.assign(RATE)
        moved = {way: list(self.imagenet) for way in MOMENTUMS}
        shown = {way: {} for way in ("kept", "batch", *MOMENTUMS, "by_batch")}
        x, y = self.kept["train"].values, self.kept["train"].labels
        pixels = self.train.stored_pixels(SIZE)
        updates = 0
        for epoch in range(1, max(SHOWN) + 1):
            order = np.random.default_rng([seed, epoch]).permutation(len(y))
            for at in range(0, len(order), BATCH):
                chosen = order[at : at + BATCH]
                self.alone.train_on_batch(x[chosen], y[chosen])
                self.model.train_on_batch(pixels[chosen].astype("float32"), y[chosen])
                last = self.averages()
                for way, momentum in MOMENTUMS.items():
                    pairs = zip(moved[way], last, strict=True)
                    moved[way] = [momentum * old + (1 - momentum) * new for old, new in pairs]
                updates += 1
            if epoch in SHOWN:
                self.set_averages(self.imagenet)
                shown["batch"][updates] = self.predicted()
                for way, averages in moved.items():
                    self.set_averages(averages)
                    shown[way][updates] = self.predicted()
                shown["by_batch"][updates] = self.by_batch()
                held = self.kept["validation"].values
                shown["kept"][updates] = self.alone.predict(held, verbose=0).argmax(-1)
        return shown


def keep(entry, numbers, headline, predictions=None):
    """Merge numbers and predictions into an entry of the record."""
    old = results.load_stored(NAME).get(entry, {})
    about = {"lesson": entry, "profile": NAME, "headline": headline, "seed": SEEDS[0]}
    about["numbers"] = old.get("numbers", {}) | numbers
    about["predictions"] = old.get("predictions", {}) | (predictions or {})
    results.store({entry: about | results.provenance()}, NAME)


def main():
    """Run what is missing, compare, print and store."""
    bench = Bench()
    labels, tracks = bench.validation.labels, bench.validation.tracks()
    for seed in SEEDS:
        had = results.load_stored(NAME).get("by_batch", {}).get("numbers", {})
        if f"seed{seed}_after{SHOWN[0] * 15}_accuracy" in had:
            continue
        for way, predictions in bench.run(seed).items():
            numbers = {
                f"seed{seed}_after{updates}_accuracy": round(float((one == labels).mean()), 6)
                for updates, one in predictions.items()
            }
            wrong = results._wrong(bench.validation, predictions[max(predictions)])
            numbers["pictures"] = len(labels)
            keep(way, numbers, f"seed1_after{SHOWN[-1] * 15}_accuracy", {f"seed{seed}": wrong})
            print(f"seed {seed}, {way:<12}", *list(numbers.values())[:-1], flush=True)
    numbers = {}
    for first, second in [("batch", "kept"), ("updated", "kept"), ("updated_fast", "kept"),
                          ("batch", "updated"), ("batch", "by_batch")]:  # fmt: skip
        answers = (
            np.concatenate(
                [results.recall_predictions(w, NAME, f"seed{s}", bench.validation) for s in SEEDS]
            )
            for w in (first, second)
        )
        repeated = np.tile(labels, len(SEEDS)), *answers, np.tile(tracks, len(SEEDS))
        found = statistics.compare(*repeated)
        print(f"{first} → {second}, {len(SEEDS)} seeds, {SHOWN[-1] * 15} updates: {found}")
        kept = {"difference": found.difference, "low": found.low, "high": found.high}
        numbers |= {f"{second}_less_{first}_{name}": round(v, 6) for name, v in kept.items()}
    keep("compared", numbers, next(iter(numbers)))


if __name__ == "__main__":
    main()
