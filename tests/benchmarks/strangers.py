"""What lesson 21's classifier of drawn pets says of photographs, which it has never seen.

Takes the folder that the lesson leaves in `data/shipped/drawn`, photographs of cats and dogs, and
flowers. A picture is refused by its distance to the training pictures, or by a low probability,
whose threshold refuses as many of the validation drawings. Writes notebooks/results/strangers.json.
Half a minute.

    python -m tests.benchmarks.strangers
"""

import json

import numpy as np

from utils import datasets, results, statistics
from utils.base.folders import data_dir
from utils.base.framework import keras

SHARE = 0.05  # of the validation drawings that either rule refuses, as in the lesson
EACH = 250  # photographs of a class; of flowers 50


def main():
    """Ask, compare, print and store."""
    folder = data_dir() / "shipped" / "drawn"
    settings = json.loads((folder / "settings.json").read_text("utf-8"))
    model = keras.models.load_model(folder / "model.keras")
    both = keras.Model(model.input, [model.get_layer("pooled").output, model.output])
    known = np.load(folder / "known.npz")["features"]

    def ask(split):
        pixels = split.pixels(settings["image_size"]).astype("float32")
        values, probabilities = both.predict(pixels, verbose=0)
        alike = values / np.linalg.norm(values, axis=1, keepdims=True) @ known.T
        nearest = np.sort(alike, axis=1)[:, -settings["neighbours"] :]
        return 1 - nearest.mean(axis=1), probabilities

    drawings = ask(datasets.load("drawn_pets").validation)[1]
    least = np.quantile(drawings.max(axis=1), SHARE, method="lower")
    numbers = {"drawings_refused_by_probability_share": (drawings.max(1) < least).mean()}
    photographs = datasets.load("cats_vs_dogs_full").validation.limit(EACH)
    for name, split in {
        "photographs": photographs,
        "flowers": datasets.load("flowers").test.limit(EACH // 5),
    }.items():
        distances, probabilities = ask(split)
        far, unsure = distances > settings["threshold"], probabilities.max(1) < least
        rules = statistics.compare(np.ones(len(split)), unsure, far)
        print(f"{name}, by probability → by distance: {rules}", flush=True)
        numbers[f"{name}_pictures"] = len(split)
        numbers[f"{name}_refused_share"] = far.mean()
        numbers[f"{name}_refused_by_probability_share"] = unsure.mean()
        numbers[f"{name}_probability_to_distance_low"] = rules.low
        if split is photographs:  # cats and dogs, in the order of the drawn ones
            answers = probabilities.argmax(axis=1)
            numbers[f"{name}_accuracy"] = (answers == split.labels).mean()
    entry = {
        "lesson": "strangers",
        "profile": "strangers",
        "headline": "photographs_refused_share",
        "seed": 1,
        "numbers": {k: v if isinstance(v, int) else round(float(v), 6) for k, v in numbers.items()},
        "predictions": {"photographs": results._wrong(photographs, answers)},
        **results.provenance(),
    }
    results.store({"strangers": entry}, "strangers")
    print(json.dumps(entry["numbers"], indent=1))


if __name__ == "__main__":
    main()
