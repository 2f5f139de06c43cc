"""The hand-off of lesson 11, ten seeds: what each fault does, with batch normalisation and without.

For each fault a head is trained on cached features and attached to its base: loss and accuracy on
the validation pictures before any step (attached), the mean loss that `fit` reports for the first
eight updates (first), loss and accuracy after one epoch (after). Beside it a new head is trained
end to end on the frozen base, from the start, under the same conditions (end_to_end).
EfficientNet-Lite0 at 96 pixels on 500 drawn pets; VGG16 at 150 pixels on photographs, if both are
on this machine.

Where a base is frozen in inference mode, its features are those in the cache, as the lesson checks;
only the two ways of batch statistics run the base for every step. "New optimizer" asks whether a
new Adam at the same rate is as good as the one kept; it counts as equal if the paired interval of
the accuracy after an epoch, all seeds together and pictures drawn as groups, stays within ±0.01.
That margin was set before the first run. The entry "tail" counts what a shift by the dropped tail
spoils.

A quarter of an hour of one core; a run that was stopped goes on with the next seed.

    python -m tests.benchmarks.handoff
"""

import itertools

import numpy as np

from utils import backbones, datasets, features, models, results, statistics
from utils.base.folders import data_dir
from utils.base.framework import keras
from utils.running import profiles

SEEDS = range(1, 11)
PAIRED = ("as_it_should_be", "new_optimizer", "dropped_tail")  # whose predictions are kept
MARGIN = 0.01
PER_CLASS = 250  # drawn pets of each class in each split
EPOCHS = 3  # end to end
SLOW = 1e-5  # a rate that was usual for fine-tuning


class Rig:
    """A model that is compiled once, and gets new weights and a new optimizer for each run."""

    def __init__(self, model):
        self.model = model
        self.start = model.get_weights()
        model.compile(keras.optimizers.Adam(), models.LOSS)
        model.optimizer.build(model.trainable_variables)

    def reset(self, head, rate, state=None):
        """Set a head's kernel and bias, the rate, and the optimizer's state (None: a new one)."""
        self.model.set_weights([*self.start[:-2], *head])
        for place, variable in enumerate(self.model.optimizer.variables):
            variable.assign(np.zeros(variable.shape) if state is None else state[place])
        self.model.optimizer.learning_rate = rate

    def state(self):
        """Give the optimizer's variables."""
        return [variable.numpy() for variable in self.model.optimizer.variables]

    def fit(self, values, labels, epochs, draw, size):
        """Train; gives the mean loss of the first eight updates."""
        means = []
        seen = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda step, logs: means.append(logs["loss"])
        )
        for _ in range(epochs):
            order = draw.permutation(len(labels))
            options = {"batch_size": size, "shuffle": False, "verbose": 0, "callbacks": [seen]}
            self.model.fit(values[order], labels[order], **options)
        return float(means[:8][-1])

    def look(self, values, labels):
        """Give loss, accuracy and predictions."""
        probabilities = self.model.predict(values, verbose=0, batch_size=64)
        loss = keras.losses.sparse_categorical_crossentropy(labels, probabilities)
        predicted = probabilities.argmax(axis=1)
        return float(np.mean(loss)), float(np.mean(predicted == labels)), predicted


def new_head(channels, classes, seed):
    """Give a head's kernel and bias, as Keras starts them."""
    keras.utils.set_random_seed(seed)
    limit = np.sqrt(6 / (channels + classes))
    kernel = np.random.default_rng(seed).uniform(-limit, limit, (channels, classes))
    return [kernel.astype("float32"), np.zeros(classes, "float32")]


def pooled(base, split):
    """Give what a base says of a split, averaged over places: (pictures, channels)."""
    values = features.extract(base, split).values
    return np.stack([np.mean(one, axis=(0, 1)) for one in values])


def prepare(name, size, data):
    """Build what all seeds share."""
    own, unit = (backbones.build(name, size, how) for how in ("own", "unit"))
    found = {
        (how, split.name): pooled(base, split)
        for how, base in (("own", own), ("unit", unit))
        for split in (data.train, data.validation)
    }
    channels = own.output_shape[-1]
    layers = [keras.Input((channels,)), keras.layers.Dense(data.num_classes, "softmax")]
    rigs = {"cached": Rig(keras.Sequential(layers))}
    if any(isinstance(layer, keras.layers.BatchNormalization) for layer in own.layers):
        for way in ("updated", "batch"):
            base = models.batch_norm(backbones.build(name, size), way)
            rigs[way] = Rig(
                models.attach(base, models.head(base.output_shape[1:], data.num_classes))
            )
        found["pixels", "train"] = data.train.pixels(size).astype("float32")
        found["pixels", "validation"] = data.validation.pixels(size).astype("float32")
    return rigs, found


