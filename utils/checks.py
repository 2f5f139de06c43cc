"""A claim is a check: a cell that fails when the sentence above it is not true."""

import importlib.util
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import psutil
from sklearn.metrics import confusion_matrix

from utils.base import ranges
from utils.base.framework import keras


class CheckError(AssertionError):
    """A claim that does not hold, with what was found instead."""


def parameters(given: Mapping) -> None:
    """Claim that a lesson's parameters are in range; `given` is `globals()`; lesson 00.

    A ValueError names one that is not, and what it must be; `utils/base/ranges.py` has the table.
    """
    for name, value in given.items():
        if name.isupper() and (wrong := ranges.misfit(name, value)):
            raise ValueError(f"{wrong}: change it in the cell at the top")


def installed(*modules: str) -> None:
    """Claim that what a lesson needs besides the course's own packages is there; lesson 21.

    A ModuleNotFoundError names what is missing, and how to install it.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        told = "run `make extras` in the course's folder, then restart the kernel"
        raise ModuleNotFoundError(f"this lesson needs {' and '.join(missing)} besides: {told}")


def _moved(weights, before):
    """Path of each weight that is not what it was → the most that any of its numbers moved."""
    moved = {}
    for weight, old in zip(weights, before, strict=True):
        new = weight.numpy()
        if not np.array_equal(new, old, equal_nan=True):
            moved[weight.path] = float(np.abs(new - old).max())
    return moved


@contextmanager
def unchanged(model: keras.Model | list) -> Iterator[None]:
    """Claim that what happens inside the `with` changes no number of a model; lesson 03.

    Every weight is compared bit by bit, the running mean and variance of batch norm included. A
    list of weights may stand for the model.

    Example:
        >>> with checks.unchanged(base):
        ...     model.fit(train, epochs=2)

    A CheckError says how many weights moved, and which most.
    """
    weights = model if isinstance(model, list) else model.weights
    before = [weight.numpy() for weight in weights]
    yield
    if moved := _moved(weights, before):
        path, most = max(moved.items(), key=lambda item: item[1])
        raise CheckError(
            f"{len(moved)} of {len(before)} weights moved, {path} most (by up to {most:.2g})"
        )


@contextmanager
def changed(model: keras.Model | list) -> Iterator[None]:
    """Claim that what happens inside the `with` changes every trainable weight; lesson 04.

    A CheckError names a weight that stayed, or says that nothing is trainable.
    """
    weights = model if isinstance(model, list) else model.trainable_weights
    before = [weight.numpy() for weight in weights]
    yield
    moved = _moved(weights, before)
    stayed = [weight.path for weight in weights if weight.path not in moved]
    if not weights:
        raise CheckError("nothing is trainable, so nothing can have learned")
    if stayed:
        raise CheckError(f"{len(stayed)} of {len(weights)} weights did not move, {stayed[0]} first")


def confusion(labels: np.ndarray, probabilities: np.ndarray, accuracy: float) -> np.ndarray:
    """Count who is taken for whom, and claim that this agrees with a reported accuracy; lesson 00.

    Args:
        labels: true classes, integers (n,).
        probabilities: a model's predictions, (n, classes), in the same order.
        accuracy: what `evaluate` said, a fraction in [0, 1].

    Returns:
        int array (classes, classes): row true class, column predicted class.

    A CheckError says if that is not the accuracy; shuffled pictures are the usual cause.
    """
    classes = np.arange(probabilities.shape[-1])
    table = confusion_matrix(labels, probabilities.argmax(-1), labels=classes)
    recomputed = np.trace(table) / len(labels)
    if abs(recomputed - accuracy) > 1e-4:
        raise CheckError(
            f"evaluate says {accuracy:.4f} but the predictions say {recomputed:.4f}: "
            "are pictures and labels in the same order?"
        )
    return table


@contextmanager
def peak_memory(every_seconds: float = 0.02) -> Iterator[SimpleNamespace]:
    """Watch this process's memory inside the `with`; lesson 14.

    Yields an object whose `added` holds afterwards the most that was in use above the beginning,
    in megabytes (10⁶ bytes). Peaks shorter than `every_seconds` are missed.
    """
    process, over, peak = psutil.Process(), threading.Event(), SimpleNamespace(added=0.0)
    before = process.memory_info().rss

    def look():
        peak.added = max(peak.added, (process.memory_info().rss - before) / 1e6)

    def watch():
        while not over.wait(every_seconds):
            look()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()
        look()
