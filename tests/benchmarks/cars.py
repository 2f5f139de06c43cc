"""Fifty kinds of cars: a frozen base, batch normalisation trained, everything open; three seeds.

The pictures are 50 of the 196 classes of Stanford Cars (Krause and others, 2013), cut out of their
photographs, in a folder `cars_50` of COURSE_DATA_DIR with `train`, `validation` and `test`. The
frozen base has a linear classifier on its features. The other two ways begin with a head trained
on the same features and make the same updates, at the rate that suited validation best with
another seed and as many epochs; the rate falls to zero. Test pictures are looked at once, at the
end of each run. Stores each run in notebooks/results; a second call goes on. Half an hour of one
core.

    COURSE_DATA_DIR=… python -m tests.benchmarks.cars
"""

import time

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from utils import backbones, datasets, features, models, results, statistics
from utils.base.folders import data_dir
from utils.base.framework import keras

NAME, BACKBONE = "cars", "efficientnet_lite0"
SEEDS, TUNING_SEED = (1, 2, 3), 101
SIZE, BATCH = 128, 32
EPOCHS, HEAD_EPOCHS = 4, 30  # rates are chosen after as many: after one, too small ones win
RATES = {"batch_norm": (3e-5, 1e-4, 3e-4, 1e-3, 4e-3), "open": (2e-5, 6e-5, 2e-4, 6e-4)}
REGULARISATION = (0.0003, 0.001, 0.003, 0.01, 0.03)


