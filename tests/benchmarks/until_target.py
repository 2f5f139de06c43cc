"""Until a head on kept features reaches what the book ends with, 0.968: seed by seed, and on test.

The first epoch whose validation accuracy is at the target is found by looking at validation, so
that accuracy is kinder than the truth. Beside it stand the test accuracy at that epoch, and that
after a number of epochs fixed beforehand. VGG16 with the book's dense head; for EfficientNet-Lite0
logistic regression on averages, which has no seed. Writes notebooks/results/until_target.json; a
seed that is stored is not run again. On one core a seed takes a minute, the features of 4,000
photographs nine minutes at 150 pixels and twenty at 224, once.

    python -m tests.benchmarks.until_target 5 vgg16 150
    python -m tests.benchmarks.until_target 1 efficientnet_lite0 160
"""

import sys

import numpy as np
from sklearn.linear_model import LogisticRegression

from tests.benchmarks.how_many_views import compiled
from utils import backbones, datasets, features, models, results
from utils.base.framework import keras

DATA = "cats_vs_dogs_full"  # the book's cut
TARGET = 0.968
EPOCHS = 20
BATCH_SIZE = 20


class Judged(keras.callbacks.Callback):
    """Accuracy on validation after each epoch, and the predictions of the test pictures."""

    def __init__(self, held, test):
        super().__init__()
        self.held, self.test = held, test
        self.accuracies, self.predicted = [], []

    def on_epoch_end(self, epoch, logs=None):
        """Ask both."""
        said, answers = (
            self.model.predict(one.values, batch_size=100, verbose=0).argmax(-1)
            for one in (self.held, self.test)
        )
        self.accuracies.append(float(np.mean(said == self.held.labels)))
        self.predicted.append(answers)


def dense_head(found, seed):
    """The book's head, epoch by epoch: accuracies on validation, predictions of test pictures."""
    train, held, test = found
    keras.utils.set_random_seed(seed)
    head = models.head(train.values.shape[1:], 2, 256, 0.5, "flatten")
    judge = Judged(held, test)
    compiled(head, 2e-5, keras.optimizers.RMSprop).fit(
        train.values,
        train.labels,
        batch_size=BATCH_SIZE,
        epochs=EPOCHS,
        callbacks=[judge],
        verbose=0,
    )
    return judge.accuracies, judge.predicted


def linear(found):
    """Logistic regression on averages, in the same form: one step, and no seed."""
    train, held, test = ((one.values.mean((1, 2)), one.labels) for one in found)
    classifier = LogisticRegression(max_iter=1000).fit(*train)
    return [classifier.score(*held)], [classifier.predict(test[0])]


def summary(accuracies, predicted, test):
    """Numbers and predictions of one seed; where the target is never reached, epoch 0."""
    reached = [i for i, accuracy in enumerate(accuracies) if accuracy >= TARGET]
    first = reached[0] if reached else None
    numbers = {"epoch": 0 if first is None else first + 1}
    kept = {}
    for when, place in (("first", first), ("last", len(accuracies) - 1)):
        if place is not None:
            right = predicted[place] == test.labels
            numbers[f"{when}_validation_accuracy"] = round(accuracies[place], 6)
            numbers[f"{when}_test_accuracy"] = round(float(np.mean(right)), 6)
            kept[when] = results._wrong(test, predicted[place])
    return numbers, kept


def measure(count, network, size):
    """Run the seeds that the record has not, and store after each."""
    name, data = f"{network}_{size}", datasets.load(DATA)
    entry = results.load_stored("until_target").get(name, {})
    numbers, kept = dict(entry.get("numbers", {})), dict(entry.get("predictions", {}))
    found = [features.extract(backbones.build(network, size), part) for part in data.splits]
    for seed in range(1, count + 1):
        if f"seed{seed}_epoch" in numbers:
            continue
        ended = dense_head(found, seed) if network == "vgg16" else linear(found)
        of_seed, answers = summary(*ended, data.test)
        numbers |= {f"seed{seed}_{key}": value for key, value in of_seed.items()}
        kept |= {f"seed{seed}_{when}": one for when, one in answers.items()}
        print(name, seed, of_seed, flush=True)
        numbers |= {f"{one.name}_pictures": len(one) for one in data.splits}
        numbers |= {"seeds": seed, "epochs": len(ended[0])}
        entry = {
            "lesson": name,
            "profile": "until_target",
            "headline": "seed1_last_test_accuracy",
            "seed": 1,
            "numbers": numbers,
            "predictions": kept,
            **results.provenance(),
        }
        results.store({name: entry}, "until_target")


if __name__ == "__main__":
    measure(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
