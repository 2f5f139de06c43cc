"""The book's full 30 and 100 epochs, by the method of lesson 15: kept views, the base cut in two.

VGG16 at 150 pixels with the book's dense head and augmentation: a base that is frozen, then block 5
and the head together. What the frozen layers say of four views of each picture is computed once
and kept, so a run that was stopped goes on from there. Writes notebooks/results/book_epochs.json.

    python -m tests.benchmarks.book_epochs                     # the book's cut of the photographs
    python -m tests.benchmarks.book_epochs drawn_pets --backbone efficientnet_lite0 --size 128 \
        --block block9 --frozen-epochs 1 --tuned-epochs 1      # a minute
"""

import argparse
import time

from tests.benchmarks.how_many_views import compiled, strong_augmentation
from utils import backbones, datasets, features, models, results, statistics
from utils.base.framework import keras

RMSPROP = keras.optimizers.RMSprop


def fitted(learner, batches, held, epochs, rate):
    """Train by the book's optimizer; gives seconds."""
    start = time.perf_counter()
    compiled(learner, rate, RMSPROP).fit(batches, validation_data=held, epochs=epochs, verbose=2)
    return time.perf_counter() - start


def measure(options):
    """Make both runs: name → numbers, and predictions of validation and test."""
    data, found = datasets.load(options.data), {}
    keras.utils.set_random_seed(options.seed)
    base = backbones.build(options.backbone, options.size)
    trunk, top = models.split_at(base, options.block)
    start = time.perf_counter()
    seen = features.views(trunk, data.train, strong_augmentation(), options.views, options.seed)
    held, test = (
        features.extract(trunk, part, dtype="float16") for part in (data.validation, data.test)
    )  # each (N, 9, 9, 512) for VGG16 below block 5
    ready = time.perf_counter() - start

    def said(values):
        return top.predict(values, batch_size=100, verbose=0)  # (N, 4, 4, 512)

    # The frozen base: top and trunk never change, so the head alone has to run.
    start = time.perf_counter()
    codes = features.Views(tuple(said(one) for one in seen.values), seen.labels, seen.from_cache)
    held_codes, test_codes = said(held.values), said(test.values)
    seconds = ready + time.perf_counter() - start
    head = models.head(base.output_shape[1:], data.num_classes, 256, 0.5, "flatten")
    batches = features.epochs(codes, options.batch_size, options.seed)
    validation = (held_codes, held.labels)
    seconds += fitted(head, batches, validation, options.frozen_epochs, 2e-5)
    numbers, said = judged(head, data, held_codes, test_codes)
    numbers |= {"epochs": options.frozen_epochs, "seconds": round(seconds)}
    found["frozen_30_epochs"] = numbers | settings(options, seen), said

    # Block 5 opens: the trunk below it never changes, top and head learn together.
    models.unfreeze_from(base, options.block)
    learner = models.attach(top, head)
    batches = features.epochs(seen, options.batch_size, options.seed)
    validation = (held.values.astype("float32"), held.labels)
    tuned_seconds = fitted(learner, batches, validation, options.tuned_epochs, 1e-5)
    numbers, said = judged(learner, data, validation[0], test.values.astype("float32"))
    numbers |= {"epochs": options.tuned_epochs, "seconds": round(seconds + tuned_seconds)}
    found["fine_tuned_100_epochs"] = numbers | settings(options, seen), said
    return found


def judged(model, data, held, test):
    """Judge the last epoch on validation and, once, on the test pictures; keep what it answers."""
    numbers, said = {}, {}
    for split, values in ((data.validation, held), (data.test, test)):
        predicted = model.predict(values, batch_size=100, verbose=0).argmax(-1)
        accuracy = float((predicted == split.labels).mean())
        numbers |= {f"{split.name}_accuracy": accuracy, f"{split.name}_pictures": len(split)}
        said[split.name] = split, predicted
        print(f"{split.name}: {statistics.with_interval(accuracy, len(split))}", flush=True)
    return numbers, said


def settings(options, seen):
    """How it was run; the seconds of a run are fewer if views were kept already."""
    found = {"train_images": len(seen.labels), "views": options.views}
    return found | {"views_from_cache": int(seen.from_cache)}


def compared(found):
    """Both runs on the same pictures: what opening the block added, on validation and test."""
    (_, frozen), (_, tuned) = found.values()
    numbers = {}
    for name, (split, before) in frozen.items():
        pair = statistics.compare(split.labels, before, tuned[name][1])
        print(f"frozen → fine-tuned, {name}: {pair}", flush=True)
        for end in ("difference", "low", "high"):
            numbers[f"{name}_frozen_to_this_{end}"] = getattr(pair, end)
    return numbers


def main(arguments=None):
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", default="cats_vs_dogs_full")
    parser.add_argument("--backbone", default="vgg16")
    parser.add_argument("--block", default="block5")
    for name, value in (("size", 150), ("views", 4), ("batch-size", 20), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--frozen-epochs", type=int, default=30)
    parser.add_argument("--tuned-epochs", type=int, default=100)
    options = parser.parse_args(arguments)
    found = measure(options)
    found["fine_tuned_100_epochs"][0].update(compared(found))
    for name, (numbers, said) in found.items():
        entry = results.record(
            name, "book_epochs", "test_accuracy", options.seed, predictions=said, **numbers
        ).entry
        entry |= {"data": options.data, "backbone": options.backbone}
        print(f"written to {results.store({name: entry}, 'book_epochs')}")


if __name__ == "__main__":
    main()
