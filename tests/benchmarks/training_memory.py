"""Memory and time of an update: base frozen, batch normalisation trained, everything open.

Each row is a process of its own, which makes a two updates on pictures of noise with
EfficientNet-Lite0 at 128 pixels. Then, on drawn signs, what a larger batch buys a head on a frozen
base: batches of 32 and of 256, the same passes, each at the rate that suited it on another seed,
ten seeds. Stores all in notebooks/results. About four minutes of one core.

    python -m tests.benchmarks.training_memory
"""

import json
import subprocess
import sys
import time

import numpy as np

NAME, SIZE, UPDATES = "training_memory", 128, 2
WAYS, BATCHES = ("frozen", "batch_norm", "open"), (32, 128)
SEEDS, TUNING_SEED, EPOCHS = range(1, 11), 101, 20
HEAD_BATCHES, RATES = (32, 256), (1e-3, 3e-3, 1e-2)


def one(way: str, batch: int) -> dict:
    """Make a few updates; give peak memory above what was there before, and time of a picture."""
    from utils import backbones, checks, models
    from utils.base.framework import keras

    base = backbones.build("efficientnet_lite0", SIZE)
    if way == "batch_norm":
        base = models.batch_norm(base, "updated", learn=True)
    elif way == "open":
        models.unfreeze_from(base, "stem")
    else:
        base.trainable = False
    model = models.attach(base, models.head(base.output_shape[1:], 50))
    model.compile(keras.optimizers.Adam(), models.LOSS)
    model.optimizer.build(model.trainable_variables)
    draw = np.random.default_rng(0)
    pictures = draw.uniform(0, 255, (UPDATES * batch, SIZE, SIZE, 3)).astype("float32")
    labels = draw.integers(50, size=len(pictures))
    with checks.peak_memory() as peak:
        model.fit(pictures, labels, batch, verbose=0)
    begun = time.perf_counter()
    model.fit(pictures, labels, batch, verbose=0)
    per_picture = (time.perf_counter() - begun) / len(pictures)
    return {"mb": round(peak.added), "ms_a_picture": round(1000 * per_picture, 2)}


def heads() -> dict:
    """Train heads on a frozen base's features with small and with large batches."""
    from utils import backbones, datasets, features, models
    from utils.base.framework import keras

    data = datasets.load("drawn_signs")
    base = backbones.build("efficientnet_lite0", 64)
    kept = [features.extract(base, split) for split in (data.train, data.validation)]
    (x, y), (x_val, y_val) = ((f.values.mean((1, 2)), f.labels) for f in kept)

    def run(batch, rate, seed):
        keras.utils.set_random_seed(seed)
        dense = keras.layers.Dense(data.num_classes, activation="softmax")
        model = keras.Sequential([keras.Input(x.shape[1:]), dense])
        model.compile(keras.optimizers.Adam(rate), models.LOSS, metrics=["accuracy"])
        begun = time.perf_counter()
        model.fit(x, y, batch, epochs=EPOCHS, verbose=0)
        seconds = time.perf_counter() - begun
        loss, accuracy = model.evaluate(x_val, y_val, verbose=0)
        return loss, round(float(accuracy), 6), round(seconds, 1)

    numbers = {"validation_pictures": len(y_val)}
    for batch in HEAD_BATCHES:
        rate = min(RATES, key=lambda rate: run(batch, rate, TUNING_SEED)[0])
        numbers[f"batch{batch}_rate"] = rate
        for seed in SEEDS:
            _, accuracy, seconds = run(batch, rate, seed)
            numbers[f"batch{batch}_seed{seed}_accuracy"] = accuracy
            numbers[f"batch{batch}_seed{seed}_seconds"] = seconds
    return numbers


def main():
    """Run what is missing; print and store."""
    from utils import results

    def store(entry, numbers, headline):
        about = {"lesson": entry, "profile": NAME, "headline": headline, "seed": 1}
        results.store({entry: about | {"numbers": numbers, **results.provenance()}}, NAME)
        print(entry, numbers, flush=True)

    for way in WAYS:
        entry = results.load_stored(NAME).get(way, {"numbers": {}})["numbers"]
        for batch in BATCHES:
            if f"batch{batch}_mb" not in entry:
                arguments = [sys.executable, "-m", "tests.benchmarks.training_memory", way]
                said = subprocess.check_output([*arguments, str(batch)], text=True)
                found = json.loads(said.splitlines()[-1])
                entry |= {f"batch{batch}_{name}": value for name, value in found.items()}
                store(way, entry, f"batch{BATCHES[0]}_mb")
    if "heads" not in results.load_stored(NAME):
        store("heads", heads(), "batch32_seed1_accuracy")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(one(sys.argv[1], int(sys.argv[2]))))
    else:
        main()
