"""When to open the whole network, and how fast: ten seeds of lesson 14's question.

A head learns for no epoch, for three, or for sixty; then everything is open, for as many epochs as
validation gains from, twelve at most. Each way has the learning rate that suited it best with
another seed. Half of the tracks of drawn signs' validation split chooses rate and epoch, the other
half judges, as it is and darkened. Stores each run in notebooks/results; a second call goes on
where the first was stopped. About twenty minutes of one core.

    python -m tests.benchmarks.when_to_open
"""

import time

import numpy as np

from utils import backbones, datasets, features, models, results, statistics
from utils.base.framework import keras

NAME, BACKBONE = "when_to_open", "efficientnet_lite0"
SEEDS, TUNING_SEEDS = range(1, 11), (101,)
RATES = (1e-4, 3e-4, 1e-3)
PER_CLASS, SIZE, BATCH = 24, 64, 16
EPOCHS, PATIENCE = 12, 3
DARKER = 0.4  # the shifted pictures have so much of their light
BLOCK_FACTOR = 0.9
WAYS = {"at_once": 0, "early": 3, "late": 60, "early_smaller_steps": 3}  # epochs of the head alone
PAIRS = [("at_once", "early"), ("early", "late"), ("at_once", "late")]
PAIRS += [("early", "early_smaller_steps")]


class ByBlock(keras.optimizers.Adam):
    """Adam, with a factor on the learning rate by the name of a weight's layer; lesson 14."""

    def __init__(self, factors):
        super().__init__()
        self.factors, self.of = factors, {}

    def build(self, variables):
        super().build(variables)
        for variable in variables:
            self.of[variable.value.ref()] = self.factors.get(variable.path.split("/")[-2], 1.0)

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient, variable, learning_rate * self.of[variable.ref()])


def compiled(model, optimizer):
    """Compile once; `train` then begins anew with the same traced functions."""
    model.compile(optimizer, models.LOSS, metrics=["accuracy"])
    optimizer.build(model.trainable_variables)
    return model


class Course:
    """The data, and the networks that all runs use one after the other."""

    def __init__(self):
        data = datasets.load("drawn_signs")
        self.train = data.train.limit(PER_CLASS)
        tracks = data.validation.tracks()
        odd = np.array([int(name.split("/")[1]) % 2 for name in tracks])
        self.choose, self.judge = (data.validation.select(np.flatnonzero(odd == i)) for i in (0, 1))
        base = backbones.build(BACKBONE, SIZE)
        self.start, self.num_classes = base.get_weights(), data.num_classes
        self.features = features.extract(base, self.train)
        blocks = backbones.entry(BACKBONE).blocks
        factors = {
            layer.name: BLOCK_FACTOR ** (len(blocks) - depth)
            for layer in base.layers
            for depth, block in enumerate(blocks)
            if backbones.in_block(layer.name, block)
        }
        self.base, self.head = base, models.head(base.output_shape[1:], data.num_classes)
        self.head_alone = compiled(self.head, keras.optimizers.Adam())
        models.unfreeze_from(base, blocks[0])
        self.open = compiled(models.attach(base, self.head), keras.optimizers.Adam())
        smaller = compiled(models.attach(base, self.head), ByBlock(factors))
        self.networks = dict.fromkeys(WAYS, self.open) | {"early_smaller_steps": smaller}
        self.pixels = {
            "choose": self.choose.stored_pixels(SIZE).astype("float32"),
            "judge": self.judge.stored_pixels(SIZE).astype("float32"),
        }
        self.pixels["darker"] = DARKER * self.pixels["judge"]

    def accuracy(self, what, labels):
        """Give accuracy and predictions of the network as it is."""
        predicted = self.open.predict(self.pixels[what], batch_size=60, verbose=0).argmax(-1)
        return float((predicted == labels).mean()), predicted

    def run(self, way, seed, rate):
        """Train one way once; give numbers, and what it says of the judging pictures."""
        keras.utils.set_random_seed(seed)
        begin = models.head(self.base.output_shape[1:], self.num_classes)
        self.head.set_weights(begin.get_weights())
        self.base.set_weights(self.start)
        anew(self.head_alone.optimizer, 1e-3)
        x, y = self.features.values, self.features.labels
        self.head_alone.fit(x, y, BATCH, epochs=WAYS[way], verbose=0)
        numbers = {"head_accuracy": self.accuracy("judge", self.judge.labels)[0]}
        numbers["head_darker_accuracy"] = self.accuracy("darker", self.judge.labels)[0]
        model = self.networks[way]
        anew(model.optimizer, rate)
        stop = keras.callbacks.EarlyStopping(
            "val_loss", patience=PATIENCE, restore_best_weights=True
        )
        history = model.fit(
            self.train.batches(SIZE, BATCH, shuffle_seed=seed),
            validation_data=(self.pixels["choose"], self.choose.labels),
            validation_batch_size=60,
            epochs=EPOCHS,
            callbacks=[stop],
            verbose=0,
        ).history
        numbers["choosing_loss"] = float(min(history["val_loss"]))
        numbers["epochs"] = len(history["val_loss"])
        numbers["best_epoch"] = int(np.argmin(history["val_loss"])) + 1
        numbers["open_accuracy"], predicted = self.accuracy("judge", self.judge.labels)
        numbers["darker_accuracy"] = self.accuracy("darker", self.judge.labels)[0]
        return numbers, predicted


