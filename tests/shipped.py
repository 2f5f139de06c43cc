"""A small folder such as lesson 21 leaves, and the page running in it; for the page's tests."""

import contextlib
import json
import shutil
import subprocess
import sys

import numpy as np

from utils import backbones
from utils.base.folders import ROOT
from utils.base.framework import keras, layers
from utils.sources import drawn_pets

SIZE, CLASSES, NEIGHBOURS = 64, ["cat", "dog"], 3


def drawn(kind, number, seed=3):
    """One drawn pet of SIZE pixels, as a Pillow picture."""
    return drawn_pets.draw(seed, number, kind, SIZE)


def make(folder):
    """Train a softmax on 60 drawn pets, and write model, features, settings and a card."""
    base = backbones.build("efficientnet_lite0", SIZE)
    labels = np.arange(60) % 2
    images = np.array([drawn(CLASSES[label], i) for i, label in enumerate(labels)], "float32")
    pooled = base.predict(images, verbose=0).mean((1, 2))
    keras.utils.set_random_seed(1)
    dense = layers.Dense(2, name="logits")
    head = keras.Sequential([keras.Input(pooled.shape[1:]), dense])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    head.compile(keras.optimizers.Adam(3e-3), loss)
    head.fit(pooled, labels, epochs=40, verbose=0)
    pixels = keras.Input((SIZE, SIZE, 3))
    x = keras.Model(base.input, base.output, name="base")(pixels, training=False)
    x = layers.Rescaling(0.5)(dense(layers.GlobalAveragePooling2D()(x)))
    folder.mkdir(parents=True, exist_ok=True)
    keras.Model(pixels, layers.Softmax()(x)).save(folder / "model.keras")
    known = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
    np.savez(folder / "known.npz", features=known.astype("float32"))
    settings = {"title": "cat or dog", "class_names": CLASSES, "image_size": SIZE}
    settings |= {"threshold": 0.3, "neighbours": NEIGHBOURS}
    (folder / "settings.json").write_text(json.dumps(settings), "utf-8")
    (folder / "README.md").write_text("# cat or dog\n\nA card.\n", "utf-8")
    for name in ("app.py", "page.html"):
        shutil.copy(ROOT / "notebooks" / "page" / name, folder)
    return folder


@contextlib.contextmanager
def running(folder):
    """Run the page as a learner does, in a process that sees nothing of the course; its address."""
    command = [sys.executable, "-I", "app.py", "--port", "0", "--no-browser"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=folder, **pipes) as process:
        try:
            yield process.stdout.readline().split()[0]
        finally:
            process.kill()
