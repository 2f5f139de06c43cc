"""The course's ways against the book's, the keras.io guide's and scikit-learn's, in one run.

Photographs of cats and dogs, VGG16 at 150 pixels and EfficientNet-Lite0 at 160. Whole recipes would
take hours the slow ways: those are timed on some pictures, in turns, and scaled; numbers that are
scaled say so. Writes notebooks/results/bench.json. About half an hour on two quiet cores.

    make bench                                  # everything
    python -m tests.benchmarks.bench growth     # one part
"""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager

import numpy as np
import psutil
from sklearn.linear_model import LogisticRegression

from tests.benchmarks.how_many_views import compiled, strong_augmentation
from utils import backbones, checks, datasets, features, models, results
from utils.base import cache, pictures
from utils.base.folders import ROOT
from utils.base.framework import keras, layers, tf
from utils.running import openvino

BATCH_SIZE = 20  # the book's
FROZEN_EPOCHS, TUNED_EPOCHS = 30, 100  # the book's
GUIDE_FROZEN_EPOCHS, GUIDE_OPEN_EPOCHS = 20, 10  # the keras.io guide's, batches of 32
VIEWS = 4
ROUNDS = 3
TARGET = 0.968  # what the book ends with
SEED = 1


# -- measuring


@contextmanager
def empty_cache():
    """Nothing computed before is found, and nothing computed now is left."""
    before = os.environ.get("COURSE_CACHE_DIR")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["COURSE_CACHE_DIR"] = folder
        try:
            yield
        finally:
            os.environ.pop("COURSE_CACHE_DIR")
            if before is not None:
                os.environ["COURSE_CACHE_DIR"] = before


def in_turns(ways, prefix):
    """Time each way ROUNDS times, in turns, after one round for compiling.

    Args:
        ways: name → function that works through pictures and gives their number.
        prefix: of the names in the record.

    Returns:
        For each way the median, lowest and highest milliseconds a picture, and the memory that its
        first run added, in MB.
    """
    numbers, times = {}, {name: [] for name in ways}
    for name, way in ways.items():
        with checks.peak_memory() as peak:
            way()
        numbers[f"{prefix}_{name}_added_mb"] = round(peak.added)
    for _ in range(ROUNDS):
        for name, way in ways.items():
            start = time.perf_counter()
            count = way()
            times[name].append(1000 * (time.perf_counter() - start) / count)
    for name, taken in times.items():
        numbers[f"{prefix}_{name}_ms"] = round(float(np.median(taken)), 3)
        numbers[f"{prefix}_{name}_ms_low"] = round(min(taken), 3)
        numbers[f"{prefix}_{name}_ms_high"] = round(max(taken), 3)
        print(f"{prefix} {name}: {np.median(taken):.1f} ms a picture", flush=True)
    return numbers


def matrix_rate():
    """GFLOP/s of TensorFlow's product of two 3,000 × 3,000 matrices, best of ten."""
    matrix = tf.random.uniform((3000, 3000))
    taken = []
    for _ in range(10):
        start = time.perf_counter()
        tf.linalg.matmul(matrix, matrix).numpy()
        taken.append(time.perf_counter() - start)
    return 2 * 3000**3 / min(taken) / 1e9


def gflop(base):
    """Floating-point operations of a base for one picture, in 10⁹: those of its convolutions."""
    total = 0
    for layer in base.layers:
        if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D)):
            height, width, out = layer.output.shape[1:]
            rows, columns, into, _ = layer.weights[0].shape
            if isinstance(layer, layers.DepthwiseConv2D):
                into = 1
            total += 2 * height * width * out * rows * columns * into
    return total / 1e9


# -- the ways


def predict_in_batches(base, split):
    """The book's extraction: read 20 pictures, predict, and so on."""
    size = base.input_shape[1:3]
    for start in range(0, len(split), BATCH_SIZE):
        paths = split.paths[start : start + BATCH_SIZE]
        images = np.stack([pictures.read(path, size) for path in paths])
        base.predict(images.astype("float32"), verbose=0)
    return len(split)


def predict_once(base, split):
    """One `predict` over the data set, as a careful reader does it."""
    base.predict(split.pixels(base.input_shape[1]), verbose=0)
    return len(split)


def faster(base, engine="auto"):
    """The base compiled by OpenVINO, if that is wanted and installed; None: by TensorFlow."""
    return openvino.compiled(base) if engine == "auto" and openvino.installed() else None


def extract(base, split, engine):
    """Ours, from files, nothing found in the cache."""
    with empty_cache():
        features.extract(base, split, run=faster(base, engine))
    return len(split)


