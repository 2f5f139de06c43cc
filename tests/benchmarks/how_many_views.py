"""How many cached views are enough? Against true augmentation, many seeds, two data sets.

Fine-tunes the upper blocks of EfficientNet-Lite0 on a few pictures with strong augmentation, end to
end, and then on 1, 2, 4 and 8 cached views: as many epochs, the same starts. Validation accuracy of
each run, and its difference from end to end on the same pictures, go to
notebooks/results/how_many_views.json. About a minute for each seed on one core; a seed is stored
when it ends, and one that is stored is not run again.

    python -m tests.benchmarks.how_many_views 5 drawn_pets cats_vs_dogs_full
"""

import sys

import numpy as np
from scipy.stats import t as student

from utils import backbones, datasets, features, models, results, statistics
from utils.base.framework import keras, layers

COUNTS = (1, 2, 4, 8)
WAYS = ("end_to_end", *(f"views_{count}" for count in COUNTS))
MARGIN = 0.02  # set beforehand: a smaller loss of accuracy would not keep anyone from using views
SETTINGS = {
    "BACKBONE": "efficientnet_lite0",
    "IMAGE_SIZE": 128,
    "FROM_BLOCK": "block9",
    "PER_CLASS": 100,
    "BATCH_SIZE": 20,
    "HEAD_EPOCHS": 30,
    "EPOCHS": 8,
    "LEARNING_RATE": 1e-4,
}


def strong_augmentation():
    """The book's: rotation 40 degrees, shift, shear and zoom 0.2, mirrored or not."""
    return keras.Sequential(
        [
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(40 / 360, fill_mode="nearest"),
            layers.RandomTranslation(0.2, 0.2, fill_mode="nearest"),
            layers.RandomShear(0.2, 0.2, fill_mode="nearest"),
            layers.RandomZoom(0.2, fill_mode="nearest"),
        ]
    )


def compiled(model, learning_rate, make=keras.optimizers.Adam):
    """Compile for two classes, with the optimizer's own variables made at once."""
    optimizer = make(learning_rate)
    model.compile(optimizer, models.LOSS, metrics=["accuracy"])
    optimizer.build(model.trainable_variables)
    return model


def restarted(model, seed):
    """The same compiled model as it was before its first step, its random numbers from the seed."""
    for variable in model.optimizer.variables:
        if "learning_rate" not in variable.path:
            variable.assign(np.zeros(variable.shape, variable.dtype))
    for variable in model.non_trainable_variables:
        if "seed" in variable.path:
            variable.assign([seed, 0])
    return model


class Runs:
    """Everything that is built and traced once for one data set."""

    def __init__(self, name):
        size, block, rate = (SETTINGS[k] for k in ("IMAGE_SIZE", "FROM_BLOCK", "LEARNING_RATE"))
        self.data = datasets.load(name)
        self.few = self.data.train.limit(SETTINGS["PER_CLASS"])
        self.augmentation = strong_augmentation()
        self.base = backbones.build(SETTINGS["BACKBONE"], size)
        self.trunk, top = models.split_at(self.base, block)
        self.start = self.base.get_weights()
        self.plain = features.extract(self.base, self.few)
        self.held = features.extract(self.trunk, self.data.validation)
        self.head = compiled(self.new_head(), 1e-3)
        models.unfreeze_from(self.base, block)
        self.cut = compiled(models.attach(top, self.head), rate)
        self.whole = compiled(models.attach(self.base, self.head, self.augmentation), rate)

    def new_head(self):
        """A head with new weights."""
        return models.head(self.base.output_shape[1:], 2, 256, 0.5)

    def one_seed(self, seed):
        """Way → predicted classes of the validation pictures, each way from the same start."""
        batch_size, epochs = SETTINGS["BATCH_SIZE"], SETTINGS["EPOCHS"]
        keras.utils.set_random_seed(seed)
        self.head.set_weights(self.new_head().get_weights())
        restarted(self.head, seed).fit(
            self.plain.values,
            self.plain.labels,
            epochs=SETTINGS["HEAD_EPOCHS"],
            batch_size=batch_size,
            verbose=0,
        )
        trained = self.head.get_weights()
        seen = features.views(self.trunk, self.few, self.augmentation, max(COUNTS), seed)
        found = {}
        for way, count in zip(WAYS, (0, *COUNTS), strict=True):
            self.base.set_weights(self.start)
            self.head.set_weights(trained)
            if count:
                shown = features.Views(seen.values[:count], seen.labels, True)
                learner, batches = self.cut, features.epochs(shown, batch_size, seed)
            else:
                size = SETTINGS["IMAGE_SIZE"]
                learner = self.whole
                batches = self.few.batches(size, batch_size, shuffle_seed=seed)
            restarted(learner, seed).fit(batches, epochs=epochs, verbose=0)
            said = self.cut.predict(self.held.values, batch_size=100, verbose=0)
            found[way] = said.argmax(-1)
        return found


