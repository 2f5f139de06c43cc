"""How much of a network to open for pictures far from ImageNet: lesson 10's depths, ten seeds.

On drawn signs at their own 64 pixels, with all 960 training pictures: a last layer trained on
frozen features, then the network opened from block14, block9, block5, or altogether, each starting
from ImageNet's weights and that last layer, for four epochs as in the lesson. The control is the
last layer alone for the same four epochs more. Of the validation tracks half choose a depth, seed
by seed, and the other half judge it. What is done is stored after each seed, and a later run goes
on from there. About a minute and a half a seed on one core.

    python -m tests.benchmarks.depths [number of seeds]
"""

import sys
import time

import numpy as np

from tests.benchmarks.size_and_similarity import packed, unpacked
from utils import backbones, datasets, features, models, results, statistics
from utils.base.framework import keras, tf
from utils.running import profiles

RECORD, SIDE = "depths", 64
DEPTHS = ("last", "block14", "block9", "block5", "stem")  # "stem": everything learns


def halves(split):
    """Give where the choosing and the judging pictures stand: every second track of each class."""
    tracks = split.tracks()
    number = {track: i for i, track in enumerate(sorted(set(tracks)))}
    odd = np.array([number[track] % 2 == 1 for track in tracks])
    return ~odd, odd


def prepared(depth, base, data, settings):
    """Give a compiled model of what learns at this depth, and the two splits as it takes them."""
    if depth == "last":
        inputs = keras.Input(base.output_shape[1:])
        below, top = base, keras.Model(inputs, keras.layers.Identity()(inputs))
    else:
        models.unfreeze_from(base, depth)
        below, top = models.split_at(base, depth)
    found = {s.name: features.extract(below, s).values for s in (data.train, data.validation)}
    pooled = keras.layers.GlobalAveragePooling2D()(top.outputs[0])
    softmax = keras.layers.Dense(data.num_classes, activation="softmax")
    model = keras.Model(top.inputs, softmax(pooled))
    updates = settings["FAR_EPOCHS"] * -(-len(data.train) // settings["BATCH_SIZE"])
    falling = keras.optimizers.schedules.CosineDecay(settings["FAR_LEARNING_RATE"], updates)
    model.compile(keras.optimizers.Adam(falling), models.LOSS)
    return model, {name: np.asarray(values) for name, values in found.items()}


def last_layer(seed, base, data, settings):
    """Train the last layer alone as the lesson does, for 50 epochs; give its kernel and bias."""
    keras.utils.set_random_seed(seed)
    values = features.extract(base, data.train).values.mean((1, 2))
    softmax = keras.layers.Dense(data.num_classes, activation="softmax")
    model = keras.Sequential([keras.Input(values.shape[1:]), softmax])
    model.compile("adam", models.LOSS)
    model.fit(values, data.train.labels, epochs=50, batch_size=settings["BATCH_SIZE"], verbose=0)
    return softmax.get_weights()


def answers(model, held, truth):
    """Say who is right, bool (pictures,)."""
    return model.predict(held, verbose=0).argmax(1) == truth


def summary(right, split):
    """Give each run on the judging half, the depth that each seed chooses, and paired differences.

    Differences are from each depth to the next, over all seeds, by track.
    """
    choosing, judging = halves(split)
    runs = {key: unpacked(letters, len(split)) for key, letters in right.items()}
    seeds = sorted({int(key.split("_seed")[1]) for key in runs})
    numbers = {"seeds": len(seeds), "judging_pictures": int(judging.sum())}
    numbers["judging_tracks"] = len(set(split.tracks()[judging]))
    for key, one in runs.items():
        numbers[f"{key}_accuracy"] = round(float(one[judging].mean()), 6)
    for depth in DEPTHS:
        numbers[f"{depth}_chosen"] = 0
    for seed in seeds:
        best = max(DEPTHS, key=lambda depth: runs[f"{depth}_seed{seed}"][choosing].mean())
        numbers[f"{best}_chosen"] += 1
        for half, name in ((choosing, "choosing"), (judging, "judging")):
            one = runs[f"{best}_seed{seed}"][half].mean()
            numbers[f"best_{name}_seed{seed}_accuracy"] = round(float(one), 6)
    groups = np.tile(split.tracks()[judging], len(seeds))
    together = {
        depth: np.concatenate([runs[f"{depth}_seed{seed}"][judging] for seed in seeds])
        for depth in ("before", *DEPTHS)
    }
    truth = np.ones(len(groups), bool)
    for first, second in zip(("before", *DEPTHS), DEPTHS, strict=False):
        one = statistics.compare(truth, together[first], together[second], groups)
        about = {"difference": one.difference, "low": one.low, "high": one.high, "p": one.p_value}
        for what, value in about.items():
            numbers[f"{first}_to_{second}_{what}"] = round(value, 6)
    return numbers


def main():
    """Run the seeds that are missing; print and store."""
    seeds = range(1, 1 + int(sys.argv[1] if len(sys.argv) > 1 else 10))
    settings = profiles.default_parameters("10_finetune_and_fit")
    data = datasets.load(settings["FAR_DATASET"])
    labels, truth = data.train.labels, data.validation.labels
    base = backbones.build(settings["BACKBONE"], SIDE)
    first = base.get_weights()
    ways = {depth: prepared(depth, base, data, settings) for depth in DEPTHS}
    right = results.load_stored(RECORD).get(RECORD, {"right": {}})["right"]
    for seed in seeds:
        if f"{DEPTHS[-1]}_seed{seed}" in right:
            continue
        base.set_weights(first)
        begun, dense = time.perf_counter(), last_layer(seed, base, data, settings)
        rng = np.random.default_rng(seed)
        epochs = range(settings["FAR_EPOCHS"])
        order = [rng.permutation(len(labels)) for _ in epochs]  # the same at every depth
        for depth, (model, found) in ways.items():
            base.set_weights(first)
            model.layers[-1].set_weights(dense)
            if depth == "last":
                before = answers(model, found["validation"], truth)
                right[f"before_seed{seed}"] = packed(before)
            if model.optimizer.built:
                for variable in model.optimizer.variables:
                    variable.assign(tf.zeros_like(variable))
            for places in order:
                x, y = found["train"][places], labels[places]
                model.fit(x, y, batch_size=settings["BATCH_SIZE"], shuffle=False, verbose=0)
            right[f"{depth}_seed{seed}"] = packed(answers(model, found["validation"], truth))
        numbers = summary(right, data.validation)
        about = {"lesson": RECORD, "profile": RECORD, "headline": "seeds", "seed": 1}
        entry = {**about, "numbers": numbers, "right": right, **results.provenance()}
        results.store({RECORD: entry}, RECORD)
        shown = [f"{d} {numbers[f'{d}_seed{seed}_accuracy']:.3f}" for d in ("before", *DEPTHS)]
        print(f"seed {seed}: {', '.join(shown)} ({time.perf_counter() - begun:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