class Bench:
    """The data, and what the frozen base says of it."""

    def __init__(self):
        self.data = datasets.load(data_dir() / "cars_50")
        self.base = backbones.build(BACKBONE, SIZE)
        self.start, self.shape = self.base.get_weights(), self.base.output_shape[1:]
        self.found = [features.extract(self.base, split) for split in self.data.splits]
        self.models = {}

    def frozen(self):
        """A linear classifier, its regularisation chosen on validation."""
        (x, y), (x_val, y_val), (x_test, _) = (
            (f.values.mean((1, 2)), f.labels) for f in self.found
        )
        scores = {}
        for strength in REGULARISATION:
            model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))
            scores[strength] = model.fit(x, y).score(x_val, y_val), model
        best = max(scores, key=lambda c: scores[c][0])
        validation, model = scores[best]
        return {"c": best, "validation_accuracy": validation}, model.predict(x_test)

    def network(self, way):
        """The whole network with what may learn in this way, compiled once."""
        if way not in self.models:
            base = backbones.build(BACKBONE, SIZE)
            if way == "batch_norm":
                base = models.batch_norm(base, "updated", learn=True)
            else:
                models.unfreeze_from(base, backbones.entry(BACKBONE).blocks[0])
            head = models.head(self.shape, self.data.num_classes)
            model = models.attach(base, head)
            model.compile(keras.optimizers.Adam(), models.LOSS, metrics=["accuracy"])
            model.optimizer.build(model.trainable_variables)
            self.models[way] = base, head, model
        return self.models[way]

    def run(self, way, seed, top_rate, epochs):
        """Train once; give numbers and predictions of the test pictures."""
        base, head, model = self.network(way)
        keras.utils.set_random_seed(seed)
        begin = models.head(self.shape, self.data.num_classes)
        begin.compile(keras.optimizers.Adam(1e-3), models.LOSS)
        begin.fit(self.found[0].values, self.found[0].labels, BATCH, epochs=HEAD_EPOCHS, verbose=0)
        base.set_weights(self.start)
        head.set_weights(begin.get_weights())
        held = self.data.validation
        before = model.evaluate(held.batches(SIZE, 64), verbose=0)[1]
        for variable in model.optimizer.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))
        steps = epochs * -(-len(self.data.train) // BATCH)

        def falling(step):
            return top_rate * 0.5 * (1 + np.cos(np.pi * step / steps))

        def set_rate(batch, logs=None):
            model.optimizer.learning_rate.assign(falling(int(model.optimizer.iterations)))

        history = model.fit(
            self.data.train.batches(SIZE, BATCH, shuffle_seed=seed),
            epochs=epochs,
            callbacks=[keras.callbacks.LambdaCallback(on_train_batch_begin=set_rate)],
            verbose=0,
        ).history
        accuracy = model.evaluate(held.batches(SIZE, 64), verbose=0)[1]
        numbers = {"head_validation_accuracy": before, "validation_accuracy": accuracy}
        numbers["training_accuracy"] = history["accuracy"][-1]
        test = self.data.test.batches(SIZE, 64)
        return numbers, model.predict(test, verbose=0).argmax(-1)


def keep(entry, numbers, headline, predictions=None):
    """Merge numbers and predictions into an entry of the record."""
    old = results.load_stored(NAME).get(entry, {})
    if old.get("numbers", {}).get("rate") != numbers.get("rate"):
        old = {}  # runs at another rate are not runs of the same way
    about = {"lesson": entry, "profile": NAME, "headline": headline, "seed": SEEDS[0]}
    clean = {n: v if isinstance(v, int) else round(float(v), 6) for n, v in numbers.items()}
    about["numbers"] = old.get("numbers", {}) | clean
    about["predictions"] = old.get("predictions", {}) | (predictions or {})
    results.store({entry: about | results.provenance()}, NAME)


def had(entry):
    """Numbers of an entry so far."""
    return results.load_stored(NAME).get(entry, {}).get("numbers", {})


def main():
    """Tune, run what is missing, compare, print and store."""
    bench = Bench()
    test = bench.data.test
    numbers, predicted = bench.frozen()
    numbers |= {"test_accuracy": float((predicted == test.labels).mean())}
    numbers |= {f"{s.name}_pictures": len(s) for s in bench.data.splits}
    keep("frozen", numbers, "test_accuracy", {"test": results._wrong(test, predicted)})
    print("frozen", numbers, flush=True)
    rates = {way: tuned(bench, way) for way in RATES}
    for seed in SEEDS:
        for way, rate in rates.items():
            if had(way).get("rate") == rate and f"seed{seed}_test_accuracy" in had(way):
                continue
            numbers, predicted = bench.run(way, seed, rate, EPOCHS)
            numbers["test_accuracy"] = float((predicted == test.labels).mean())
            print(way, seed, numbers, flush=True)
            numbers = {f"seed{seed}_{name}": value for name, value in numbers.items()}
            wrong = {f"seed{seed}": results._wrong(test, predicted)}
            numbers |= {"rate": rate, "epochs": EPOCHS, "test_pictures": len(test)}
            keep(way, numbers, "seed1_test_accuracy", wrong)
        compare(test, range(1, seed + 1))


def tuned(bench, way):
    """Give the rate with which another seed did best on validation."""
    for rate in RATES[way]:
        name = f"{way}_rate{rate:g}_validation_accuracy"
        if name not in had("tuning"):
            begun = time.perf_counter()
            numbers, _ = bench.run(way, TUNING_SEED, rate, EPOCHS)
            keep("tuning", {name: numbers["validation_accuracy"]}, name)
            print(name, numbers, f"{time.perf_counter() - begun:.0f} s", flush=True)
    return max(RATES[way], key=lambda r: had("tuning")[f"{way}_rate{r:g}_validation_accuracy"])


def compare(test, seeds):
    """Compare two ways at a time on the same pictures; a picture's runs stay together."""

    def answers(way):
        names = ["test" if way == "frozen" else f"seed{seed}" for seed in seeds]
        return np.concatenate([results.recall_predictions(way, NAME, n, test) for n in names])

    places, labels = (np.tile(x, len(seeds)) for x in (np.arange(len(test)), test.labels))
    compared = {"seeds": len(seeds)}
    for first, second in [("frozen", "batch_norm"), ("batch_norm", "open"), ("frozen", "open")]:
        found = statistics.compare(labels, answers(first), answers(second), places)
        print(f"{first} → {second}, {len(seeds)} seeds: {found}", flush=True)
        kept = {"difference": found.difference, "low": found.low, "high": found.high}
        compared |= {f"{second}_less_{first}_{name}": value for name, value in kept.items()}
    keep("compared", compared, "open_less_frozen_difference")


if __name__ == "__main__":
    main()