def right(kept):
    """Of each picture, whether a kept prediction was right: integers (pictures,)."""
    answer = np.ones(kept["pictures"], int)
    answer[[int(pair.split(":")[0]) for pair in kept["wrong"].split()]] = 0
    return answer


def against_end_to_end(predictions, seeds):
    """Numbers of each count of views less end to end, over seeds × pictures.

    Args:
        predictions: "<way>_seed<seed>" → what is kept of a run.

    Returns:
        The mean difference, its interval for other pictures (these seeds), and its interval for
        other seeds (these pictures; Student's, which is right for few seeds).
    """
    numbers = {}
    answers = {way: np.array([right(predictions[f"{way}_seed{s}"]) for s in seeds]) for way in WAYS}
    n = answers[WAYS[0]].shape[1]
    pictures = np.tile(np.arange(n), len(seeds))
    for way in WAYS[1:]:
        pair = [answers[each].ravel() for each in (WAYS[0], way)]
        found = statistics.compare(np.ones(len(pictures), int), *pair, pictures)
        by_seed = (answers[way] - answers[WAYS[0]]).mean(axis=1)
        reach = student.ppf(0.975, len(seeds) - 1) * by_seed.std(ddof=1) / np.sqrt(len(seeds))
        numbers |= {f"{way}_difference": found.difference}
        numbers |= {f"{way}_low": found.low, f"{way}_high": found.high}
        numbers |= {f"{way}_seeds_low": found.difference - reach}
        numbers |= {f"{way}_seeds_high": found.difference + reach}
        print(f"{way} less end to end: {found}; other seeds ± {reach:.3f}", flush=True)
    return {name: round(float(value), 6) for name, value in numbers.items()}


def limits():
    """The settings that are numbers, in the record's own words."""
    return {k.lower(): v for k, v in SETTINGS.items() if isinstance(v, int)}


def measure(name, count):
    """Run the seeds that the record has not, and store after each."""
    entry = results.load_stored("how_many_views").get(name, {})
    kept, runs = dict(entry.get("predictions", {})), None
    for seed in range(1, count + 1):
        if f"{WAYS[-1]}_seed{seed}" in kept:
            continue
        runs = runs or Runs(name)
        for way, predicted in runs.one_seed(seed).items():
            kept[f"{way}_seed{seed}"] = results._wrong(runs.data.validation, predicted)
            accuracy = float(right(kept[f"{way}_seed{seed}"]).mean())
            print(f"{name}, seed {seed}, {way:<10} {accuracy:.3f}", flush=True)
        store(name, kept, range(1, seed + 1))


def store(name, kept, seeds):
    """Write the record of one data set anew."""
    accuracies = {
        f"{run}_accuracy": round(float(right(one).mean()), 6) for run, one in kept.items()
    }
    pictures = next(iter(kept.values()))["pictures"]
    numbers = {"validation_pictures": pictures, "seeds": len(seeds), "margin": MARGIN, **limits()}
    numbers |= accuracies | (against_end_to_end(kept, seeds) if len(seeds) > 1 else {})
    entry = {
        "lesson": "how_many_views",
        "profile": name,
        "headline": "end_to_end_seed1_accuracy",
        "seed": 1,
        "numbers": numbers,
        "predictions": kept,
        **results.provenance(),
    }
    results.store({name: entry}, "how_many_views")


if __name__ == "__main__":
    count, *names = sys.argv[1:] or ["5"]
    for each in names or ["drawn_pets", "cats_vs_dogs_full"]:
        measure(each, int(count))
