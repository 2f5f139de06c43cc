"""Does a random head spoil the base, or does the rate? Two heads, three rates of Adam, and SGD.

Lessons 03 and 04 freeze the base while the head is random. Here everything is open from the first
step, batch normalisation excepted: under a head that is random or that was trained on the frozen
base, with Adam at Keras's default rate and two smaller ones, and with SGD, whose steps are as
large as the gradient. After an epoch the head is thrown away, and a new linear classifier is
trained on the features of the base as it is now: that says what became of the base itself. The
classifier on the untouched base is the reference. Drawn pets or photographs of them, Lite0 at 96
pixels, no augmentation. Ten minutes of one core for the drawings, resumable: what is stored is not
run again.

    python -m tests.benchmarks.random_head
    COURSE_DATA_DIR=… python -m tests.benchmarks.random_head cats_vs_dogs_full
"""

import itertools
import sys

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from utils import backbones, datasets, models, results
from utils.base.framework import keras, tf

SEEDS = (1, 2, 3, 4, 5)
SIZE, BATCH, HEAD_EPOCHS, PER_CLASS = 96, 20, 4, 250  # PER_CLASS: of photographs; all drawings
WAYS = {
    "adam_1e-3": ("adam", 1e-3),
    "adam_1e-4": ("adam", 1e-4),
    "adam_1e-5": ("adam", 1e-5),
    "sgd_1e-2": ("sgd", 1e-2),
}
HEADS = ("random", "trained")


class Experiment:
    """One network and its compiled models; every run puts all weights back before it begins."""

    def __init__(self, data):
        self.data = data
        self.pixels = {
            name: split.pixels(SIZE).astype("float32")
            for name, split in [("train", data.train), ("validation", data.validation)]
        }
        self.base = backbones.build("efficientnet_lite0", SIZE)
        self.start = self.base.get_weights()
        self.head = keras.Sequential(
            [
                keras.Input(self.base.output_shape[1:]),
                keras.layers.GlobalAveragePooling2D(),
                keras.layers.Dense(256, activation="relu"),
                keras.layers.Dropout(0.5),
                keras.layers.Dense(data.num_classes, activation="softmax"),
            ]
        )
        self.head.compile(keras.optimizers.Adam(1e-3), models.LOSS)
        models.unfreeze_from(self.base, "stem")
        self.open = {}
        for kind, optimizer in (("adam", keras.optimizers.Adam()), ("sgd", keras.optimizers.SGD())):
            pixels = keras.Input((SIZE, SIZE, 3))
            self.open[kind] = keras.Model(pixels, self.head(self.base(pixels)))
            self.open[kind].compile(optimizer, models.LOSS)
            self.open[kind].optimizer.build(self.open[kind].trainable_variables)
        self.maps = self.base.predict(self.pixels["train"], batch_size=50, verbose=0)

    def heads(self, seed):
        """Give the weights of a new head, and of the same head trained on the frozen base."""
        keras.utils.set_random_seed(seed)
        for layer in self.head.layers:
            if isinstance(layer, keras.layers.Dense):
                # A layer's own initializer would give the same numbers for every seed.
                layer.kernel.assign(keras.initializers.GlorotUniform(seed)(layer.kernel.shape))
                layer.bias.assign(np.zeros(layer.bias.shape))
        random = self.head.get_weights()
        self.head.compile(keras.optimizers.Adam(1e-3), models.LOSS)
        self.head.fit(
            self.maps, self.data.train.labels, batch_size=BATCH, epochs=HEAD_EPOCHS, verbose=0
        )
        return {"random": random, "trained": self.head.get_weights()}

    def gradient(self):
        """Give the length of the base's gradient, of every tenth picture's loss, no dropout."""
        with tf.GradientTape() as tape:
            answers = self.open["adam"](self.pixels["train"][::10], training=False)
            loss = keras.losses.sparse_categorical_crossentropy(
                self.data.train.labels[::10], answers
            )
            loss = tf.reduce_mean(loss)
        found = tape.gradient(loss, self.base.trainable_weights)
        return float(tf.linalg.global_norm(found))

    def run(self, head, way, seed):
        """Train an epoch with everything open; leaves the base as it then is."""
        kind, rate = WAYS[way]
        self.base.set_weights(self.start)
        self.head.set_weights(head)
        optimizer = self.open[kind].optimizer
        for variable in optimizer.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))
        optimizer.learning_rate = rate
        keras.utils.set_random_seed(seed)
        order = np.random.default_rng(seed).permutation(len(self.data.train))
        pixels, labels = self.pixels["train"][order], self.data.train.labels[order]
        self.open[kind].fit(pixels, labels, batch_size=BATCH, epochs=1, verbose=0)

    def judged(self):
        """Train a new linear classifier on the base as it is; give its answers on validation."""
        found = {
            name: self.base.predict(pixels, batch_size=50, verbose=0).mean((1, 2))
            for name, pixels in self.pixels.items()
        }
        classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
        classifier.fit(found["train"], self.data.train.labels)
        return classifier.predict(found["validation"])

    def moved(self):
        """Give how far the base's trainable weights are from their start, as a share of it."""
        pairs = [
            (weight.numpy(), old)
            for weight, old in zip(self.base.weights, self.start, strict=True)
            if any(weight is one for one in self.base.trainable_weights)
        ]
        far, long = (
            sum(float((x**2).sum()) for x in xs)
            for xs in ([new - old for new, old in pairs], [old for _, old in pairs])
        )
        return (far / long) ** 0.5


