"""Do accuracy and loss part when a head is trained for long? Five seeds, for lesson 04.

The dense head of lessons 02 to 04 on cached features of the drawn pets, Adam at 1e-3, 40 epochs.
Says what validation loss and accuracy are after epoch 5 and after the last, and which share of the
difference in loss comes from the pictures that are wrong at the end. (Epoch 5 was fixed after an
earlier run, whose losses were smallest after 3 to 10 epochs.) A minute and a half of one core.

    python -m tests.benchmarks.long_head
"""

import numpy as np

from utils import backbones, datasets, features, models, results, statistics
from utils.base.framework import keras

SEEDS = (1, 2, 3, 4, 5)
EARLY, EPOCHS = 5, 40


def losses_by_epoch(seed, found, held):
    """Train a head; give loss (epochs, pictures) and rightness of each validation picture."""
    losses, right = [], []

    def look(epoch, logs):
        answers = head.predict(held.values, verbose=0)
        of_truth = answers[np.arange(len(held.labels)), held.labels]
        losses.append(-np.log(np.clip(of_truth, 1e-7, 1)))
        right.append(answers.argmax(-1) == held.labels)

    keras.utils.set_random_seed(seed)
    head = models.head(found.values.shape[1:], 2, units=256, dropout=0.5)
    head.compile(keras.optimizers.Adam(1e-3), models.LOSS)
    after = [keras.callbacks.LambdaCallback(on_epoch_end=look)]
    head.fit(found.values, found.labels, batch_size=20, epochs=EPOCHS, callbacks=after, verbose=0)
    return np.array(losses), np.array(right)


def main():
    """Run all, print and store."""
    data, base = datasets.load("drawn_pets"), backbones.build("efficientnet_lite0", 128)
    found, held = (features.extract(base, split) for split in (data.train, data.validation))
    numbers = {"epochs": EPOCHS, "validation_pictures": len(data.validation)}
    early, late = [], []
    for seed in SEEDS:
        losses, right = losses_by_epoch(seed, found, held)
        early.append(right[EARLY - 1].astype(int))
        late.append(right[-1].astype(int))
        rise = losses[-1] - losses[EARLY - 1]
        numbers |= {
            f"seed{seed}_early_loss": round(float(losses[EARLY - 1].mean()), 6),
            f"seed{seed}_late_loss": round(float(losses[-1].mean()), 6),
            f"seed{seed}_early_accuracy": float(early[-1].mean()),
            f"seed{seed}_late_accuracy": float(late[-1].mean()),
            f"seed{seed}_wrong_share_of_rise": round(float(rise[~right[-1]].sum() / rise.sum()), 6),
        }
        print({name: value for name, value in numbers.items() if f"seed{seed}" in name}, flush=True)
    pictures = np.tile(np.arange(len(data.validation)), len(SEEDS))
    change = statistics.compare(
        np.ones(len(pictures), int), np.concatenate(early), np.concatenate(late), groups=pictures
    )
    for end, value in [("", change.difference), ("_low", change.low), ("_high", change.high)]:
        numbers[f"late_less_early{end}"] = round(value, 6)
    print(change)
    entry = {
        "lesson": "long_head",
        "profile": "drawn_pets",
        "headline": "seed1_late_accuracy",
        "seed": SEEDS[0],
        "numbers": numbers,
        **results.provenance(),
    }
    results.store({"long_head": entry}, "long_head")


if __name__ == "__main__":
    main()