def compiled_base(base, engine):
    """A base that is compiled once and then only run."""
    run = tf.function(
        lambda images: base(images, training=False),
        input_signature=[tf.TensorSpec(base.input_shape, "float32")],
    )
    return faster(base, engine) or run


def run_only(run, images):
    """An engine alone: pictures are in memory as uint8, it is compiled, nothing is kept."""
    for piece in cache.pieces(images, 32):
        np.asarray(run(piece.astype("float32")))
    return len(images)


def predict_only(base, images):
    """One `predict` on the same pictures in memory."""
    base.predict(images, verbose=0)
    return len(images)


def epoch_of(learner, batches, count):
    """One epoch of `fit`."""
    learner.fit(batches, verbose=0)
    return count


def books_head(base):
    """The book's dense head."""
    return models.head(base.output_shape[1:], 2, 256, 0.5, "flatten")


def training_ways(base, data):
    """One epoch of every way to train VGG16; each on a copy of the base that is its own."""
    size, name = base.input_shape[1], base.name
    some, block = data.train.limit(50), "block5"
    augmentation = strong_augmentation()
    batches = some.batches(size, BATCH_SIZE, shuffle_seed=SEED)
    wide_batches = some.batches(size, 32, shuffle_seed=SEED)
    gentle = keras.Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)])

    def whole(opened, changes, head):
        copy = backbones.build(name, size)
        copy.trainable = opened == "all"
        if opened and opened != "all":
            models.unfreeze_from(copy, opened)
        return compiled(models.attach(copy, head, changes), 1e-5)

    frozen = whole("", augmentation, books_head(base))
    tuned = whole(block, augmentation, books_head(base))
    plain = whole(block, None, books_head(base))
    guide = (base.output_shape[1:], 2, 0, 0.2, "average")
    guide_frozen = whole("", gentle, models.head(*guide))
    guide_open = whole("all", gentle, models.head(*guide))
    models.unfreeze_from(base, block)
    trunk, top = models.split_at(base, block)
    with empty_cache():
        seen = features.views(trunk, some, augmentation, 2, SEED)
        seen = features.Views(tuple(map(np.array, seen.values)), seen.labels, True)
    split = compiled(models.attach(top, books_head(base)), 1e-5)
    below = features.epochs(seen, BATCH_SIZE, SEED)
    head = compiled(books_head(base), 2e-5)
    said = np.repeat(top.predict(seen.values[0], verbose=0), 10, axis=0)
    labels = np.repeat(seen.labels, 10)

    def head_epoch():
        head.fit(said, labels, batch_size=BATCH_SIZE, verbose=0)
        return len(said)

    def top_forward():
        top.predict(np.concatenate(seen.values), verbose=0)
        return 2 * len(some)

    count = len(some)
    return {
        "frozen_epoch": lambda: epoch_of(frozen, batches, count),
        "tuned_epoch": lambda: epoch_of(tuned, batches, count),
        "plain_tuned_epoch": lambda: epoch_of(plain, batches, count),
        "split_epoch": lambda: epoch_of(split, below, count),
        "guide_frozen_epoch": lambda: epoch_of(guide_frozen, wide_batches, count),
        "guide_open_epoch": lambda: epoch_of(guide_open, wide_batches.take(1), 32),
        "head_epoch": head_epoch,
        "top_forward": top_forward,
    }


def recipes(numbers, train, held):
    """Seconds of whole recipes, scaled from milliseconds a picture.

    Args:
        numbers: what `in_turns` gives for VGG16.
        train, held: training and validation pictures.
    """
    ms = milliseconds(numbers)
    one_validation = held * ms["predict_once"]
    guide = GUIDE_FROZEN_EPOCHS * (train * ms["guide_frozen_epoch"] + one_validation)
    guide += GUIDE_OPEN_EPOCHS * (train * ms["guide_open_epoch"] + one_validation)
    ours = (VIEWS * train + held) * (ms["extract_tensorflow"] + ms["top_forward"])
    ours += FROZEN_EPOCHS * (train + held) * ms["head_epoch"]
    ours += TUNED_EPOCHS * (train * ms["split_epoch"] + held * ms["top_forward"])
    book = books_recipe(numbers, train, held)
    return {"book": book, "guide": guide / 1000, "ours": ours / 1000}


def books_recipe(numbers, train, held):
    """Seconds of the book's 30 epochs with the base frozen and 100 with block 5 open, scaled."""
    ms = milliseconds(numbers)
    one_validation = held * ms["predict_once"]
    frozen = FROZEN_EPOCHS * (train * ms["frozen_epoch"] + one_validation)
    return (frozen + TUNED_EPOCHS * (train * ms["tuned_epoch"] + one_validation)) / 1000