def wrong(split, predicted):
    """Predictions as records keep them, so that `results.recall_predictions` can read them."""
    places = np.flatnonzero(predicted != split.labels)
    answers = " ".join(f"{i}:{int(predicted[i])}" for i in places)
    return {"pictures": len(split), "of": split.key("predictions"), "wrong": answers}


def first_steps():
    """Give the size of an optimizer's first step, over its rate, for slopes of three sizes."""
    numbers = {}
    for kind in ("Adam", "RMSprop", "SGD"):
        for said, slope in (("small", 1e-4), ("middle", 1e-2), ("large", 1e2)):
            weight = keras.Variable(0.0)
            optimizer = getattr(keras.optimizers, kind)(1e-3)
            optimizer.apply([tf.constant(slope)], [weight])
            numbers[f"{kind.lower()}_first_step_{said}"] = round(-float(weight) / 1e-3, 4)
    return numbers


def main(name="drawn_pets"):
    """Run what is not stored yet, print, and store after each seed."""
    data = datasets.load(name, per_class=0 if name == "drawn_pets" else PER_CLASS)
    split, entry = data.validation, results.load_stored("random_head").get(name)
    if not entry or entry["predictions"]["untouched"]["of"] != split.key("predictions"):
        entry = {"numbers": {}, "predictions": {}}
    numbers, predictions = entry["numbers"], entry["predictions"]
    numbers |= {"pictures": len(data.train), "validation_pictures": len(split)}
    experiment = Experiment(data)
    predictions["untouched"] = wrong(split, experiment.judged())
    untouched = 1 - len(predictions["untouched"]["wrong"].split()) / len(split)
    numbers["untouched_accuracy"] = round(untouched, 6)
    numbers |= first_steps()
    heads = {}
    for way, seed in itertools.product(WAYS, SEEDS):
        if f"trained_{way}_seed{seed}" in predictions:
            continue
        heads[seed] = heads.get(seed) or experiment.heads(seed)
        for head in HEADS:
            experiment.run(heads[seed][head], way, seed)
            run, predicted = f"{head}_{way}_seed{seed}", experiment.judged()
            predictions[run] = wrong(split, predicted)
            numbers[f"{run}_accuracy"] = float((predicted == split.labels).mean())
            numbers[f"{run}_moved"] = round(experiment.moved(), 6)
            print(run, numbers[f"{run}_accuracy"], numbers[f"{run}_moved"], flush=True)
            experiment.base.set_weights(experiment.start)
            experiment.head.set_weights(heads[seed][head])
            numbers[f"{head}_seed{seed}_gradient"] = round(experiment.gradient(), 4)
        for head in HEADS if seed == SEEDS[-1] else ():
            runs = [numbers[f"{head}_{way}_seed{s}_accuracy"] for s in SEEDS]
            numbers[f"{head}_{way}_mean_accuracy"] = round(float(np.mean(runs)), 6)
        about = {"lesson": "random_head", "profile": name, "headline": "untouched_accuracy"}
        entry = about | {"seed": 1, "numbers": numbers, "predictions": predictions}
        results.store({name: entry | results.provenance()}, "random_head")


if __name__ == "__main__":
    main(*sys.argv[1:])
