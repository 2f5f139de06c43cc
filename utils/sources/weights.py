"""Pretrained weights: from the weights folder, an installed package, or Keras's download."""

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from utils.base.folders import weights_dir
from utils.base.framework import keras
from utils.sources.efficientnet_lite import weights_path

ABSURD = 1e6  # no weight or average of a trained network is as large; damaged bytes often are


class WeightsError(RuntimeError):
    """Weights that cannot be had or do not fit, with the way out in one sentence."""


def load(
    name: str, builder: Callable, weights: str | Path, include_top: bool, shape: tuple, *about
) -> keras.Model:
    """Build a network as its source does, with its weights and without our preprocessing.

    `builder` has the arguments of `keras.applications`; `weights` is "imagenet" or the path of a
    file; `about` are the megabytes of Keras's download (0: they are in a package) and its licence.
    Raises WeightsError: weights that are not there, do not fit, or cannot be downloaded.
    """
    path = Path(weights)
    if weights == "imagenet":
        path = _file(name, include_top)
        if not path.exists():
            return _from_package_or_download(name, builder, include_top, shape, *about)
    model = builder(include_top=include_top, weights=None, input_shape=shape)
    try:
        with warnings.catch_warnings():
            # Of a file that does not fit Keras says each missing piece; one sentence follows here.
            warnings.filterwarnings("ignore", "Skipping nested container")
            model.load_weights(path)
        if not all(np.all(np.abs(array) < ABSURD) for array in model.get_weights()):
            raise ValueError("it holds numbers that no training gives")
    except Exception as error:  # h5py and Keras raise many kinds for a file that does not fit
        reason = "it is not there" if not path.exists() else "it is damaged or of another network"
        raise WeightsError(f"{path} does not fit {name}: {reason}; remove or replace it") from error
    return model


def _file(name, include_top):
    return weights_dir() / f"{name}{'_with_top' if include_top else ''}.weights.h5"


def _from_package_or_download(name, builder, include_top, shape, megabytes, licence):
    if megabytes and not _downloaded(name, include_top):
        what = f"Downloading about {megabytes} MB of {name} weights (ImageNet)"
        print(f"{what} from storage.googleapis.com to Keras's cache (licence: {licence})")
    try:
        return builder(include_top=include_top, weights="imagenet", input_shape=shape)
    except Exception as error:
        if not megabytes:
            raise
        raise WeightsError(
            f"the weights of {name} could not be downloaded ({type(error).__name__}): connect and "
            f"run again, or put {_file(name, include_top).name} into {weights_dir()}, or use "
            "efficientnet_lite0, whose weights are installed"
        ) from error


def _downloaded(name, include_top):
    """Whether Keras's own cache holds the file already."""
    stem = {"efficientnet_b5": "efficientnetb5"}.get(name, name)
    folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"
    return any(("notop" in p.name) != include_top for p in folder.glob(f"{stem}_*.h5"))


def available(name: str, megabytes: int, include_top: bool = False) -> str:
    """Say where a network's weights are on this machine, "" if a download is needed."""
    if _file(name, include_top).exists():
        return "weights folder"
    if not megabytes:
        return "installed package" if weights_path().exists() else ""
    return "Keras's cache" if _downloaded(name, include_top) else ""
