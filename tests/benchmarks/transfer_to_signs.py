"""Do ImageNet's features transfer to traffic signs, and what does a random split measure?

*Transfer*: one linear classifier on raw pixels, on the last feature map of EfficientNet-Lite0, on
its maps after three earlier blocks (averaged to 8 × 8 places), and on the same of a network with
random weights (three seeds; its running means and variances are set by training pictures). Split by
track; ridge regression to the classes, whose strength is chosen by cross-validation between tracks
of the training split. VGG16 beside it on the real signs, and the picture's side (64, 96, 128) on
the whole last map and on its average over the places. All compared on the same pictures, by track.

*Splits*: the same classifier on pictures split at random, accuracy by the number of frames of the
same track that stand in training; and an experiment that changes nothing else: the judged pictures
stay, and in training 0, 1, 2, … of their siblings take the place of as many pictures of the same
class from other tracks.

Needs `gtsrb` beside the drawn signs (the data card says which selection the record is of). Writes
notebooks/results/transfer_to_signs.json. A quarter of an hour on one core, three minutes of it
for the drawn signs; each half is stored when it is done, and a half that is stored is not repeated.

    python -m tests.benchmarks.transfer_to_signs [gtsrb] [drawn_signs]
"""

import sys

import numpy as np
from scipy.linalg import blas
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from utils import backbones, datasets, features, results, statistics
from utils.base.framework import keras, tf

NETWORK, SIZE, PIXELS = "efficientnet_lite0", 128, 32
SIDES = (64, 96, SIZE)
BLOCKS = ("block3", "block5", "block11", "top")  # where features are read; the last is the map
MIDDLE, FEWER = "block11", "pretrained_block11_on_4x4"
SEEDS = (1, 2, 3)  # of random networks
SPLITS, TURNS = (1, 2, 3, 4, 5), 2  # of random splits; held tracks of a class in each
STRENGTHS = 10.0 ** np.arange(-4, 2)
SIBLINGS = {"gtsrb": (0, 1, 2, 5, 10), "drawn_signs": (0, 1, 2, 3)}
BINS = ((0, 0), (1, 1), (2, 2), (3, 5), (6, 10), (11, 99))


def random_network(seed, pictures):
    """Give the network with random weights, its running averages set by pictures."""
    keras.utils.set_random_seed(seed)
    base = backbones.build(NETWORK, SIZE, weights=None)
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.7
    order = np.random.default_rng(seed).permutation(len(pictures))
    for start in range(0, 12 * 64, 64):
        chosen = pictures.select(np.sort(order[np.arange(start, start + 64) % len(order)]))
        base(chosen.pixels(SIZE).astype("float32"), training=True)
    return base


def run(base, data, blocks):
    """Run a base over training and validation pictures; give what leaves each block."""
    outputs = [backbones.block_output(base, block) for block in blocks]
    graph = tf.function(keras.Model(base.input, outputs))
    rows = []
    for split in (data.train, data.validation):
        pixels = split.pixels(base.input_shape[1])
        for start in range(0, len(pixels), 32):
            found = graph(pixels[start : start + 32].astype("float32"))
            found = found if isinstance(found, (list, tuple)) else [found]
            rows.append([_smaller(one.numpy()) for one in found])
    return [np.concatenate(part) for part in zip(*rows, strict=True)]


