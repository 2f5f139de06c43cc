"""How many cached views are enough? Against true augmentation, three seeds, two data sets.

Fine-tunes the upper blocks of EfficientNet-Lite0 on a few pictures with strong augmentation, end to
end, and then on 1, 2, 4 and 8 cached views: as many epochs, the same starts. Writes validation
accuracy to notebooks/results/how_many_views.json. About ten minutes for each data set.

    python -m tests.benchmarks.how_many_views drawn_pets cats_vs_dogs
"""

import sys

import numpy as np

from utils import backbones, datasets, features, models, results, statistics
from utils.base.framework import keras, layers

SEEDS = (1, 2, 3)
COUNTS = (1, 2, 4, 8)
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


def trained_head(base, found, seed):
    """Step 3 of fine-tuning: a head on plain features."""
    keras.utils.set_random_seed(seed)
    head = models.head(base.output_shape[1:], 2, 256, 0.5)
    compiled(head, 1e-3)
    batch_size, epochs = SETTINGS["BATCH_SIZE"], SETTINGS["HEAD_EPOCHS"]
    head.fit(found.values, found.labels, batch_size=batch_size, epochs=epochs, verbose=0)
    return head


def measure(name):
    """Validation accuracy of all ways and seeds on one data set."""
    size, block = SETTINGS["IMAGE_SIZE"], SETTINGS["FROM_BLOCK"]
    batch_size, epochs = SETTINGS["BATCH_SIZE"], SETTINGS["EPOCHS"]
    data = datasets.load(name)
    few, augmentation = data.train.limit(SETTINGS["PER_CLASS"]), strong_augmentation()
    base = backbones.build(SETTINGS["BACKBONE"], size)
    trunk, top = models.split_at(base, block)
    start = base.get_weights()
    plain = features.extract(base, few)
    held = features.extract(trunk, data.validation)
    numbers = {"validation_pictures": len(held.labels), "train_images": len(few), **limits()}
    for seed in SEEDS:
        seen = features.views(trunk, few, augmentation, max(COUNTS), seed)
        for count in (0, *COUNTS):
            base.set_weights(start)
            head = trained_head(base, plain, seed)
            models.unfreeze_from(base, block)
            judge = models.attach(top, head)
            if count:
                learner = compiled(judge, SETTINGS["LEARNING_RATE"])
                shown = features.Views(seen.values[:count], seen.labels, True)
                batches = features.epochs(shown, batch_size, seed)
            else:
                whole = models.attach(base, head, augmentation)
                learner = compiled(whole, SETTINGS["LEARNING_RATE"])
                batches = few.batches(size, batch_size, shuffle_seed=seed)
            learner.fit(batches, epochs=epochs, verbose=0)
            said = judge.predict(held.values, batch_size=100, verbose=0)
            accuracy = float(np.mean(said.argmax(-1) == held.labels))
            way = f"views_{count}" if count else "end_to_end"
            numbers[f"{way}_seed{seed}_accuracy"] = round(accuracy, 6)
            text = statistics.with_interval(accuracy, len(held.labels))
            print(f"{name}, seed {seed}, {way:<10} {text}", flush=True)
    return numbers


def limits():
    """The settings that are numbers, in the record's own words."""
    return {k.lower(): v for k, v in SETTINGS.items() if isinstance(v, int)}


def main(names):
    """Measure each data set, and store."""
    for name in names:
        entry = {
            "lesson": "how_many_views",
            "profile": name,
            "headline": "end_to_end_seed1_accuracy",
            "seed": SEEDS[0],
            "numbers": measure(name),
            **results.provenance(),
        }
        results.store({name: entry}, "how_many_views")


if __name__ == "__main__":
    main(sys.argv[1:] or ["drawn_pets"])
