"""When to open the whole network, and how fast: three seeds of lesson 14's comparison.

Trains a head on cached features for no epoch, a few, or many; then opens everything. Runs on drawn
signs, writes the validation accuracy of each run to notebooks/results. About ten minutes.

    python -m tests.benchmarks.when_to_open
"""

import numpy as np

from utils import backbones, datasets, features, models, results
from utils.base.framework import keras
from utils.running import profiles

SEEDS = (1, 2, 3)


def open_after(epochs, seed, data, settings):
    """Give validation accuracy of the head alone, and of the best epoch with everything open."""
    size, loss = settings["IMAGE_SIZE"], models.LOSS
    base = backbones.build(settings["BACKBONE"], size)
    found, held = (features.extract(base, split) for split in (data.train, data.validation))
    keras.utils.set_random_seed(seed)
    head = models.head(base.output_shape[1:], data.num_classes)
    head.compile(keras.optimizers.Adam(settings["LEARNING_RATE"]), loss, metrics=["accuracy"])
    batch_size = settings["BATCH_SIZE"]
    head.fit(found.values, found.labels, epochs=epochs, batch_size=batch_size, verbose=0)
    before = head.evaluate(held.values, held.labels, verbose=0)[1]
    models.unfreeze_from(base, backbones.entry(settings["BACKBONE"]).blocks[0])
    opened = models.attach(base, head)
    opened.compile(
        keras.optimizers.Adam(settings["OPEN_LEARNING_RATE"]), loss, metrics=["accuracy"]
    )
    history = opened.fit(
        data.train.batches(size, settings["OPEN_BATCH_SIZE"], shuffle_seed=seed),
        validation_data=data.validation.batches(size, batch_size),
        epochs=settings["EPOCHS"],
        verbose=0,
    ).history
    return float(before), float(history["val_accuracy"][int(np.argmin(history["val_loss"]))])


def main():
    """Run all, print and store."""
    settings = profiles.default_parameters("14_open_everything")
    data = datasets.load(settings["DATASET"])
    numbers = {"validation_pictures": len(data.validation)}
    ways = {
        "at_once": 0,
        "early": settings["EARLY_EPOCHS"],
        "late": settings["LATE_EPOCHS"],
    }
    for name, epochs in ways.items():
        for seed in SEEDS:
            before, after = open_after(epochs, seed, data, settings)
            numbers[f"{name}_seed{seed}_head_accuracy"] = round(before, 6)
            numbers[f"{name}_seed{seed}_open_accuracy"] = round(after, 6)
            print(f"{name:<8} seed {seed}: head {before:.3f}, open {after:.3f}", flush=True)
    entry = {
        "lesson": "when_to_open",
        "profile": "drawn_signs",
        "headline": "early_seed1_open_accuracy",
        "seed": SEEDS[0],
        "numbers": numbers,
        **results.provenance(),
    }
    results.store({"when_to_open": entry}, "when_to_open")


if __name__ == "__main__":
    main()