def faults(rate, high):
    """Name each fault: what its head learns from, what the joined model sees, how it learns."""
    return {  # name: cache, its order, rig, inputs after the hand-off, rate, optimizer kept
        "as_it_should_be": ("own", "right", "cached", "own", rate, True),
        "new_optimizer": ("own", "right", "cached", "own", rate, False),
        "batch_statistics": ("own", "right", "updated", "pixels", rate, True),
        "batch_statistics_averages_kept": ("own", "right", "batch", "pixels", rate, True),
        "divided_while_extracting": ("unit", "right", "cached", "own", rate, True),
        "divided_both_times": ("unit", "right", "cached", "unit", rate, True),
        "shuffled_features": ("own", "shuffled", "cached", "own", rate, True),
        "dropped_tail": ("own", "shifted", "cached", "own", rate, True),
        "high_rate": ("own", "right", "cached", "own", high, True),
        "high_rate_new_optimizer": ("own", "right", "cached", "own", high, False),
        "divided_while_extracting_slow": ("unit", "right", "cached", "own", SLOW, False),
        "shuffled_features_slow": ("own", "shuffled", "cached", "own", SLOW, False),
    }


def one_seed(seed, rigs, found, data, settings):
    """Run every fault once; gives numbers and, for some, predictions after an epoch."""
    size, rate = settings["BATCH_SIZE"], settings["LEARNING_RATE"]
    labels, held = data.train.labels, data.validation.labels
    tail = len(labels) % size or size
    kept, channels = len(labels) - tail, found["own", "train"].shape[1]
    orders = {
        "right": np.arange(len(labels)),
        "shuffled": np.random.default_rng(seed).permutation(len(labels)),
        "shifted": np.roll(np.arange(len(labels)), tail)[:kept],
    }
    cached, heads, numbers, after = rigs["cached"], {}, {}, {}
    table = faults(rate, settings["HIGH_LEARNING_RATE"])
    for how, order in dict.fromkeys(row[:2] for row in table.values()):
        values = found[how, "train"][orders[order]]
        own = labels[: len(values)]
        cached.reset(new_head(channels, data.num_classes, seed), rate)
        cached.fit(values, own, settings["HEAD_EPOCHS"], np.random.default_rng(seed), size)
        heads[how, order] = cached.model.get_weights(), cached.state(), cached.look(values, own)[0]
        loss, accuracy, _ = cached.look(found[how, "validation"], held)
        numbers[f"{how}_{order}_cached_accuracy"] = accuracy
        numbers[f"{how}_{order}_cached_loss"] = loss
    for name, (how, order, rig, inputs, speed, keeps) in table.items():
        batch_statistics = rig != "cached"
        if batch_statistics and rig not in rigs:  # without such layers nothing differs
            rig, inputs = "cached", "own"
        rig, draw = rigs[rig], np.random.default_rng(seed)
        train, validation = found[inputs, "train"], found[inputs, "validation"]
        head, state, seen = heads[how, order]
        rig.reset(head, speed, state if keeps else None)
        one = {}
        one["attached_loss"], one["attached_accuracy"], _ = rig.look(validation, held)
        one["cached_training_loss"] = seen
        one["first_loss"] = rig.fit(train, labels, 1, draw, size)
        one["after_loss"], one["after_accuracy"], after[name] = rig.look(validation, held)
        rig.reset(new_head(channels, data.num_classes, seed), speed)
        rig.fit(train, labels, EPOCHS, draw, size)
        one["end_to_end_loss"], one["end_to_end_accuracy"], _ = rig.look(validation, held)
        numbers |= {f"{name}_{what}": value for what, value in one.items()}
        told = (
            "attached {attached_loss:.2f} {attached_accuracy:.3f}  first {first_loss:.2f}  after "
        )
        told += "{after_loss:.2f} {after_accuracy:.3f}  end to end {end_to_end_accuracy:.3f}"
        print(f"seed {seed} {name:<32}", told.format(**one), flush=True)
    return numbers, {name: after[name] for name in PAIRED}


def compact(predicted, split):
    """Keep predictions as `results.record` does."""
    wrong = np.flatnonzero(predicted != split.labels)
    answers = " ".join(f"{i}:{predicted[i]}" for i in wrong)
    return {"pictures": len(split), "of": split.key("predictions"), "wrong": answers}


def widened(kept, split):
    """Give predictions back, (pictures,)."""
    predicted = split.labels.copy()
    for place, answer in (pair.split(":") for pair in kept["wrong"].split()):
        predicted[int(place)] = int(answer)
    return predicted