def milliseconds(numbers):
    """Way → median milliseconds a picture, of VGG16."""
    return {k.removeprefix("vgg16_").removesuffix("_ms"): v for k, v in numbers.items()}


# -- whole runs


class StopAtTarget(keras.callbacks.Callback):
    """End training after the first epoch whose validation accuracy is at the target."""

    def on_epoch_end(self, epoch, logs=None):
        """Look."""
        if logs["val_accuracy"] >= TARGET:
            self.model.stop_training = True


def vgg16_until_target(data):
    """From photographs on disk until VGG16's validation accuracy is the book's: all measured.

    Larger pictures, run once, in place of many epochs: 224 pixels, and the book's dense head.
    """
    keras.utils.set_random_seed(SEED)
    start = time.perf_counter()
    with empty_cache():
        base = backbones.build("vgg16", 224)
        train, held = (features.extract(base, part) for part in (data.train, data.validation))
        head = compiled(books_head(base), 2e-5, keras.optimizers.RMSprop)
        history = head.fit(
            train.values,
            train.labels,
            batch_size=BATCH_SIZE,
            epochs=FROZEN_EPOCHS,
            validation_data=(held.values, held.labels),
            callbacks=[StopAtTarget()],
            verbose=2,
        ).history
        seconds = time.perf_counter() - start
        test = features.extract(base, data.test)
        accuracy = head.evaluate(test.values, test.labels, verbose=0)[1]
    return {
        "seconds": seconds,
        "epochs": len(history["loss"]),
        "validation_accuracy": history["val_accuracy"][-1],
        "test_accuracy": accuracy,
    }


def logistic_regression_lite0(data):
    """From photographs on disk to logistic regression on Lite0's averaged features."""
    start = time.perf_counter()
    with empty_cache():
        base = backbones.build("efficientnet_lite0", 160)
        run = faster(base)  # compiled once for three splits
        found = [features.extract(base, part, run=run) for part in data.splits]
        train, held, test = ((f.values.mean((1, 2)), f.labels) for f in found)
    fitting = time.perf_counter()
    classifier = LogisticRegression(max_iter=1000).fit(*train)
    seconds = time.perf_counter()
    return {
        "seconds": seconds - start,
        "fit_seconds": seconds - fitting,
        "validation_accuracy": classifier.score(*held),
        "test_accuracy": classifier.score(*test),
    }


def same_accuracy(data):
    """Fine-tune VGG16 on few pictures, end to end and split: same starts, epochs, three seeds."""
    few, size, epochs = data.train.limit(50), 150, 6
    numbers, augmentation = {}, strong_augmentation()
    base = backbones.build("vgg16", size)
    models.unfreeze_from(base, "block5")
    trunk, top = models.split_at(base, "block5")
    start = base.get_weights()
    with empty_cache():
        plain, held = features.extract(base, few), features.extract(trunk, data.test)
        for seed in (1, 2, 3):
            seen = features.views(trunk, few, augmentation, VIEWS, seed)
            for way in ("split", "end_to_end"):
                base.set_weights(start)
                keras.utils.set_random_seed(seed)
                head = books_head(base)
                compiled(head, 1e-4).fit(plain.values, plain.labels, epochs=20, verbose=0)
                judge = models.attach(top, head)
                if way == "split":
                    learner, batches = judge, features.epochs(seen, BATCH_SIZE, seed)
                else:
                    learner = models.attach(base, head, augmentation)
                    batches = few.batches(size, BATCH_SIZE, shuffle_seed=seed)
                compiled(learner, 1e-5).fit(batches, epochs=epochs, verbose=0)
                said = judge.predict(held.values, verbose=0)
                right = said.argmax(-1) == held.labels
                numbers[f"{way}_seed{seed}_test_accuracy"] = float(right.mean())
                print(way, seed, right.mean(), flush=True)
    return numbers


def drawn(count):
    """So many drawn pets: the 1,000 for training, again and again."""
    train = datasets.load("drawn_pets").train
    return train.select(np.arange(count) % len(train))


def memory_of(count, engine):
    """Peak memory, in MB, of a process that extracts so many pictures."""
    command = [sys.executable, "-m", "tests.benchmarks.bench", "--memory", str(count), engine]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return round(float(done.stdout.split()[-1]))


def extract_and_say_memory(count, engine):
    """What `memory_of` runs in a process of its own."""
    base, split = backbones.build("efficientnet_lite0", 128), drawn(count)
    before = psutil.Process().memory_info().rss / 1e6
    with empty_cache(), checks.peak_memory() as peak:
        features.extract(base, split, run=faster(base, engine))
    print(before + peak.added)