def _smaller(maps, most=8):
    """Average neighbouring places until the map has at most so many to a side."""
    while maps.shape[1] > most:
        n, side, _, channels = maps.shape
        maps = maps.reshape(n, side // 2, 2, side // 2, 2, channels).mean(axis=(2, 4))
    return maps


def products(values, train):
    """Bring rows to length 1, take the mean of the first `train` away, multiply row by row."""
    values = values.reshape(len(values), -1).astype("float32")
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    values -= values[:train].mean(axis=0)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    half = blas.ssyrk(1.0, values.T, trans=1)  # one triangle of values @ values.T
    return (half + np.triu(half, 1).T).astype("float64") + 1.0  # the 1 is the classifier's bias


def predict(kernel, labels, train, judged, strength):
    """Fit on some rows and predict others, integers (judged,)."""
    targets = np.eye(labels.max() + 1)[labels[train]]
    model = KernelRidge(alpha=strength, kernel="precomputed")
    model.fit(kernel[np.ix_(train, train)], targets)
    return model.predict(kernel[np.ix_(judged, train)]).argmax(axis=1)


def choose(kernel, labels, tracks):
    """Choose the strength by cross-validation between tracks, three folds; of many tracks, half."""
    names = np.unique(tracks)
    some = np.flatnonzero(np.isin(tracks, names[:: 2 if len(names) > 300 else 1]))
    kernel, labels, tracks = kernel[np.ix_(some, some)], labels[some], tracks[some]
    folds = list(
        StratifiedGroupKFold(3, shuffle=True, random_state=1).split(labels, labels, tracks)
    )
    right = [
        sum((predict(kernel, labels, a, b, s) == labels[b]).sum() for a, b in folds)
        for s in STRENGTHS
    ]
    return float(STRENGTHS[int(np.argmax(right))])


def transfer(data, numbers):
    """Compare features, networks and sizes; give what each answered."""
    n, held, groups = len(data.train), data.validation, data.validation.tracks()
    labels, tracks = np.concatenate([data.train.labels, held.labels]), data.train.tracks()
    answers = {}

    def measure(name, values):
        kernel = products(values, n)
        strength = choose(kernel[:n, :n], labels[:n], tracks)
        rest = np.arange(n, len(labels))
        answers[name] = predict(kernel, labels, np.arange(n), rest, strength)
        numbers[f"{name}_accuracy"] = float((answers[name] == held.labels).mean())
        numbers[f"{name}_strength"] = strength
        print(f"{name}: {numbers[f'{name}_accuracy']:.3f}, {strength}", flush=True)

    for side in SIDES[:-1]:
        found = run(backbones.build(NETWORK, side), data, BLOCKS[-1:])[0]
        measure(f"side_{side}", found)
        measure(f"side_{side}_averaged", found.mean(axis=(1, 2)))
    for name in ("pretrained", *(f"random_seed{seed}" for seed in SEEDS)):
        base = backbones.build(NETWORK, SIZE)
        if name != "pretrained":
            base = random_network(int(name[-1]), data.train)
        for block, found in zip(BLOCKS, run(base, data, BLOCKS), strict=True):
            measure(name if block == BLOCKS[-1] else f"{name}_{block}", found)
            if (name, block) == ("pretrained", MIDDLE):
                measure(FEWER, _smaller(found, 4))
        if name == "pretrained":
            measure(f"side_{SIZE}_averaged", found.mean(axis=(1, 2)))
    measure("pixels", np.concatenate([split.pixels(PIXELS) for split in (data.train, held)]))
    if data.name == "gtsrb":
        vgg = backbones.build("vgg16", SIZE)
        found = [features.extract(vgg, split).values for split in (data.train, held)]
        measure("vgg16", np.concatenate(found))
    pairs = [(f"random_seed{seed}", "pretrained") for seed in SEEDS]
    pairs += [(f"side_{side}", "pretrained") for side in SIDES[:-1]]
    pairs += [(f"side_{side}_averaged", f"side_{SIZE}_averaged") for side in SIDES[:-1]]
    pairs += [(f"random_seed{seed}_{MIDDLE}", f"pretrained_{MIDDLE}") for seed in SEEDS]
    pairs += [("pixels", f"pretrained_{block}") for block in BLOCKS[:-1]]
    pairs += [("pixels", "pretrained"), ("pixels", "random_seed1"), ("pretrained", "vgg16")]
    pairs += [("pretrained", f"pretrained_{MIDDLE}"), ("pretrained", FEWER), ("pixels", FEWER)]
    for first, second in pairs:
        if second in answers:
            name = f"{first}_to_{second}"
            note(numbers, name, held.labels, answers[first], answers[second], groups)
    numbers |= {"baseline_accuracy": held.baseline, "validation_tracks": len(set(groups))}
    return {name: results._wrong(held, predicted) for name, predicted in answers.items()}


def note(numbers, name, labels, first, second, groups):
    """Keep a paired comparison."""
    found = statistics.compare(labels, first, second, groups)
    print(f"{name}: {found}", flush=True)
    for what in ("difference", "low", "high", "p_value"):
        numbers[f"{name}_{what}"] = float(getattr(found, what))


def at_random(kernel, strength, data, numbers):
    """Split at random, and count by siblings in training."""
    labels = np.concatenate([data.train.labels, data.validation.labels])
    tracks = np.concatenate([data.train.tracks(), data.validation.tracks()])
    counts, right = [], []
    for seed in SPLITS:
        rows = np.arange(len(labels))
        train, judged = train_test_split(
            rows, train_size=len(data.train), stratify=labels, random_state=seed
        )
        good = predict(kernel, labels, train, judged, strength) == labels[judged]
        numbers[f"random_split{seed}_accuracy"] = float(good.mean())
        counts += [int((tracks[train] == track).sum()) for track in tracks[judged]]
        right += good.tolist()
    counts, right = np.array(counts), np.array(right)
    for low, high in BINS:
        inside = (counts >= low) & (counts <= high)
        if inside.any():
            numbers[f"random_split_{low}_to_{high}_siblings_accuracy"] = float(right[inside].mean())
            numbers[f"random_split_{low}_to_{high}_siblings_pictures"] = int(inside.sum())
            print(low, high, right[inside].mean(), inside.sum(), flush=True)


def with_siblings(kernel, strength, data, numbers, counts):
    """Judge the same pictures with 0, 1, 2, … siblings in training, all else equal."""
    labels = np.concatenate([data.train.labels, data.validation.labels])
    tracks = np.concatenate([data.train.tracks(), data.validation.tracks()])
    names, frames = np.unique(tracks, return_counts=True)
    of_class = {}  # class → its long tracks: each round holds one of every class
    for track in names[frames > max(counts)]:
        of_class.setdefault(labels[tracks == track][0], []).append(track)
    answers = {count: [] for count in counts}
    truth, groups = [], []
    for seed in SPLITS:
        draw = np.random.default_rng(seed)
        orders = [draw.permutation(of_class[label]) for label in sorted(of_class)]
        for turn in range(TURNS):
            held = np.array([order[turn] for order in orders if turn < len(order)])
            outside = draw.permutation(np.flatnonzero(~np.isin(tracks, held)))
            own = [draw.permutation(np.flatnonzero(tracks == track)) for track in held]
            judged = np.array([rows[0] for rows in own])
            for count in counts:
                siblings = np.array([i for rows in own for i in rows[1 : 1 + count]], int)
                gone = [
                    outside[labels[outside] == label][: (labels[siblings] == label).sum()]
                    for label in set(labels[siblings])
                ]
                rest = np.setdiff1d(outside, np.concatenate([*gone, np.array([], int)]))
                train = np.concatenate([rest, siblings])
                assert len(train) == len(outside) and not set(train) & set(judged)
                answers[count].append(predict(kernel, labels, train, judged, strength))
            truth.append(labels[judged])
            groups.append(held)
    for place, seed in enumerate(SPLITS):
        part = slice(TURNS * place, TURNS * place + TURNS)
        for count in counts:
            good = np.concatenate(answers[count][part]) == np.concatenate(truth[part])
            numbers[f"{count}_siblings_seed{seed}_accuracy"] = float(good.mean())
    truth, groups = np.concatenate(truth), np.concatenate(groups)
    for count in counts[1:]:
        pair = (np.concatenate(answers[k]) for k in (0, count))
        note(numbers, f"0_to_{count}_siblings", truth, *pair, groups)
    numbers |= {
        "sibling_tracks": len(set(groups)),
        "sibling_classes": len(of_class),
    }


def keep(name, numbers, predictions):
    """Store what is known so far."""
    entry = {
        "lesson": "transfer_to_signs",
        "profile": name,
        "headline": "pretrained_accuracy",
        "seed": SEEDS[0],
        "numbers": {k: v if isinstance(v, int) else round(v, 6) for k, v in numbers.items()},
        "predictions": predictions,
        **results.provenance(),
    }
    results.store({name: entry}, "transfer_to_signs")


def main():
    """Measure each set and store it."""
    for name in sys.argv[1:] or SIBLINGS:
        data = datasets.load(name)
        known = results.load_stored("transfer_to_signs").get(name, {})
        numbers, predictions = known.get("numbers", {}), known.get("predictions", {})
        if "pretrained_accuracy" not in numbers:
            numbers |= {f"{s.name}_pictures": len(s) for s in (data.train, data.validation)}
            predictions = transfer(data, numbers)
            keep(name, numbers, predictions)
        base = backbones.build(NETWORK, SIZE)
        found = [features.extract(base, split).values for split in (data.train, data.validation)]
        how = products(np.concatenate(found), len(data.train)), numbers["pretrained_strength"]
        at_random(*how, data, numbers)
        with_siblings(*how, data, numbers, SIBLINGS[name])
        keep(name, numbers, predictions)


if __name__ == "__main__":
    main()