def paired(answers, split):
    """Compare the kept predictions with those as they should be: all seeds, pictures as groups."""
    found, seeds = {}, sorted({int(name.split("seed")[1]) for name in answers})
    labels, pictures = np.tile(split.labels, len(seeds)), np.tile(np.arange(len(split)), len(seeds))
    together = {
        name: np.concatenate([widened(answers[f"{name}_seed{seed}"], split) for seed in seeds])
        for name in PAIRED
    }
    for name in PAIRED[1:]:
        one = statistics.compare(labels, together[PAIRED[0]], together[name], pictures)
        print(f"{name}: {one}")
        found |= {f"{name}_difference": one.difference, f"{name}_low": one.low}
        found |= {f"{name}_high": one.high, f"{name}_within_margin": int(one.within(MARGIN))}
    return found


def keep(name, about, numbers, answers):
    """Store an entry of the record."""
    rounded = {n: round(v, 6) if isinstance(v, float) else v for n, v in numbers.items()}
    about |= {"lesson": "11_the_handoff", "headline": next(iter(numbers)), "seed": SEEDS[0]}
    entry = {**about, "numbers": rounded, "predictions": answers, **results.provenance()}
    results.store({name: entry}, "handoff")


def measure(name, dataset, per_class, backbone, size, settings):
    """Run all seeds of one base that are not in the record, and store after each."""
    stored = results.load_stored("handoff").get(name, {})
    numbers, answers = stored.get("numbers", {}), stored.get("predictions", {})
    missing = [
        seed for seed in SEEDS if f"seed{seed}_as_it_should_be_after_accuracy" not in numbers
    ]
    if not missing:
        return
    data = datasets.load(dataset, per_class)
    rigs, found = prepare(backbone, size, data)
    about = {"profile": dataset, "backbone": backbone, "image_size": size}
    numbers |= {"validation_pictures": len(data.validation), "margin": MARGIN}
    numbers |= {"train_pictures": len(data.train), "end_to_end_epochs": EPOCHS, "slow_rate": SLOW}
    for seed in missing:
        new, predictions = one_seed(seed, rigs, found, data, settings)
        numbers |= {f"seed{seed}_{what}": value for what, value in new.items()}
        answers |= {f"{n}_seed{seed}": compact(p, data.validation) for n, p in predictions.items()}
        keep(name, about, numbers | paired(answers, data.validation), answers)


def tail(settings):
    """Count the labels that a shift by the tail spoils, and what the head then knows."""
    numbers, size = {}, settings["BATCH_SIZE"]
    for name, dataset, side, per_class in [
        ("few_classes", settings["DATASET"], settings["IMAGE_SIZE"], 0),
        ("many_classes", "drawn_signs", 64, 21),
    ]:
        data = datasets.load(dataset, per_class)
        base = backbones.build(settings["BACKBONE"], side)
        labels, shift = data.train.labels, len(data.train) % size or size
        kept = len(labels) - shift
        train, held = pooled(base, data.train), pooled(base, data.validation)
        shifted = np.roll(np.arange(len(labels)), shift)[:kept]
        layers = [keras.Input((train.shape[1],)), keras.layers.Dense(data.num_classes, "softmax")]
        rig = Rig(keras.Sequential(layers))
        numbers[f"{name}_classes"], numbers[f"{name}_pictures"] = data.num_classes, len(labels)
        numbers[f"{name}_tail"] = shift
        numbers[f"{name}_spoiled_share"] = float(np.mean(labels[shifted] != labels[:kept]))
        for seed, (way, order) in itertools.product(
            SEEDS, {"right": np.arange(kept), "shifted": shifted}.items()
        ):
            rig.reset(new_head(train.shape[1], data.num_classes, seed), settings["LEARNING_RATE"])
            draw = np.random.default_rng(seed)
            rig.fit(train[order], labels[:kept], settings["HEAD_EPOCHS"], draw, size)
            accuracy = rig.look(held, data.validation.labels)[1]
            numbers[f"seed{seed}_{name}_{way}_accuracy"] = accuracy
    print({what: value for what, value in numbers.items() if "seed" not in what})
    keep("tail", {"profile": "drawn"}, numbers, {})


def main():
    """Run what is missing, and store it."""
    settings = profiles.default_parameters("11_the_handoff")
    if "tail" not in results.load_stored("handoff"):
        tail(settings)
    pets, size = settings["DATASET"], settings["IMAGE_SIZE"]
    measure("lite0", pets, PER_CLASS, settings["BACKBONE"], size, settings)
    here = (data_dir() / "cats_vs_dogs_full").is_dir()
    if here and backbones.available_offline("vgg16"):
        measure("vgg16", "cats_vs_dogs_full", 0, "vgg16", 150, settings)


if __name__ == "__main__":
    main()