def memory():
    """Peak memory of extraction of few and of many pictures, each in a process of its own."""
    return {
        f"peak_mb_{count}_images_{engine}": memory_of(count, engine)
        for count in (1000, 8000)
        for engine in ("tensorflow", "auto")
    }


def growth():
    """Seconds of ours against the number of pictures, and against the number of views."""
    numbers, base = {}, backbones.build("efficientnet_lite0", 128)
    for count in (250, 1000, 2000, 8000):
        start = time.perf_counter()
        with empty_cache():
            found = features.extract(base, drawn(count), run=faster(base))
            head = compiled(models.head(base.output_shape[1:], 2, 256, 0.5), 1e-3)
            head.fit(
                found.values,
                found.labels,
                batch_size=BATCH_SIZE,
                epochs=FROZEN_EPOCHS,
                verbose=0,
            )
        numbers[f"seconds_{count}_images"] = round(time.perf_counter() - start, 1)
    for count in (1, 2, 4, 8):
        start = time.perf_counter()
        with empty_cache():
            augmentation = strong_augmentation()
            features.views(base, drawn(500), augmentation, count, SEED, run=faster(base))
        numbers[f"seconds_{count}_views"] = round(time.perf_counter() - start, 1)
    return numbers


def speed(data):
    """Milliseconds a picture of every way, in turns; whole recipes from them, scaled."""
    numbers, rate = {}, [matrix_rate()]
    for name, size in (("vgg16", 150), ("efficientnet_lite0", 160)):
        base, light = backbones.build(name, size), name != "vgg16"
        some = data.train if light else data.train.limit(50)
        few = data.train.limit(250 if light else 30)
        ways = {
            "predict_in_batches": lambda base=base, few=few: predict_in_batches(base, few),
            "predict_once": lambda base=base, some=some: predict_once(base, some),
            "extract_tensorflow": lambda base=base, some=some: extract(base, some, "tensorflow"),
            "extract_auto": lambda base=base, some=some: extract(base, some, "auto"),
        }
        images = some.pixels(size)
        ways["predict_only"] = lambda base=base, images=images: predict_only(base, images)
        for engine in ("tensorflow", "auto"):
            run = compiled_base(base, engine)
            ways[f"{engine}_only"] = lambda run=run, images=images: run_only(run, images)
        if not light:
            ways |= training_ways(base, data)
        numbers |= in_turns(ways, name)
        rate.append(matrix_rate())
        numbers[f"{name}_gflop"] = round(gflop(base), 3)
    numbers["matrix_gflops"] = round(max(rate), 1)
    numbers["matrix_gflops_low"] = round(min(rate), 1)
    for way, seconds in recipes(numbers, len(data.train), len(data.validation)).items():
        numbers[f"{way}_recipe_scaled_seconds"] = round(seconds)
    return numbers


def until_target(data):
    """Two ways until the book's accuracy, and beside them, in the same run, the book's epochs."""
    base, some = backbones.build("vgg16", 150), data.train.limit(50)
    ways = training_ways(base, data)
    ways = {way: ways[way] for way in ("frozen_epoch", "tuned_epoch")}
    ways["predict_once"] = lambda: predict_once(base, some)
    numbers = in_turns(ways, "vgg16")
    seconds = books_recipe(numbers, len(data.train), len(data.validation))
    numbers["book_recipe_scaled_seconds"] = round(seconds)
    for name, run in {
        "vgg16": vgg16_until_target,
        "lite0": logistic_regression_lite0,
    }.items():
        numbers |= {f"{name}_{key}": round(value, 6) for key, value in run(data).items()}
    return numbers


def counts(data):
    """How many pictures the accuracies are of."""
    return {f"{split.name}_pictures": len(split) for split in data.splits}


# Each part is a run of its own, stored when it ends; ratios are made within a part.
PARTS = {
    "speed": ("matrix_gflops", speed),
    "until_target": ("vgg16_seconds", until_target),
    "same_accuracy": ("split_seed1_test_accuracy", same_accuracy),
    "growth": ("seconds_8000_images", lambda data: growth()),
    "memory": ("peak_mb_8000_images_tensorflow", lambda data: memory()),
}


def main(names):
    """Measure the named parts, or all; store each as it ends."""
    data = datasets.load("cats_vs_dogs")
    for name in names or PARTS:
        headline, measure = PARTS[name]
        entry = {
            "lesson": name,
            "profile": "bench",
            "headline": headline,
            "seed": SEED,
            "numbers": counts(data) | measure(data),
            **results.provenance(),
        }
        print(f"{name}: written to {results.store({name: entry}, 'bench')}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--memory"]:
        extract_and_say_memory(int(sys.argv[2]), sys.argv[3])
    else:
        main(sys.argv[1:])