def anew(optimizer, rate):
    """Let an optimizer forget what it has seen."""
    for variable in optimizer.variables:
        variable.assign(np.zeros(variable.shape, variable.dtype))
    optimizer.learning_rate.assign(rate)


def keep(entry, numbers, headline, seed=SEEDS[0], predictions=None):
    """Merge numbers and predictions into an entry of the record."""
    old = results.load_stored(NAME).get(entry, {})
    about = {"lesson": entry, "profile": NAME, "headline": headline, "seed": seed}
    merged = {n: round(v, 6) if isinstance(v, float) else v for n, v in numbers.items()}
    about["numbers"] = old.get("numbers", {}) | merged
    about["predictions"] = old.get("predictions", {}) | (predictions or {})
    results.store({entry: about | results.provenance()}, NAME)


def had(entry):
    """Numbers of an entry so far."""
    return results.load_stored(NAME).get(entry, {}).get("numbers", {})


def tuned(course, way):
    """Give the rate whose runs with other seeds reached the lowest loss on the choosing half."""
    losses = dict.fromkeys(RATES, 0.0)
    for rate in RATES:
        for seed in TUNING_SEEDS:
            name = f"{way}_rate{rate:g}_seed{seed}_choosing_loss"
            if name not in had("tuning"):
                begun = time.perf_counter()
                numbers, _ = course.run(way, seed, rate)
                keep("tuning", {name: numbers["choosing_loss"]}, name, seed)
                took = time.perf_counter() - begun
                print(way, rate, seed, numbers, f"{took:.0f} s", flush=True)
            losses[rate] += had("tuning")[name]
    return min(losses, key=losses.get)


def main():
    """Tune, run all, compare; print and store."""
    course = Course()
    for ways in (list(WAYS)[:3], list(WAYS)[3:]):
        rates = {way: tuned(course, way) for way in ways}
        for seed in SEEDS:
            for way, rate in rates.items():
                if f"seed{seed}_open_accuracy" in had(way):
                    continue
                numbers, predicted = course.run(way, seed, rate)
                print(f"{way} seed {seed}: {numbers}", flush=True)
                numbers = {f"seed{seed}_{name}": value for name, value in numbers.items()}
                numbers |= {"rate": rate, "pictures": len(course.judge), "head_epochs": WAYS[way]}
                wrong = {f"seed{seed}": results._wrong(course.judge, predicted)}
                keep(way, numbers, f"seed{SEEDS[0]}_open_accuracy", predictions=wrong)
            compare(course)


def compare(course):
    """Compare two ways at a time, on the same pictures, over all seeds that both have run."""
    numbers = {}
    for first, second in PAIRS:
        both = [s for s in SEEDS if {f"seed{s}_open_accuracy"} <= had(first).keys() & had(second)]
        if not both:
            continue
        answers = (
            [results.recall_predictions(w, NAME, f"seed{s}", course.judge) for s in both]
            for w in (first, second)
        )
        labels = np.tile(course.judge.labels, len(both))
        tracks = np.tile(course.judge.tracks(), len(both))
        found = statistics.compare(labels, *map(np.concatenate, answers), tracks)
        gains = [
            had(second)[f"seed{s}_open_accuracy"] - had(first)[f"seed{s}_open_accuracy"]
            for s in both
        ]
        print(f"{first} → {second}, {len(both)} seeds: {found}")
        kept = {"difference": found.difference, "low": found.low, "high": found.high}
        kept |= {"p": found.p_value, "seeds": len(both), "better_in": sum(g > 0 for g in gains)}
        kept["spread"] = float(np.std(gains, ddof=1)) if len(both) > 1 else 0.0
        numbers |= {f"{second}_less_{first}_{name}": value for name, value in kept.items()}
    keep("compared", numbers, next(iter(numbers)))


if __name__ == "__main__":
    main()
