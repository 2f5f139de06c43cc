"""What the command `train-head` does: a softmax on one pack, judged on another; lesson 12."""

from utils import bottleneck, checks
from utils.base.framework import keras, layers


def train_head(train, validation, epochs=50, batch_size=64, learning_rate=1e-2, verbose=0):
    """Train a softmax on a `bottleneck.Pack`, and judge it on another after each epoch.

    Returns the head (feature maps to probabilities), its history, the last validation accuracy.
    """
    bottleneck.match(train, validation)
    head = keras.Sequential([keras.Input(train.features.shape[1:])], name="head")
    head.add(layers.Flatten())
    head.add(layers.UnitNormalization())  # equally long codes: one rate fits all networks
    head.add(layers.Dense(len(train.class_names), activation="softmax"))
    optimizer = keras.optimizers.Adam(learning_rate)
    head.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    shown, held_out = ((pack.features, pack.labels) for pack in (train, validation))
    history = head.fit(*shown, batch_size, epochs, verbose, validation_data=held_out).history
    accuracy = float(history["val_accuracy"][-1])
    checks.confusion(validation.labels, head.predict(validation.features, verbose=0), accuracy)
    return head, history, accuracy
