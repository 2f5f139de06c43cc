"""What a base says of a large collection, in Parquet files: on one computer or many, with restarts.

Lesson 22 builds it up by hand. Each file is complete, and what stands in one is not computed again.
"""

import atexit
import hashlib
import json
import logging
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils import backbones, features
from utils.base import framework, pictures, progress
from utils.base.folders import ROOT, remove_stale_partials, whole_file
from utils.base.framework import keras, layers
from utils.sources.class_folders import picture_files

SETTINGS = "settings.json"
STEP = 64  # pictures that are read in one task
AT_ONCE = 32  # and that go through the network together


class CollectionError(ValueError):
    """A folder, or an output of other settings, that cannot be used, and what to do about it."""


@dataclass(frozen=True)
class Summary:
    """What a run found and did."""

    pictures: int  # that were asked for
    computed: int  # by this run; the others stood in the output already
    unreadable: dict[str, str]  # identifier → reason, of this and earlier runs


def start(address: str = "", cores: int = 2) -> None:
    """Start Ray on this computer, or join the cluster at an address; lesson 22.

    Started here, it listens on this computer only; its statistics about use are off.
    Called again, it does nothing. `ray.shutdown()` ends it.
    """
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_BACKEND_LOG_LEVEL="fatal")
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"  # a note about hardware
    variables = dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
    variables |= {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONPATH": str(ROOT)}
    how = {"log_to_driver": False, "runtime_env": {"env_vars": variables}}
    if address:
        how["address"] = address
    else:
        # Its way to say that everything listens on loopback only, on every system.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        how |= {"num_cpus": cores, "object_store_memory": 300_000_000, "include_dashboard": False}
    with framework.silence():
        import ray
        import ray.data

        if not ray.is_initialized():
            folder = tempfile.mkdtemp(prefix="ray-")
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            ray.init(**how | ({} if address else {"_temp_dir": folder}))
    ray.data.DataContext.get_current().enable_progress_bars = False  # we show one of our own
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def identified(folder: Path) -> list[dict[str, str]]:
    """Name every picture file of a folder, sorted; lesson 22.

    Returns rows of an identifier, the path within the folder with "/" on every system, and a path.
    """
    rows = [(path.relative_to(folder).as_posix(), str(path)) for path in picture_files(folder)]
    return [{"identifier": identifier, "path": path} for identifier, path in sorted(rows)]


def read(batch: dict[str, np.ndarray], image_size: int) -> dict[str, np.ndarray]:
    """Add `image`, uint8 (n, image_size, image_size, 3), and `reason`, "" if it could be read."""
    images = np.zeros((len(batch["path"]), image_size, image_size, 3), "uint8")
    reasons = []
    for i, path in enumerate(batch["path"]):
        try:
            images[i], reason = pictures.read(path, (image_size, image_size)), ""
        except pictures.PictureError as error:
            reason = str(error).removeprefix(f"{path}: ")
        reasons.append(reason)
    return batch | {"image": images, "reason": np.array(reasons, object)}


def pooled(backbone: str, image_size: int) -> keras.Model:
    """Build a frozen base that gives one vector a picture, the mean over places; lesson 22."""
    base = backbones.build(backbone, image_size)
    return keras.Model(base.input, layers.GlobalAveragePooling2D()(base.output), name=backbone)


class Extractor:
    """A worker that keeps a base and writes what it says, a whole file for each batch."""

    def __init__(self, backbone: str, image_size: int, output: str):
        self.base, self.output = pooled(backbone, image_size), Path(output)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Write `identifier`, `path`, `reason` and `features` of a batch; give the identifiers."""
        import pyarrow as pa
        from pyarrow import parquet

        good = np.array([not reason for reason in batch["reason"]])
        values = np.zeros((len(good), *self.base.output_shape[1:]), "float32")
        if good.any():
            images = batch["image"][good].astype("float32")
            values[good] = self.base.predict(images, batch_size=AT_ONCE, verbose=0)
        kept = [row if ok else None for row, ok in zip(values, good, strict=True)]
        columns = {name: batch[name].tolist() for name in ("identifier", "path", "reason")}
        kind = pa.list_(pa.float32(), values.shape[1])
        table = pa.table(columns | {"features": pa.array(kept, kind)})
        name = hashlib.sha256("\n".join(batch["identifier"]).encode()).hexdigest()[:16]
        with whole_file(self.output / f"{name}.parquet") as partial:
            parquet.write_table(table, partial)
        return {"identifier": batch["identifier"]}


def extract(
    rows: list[dict[str, str]],
    output: Path,
    backbone: str,
    image_size: int,
    actors: int = 2,
    batch: int = 256,
) -> Summary:
    """Write what a base says of pictures, once Ray was started; lesson 22.

    Args:
        rows: of `identifier` and `path`, as `identified` gives them.
        output: a folder; on a cluster it and the paths are such that every computer sees them.
        actors: copies of the network that run at once; each takes a core and some 750 MB.
        batch: pictures in a file; a run that is killed loses at most so many for each actor.

    Raises:
        CollectionError: no rows, or an output that was written with other settings.
    """
    import ray.data

    if not rows:
        raise CollectionError("there is no picture: name a folder that holds some")
    output = Path(output).absolute()
    agree(output, backbone, image_size)
    remove_stale_partials(output)
    there = done(output)
    missing = [row for row in rows if row["identifier"] not in there]
    if missing:
        data = ray.data.from_items(missing)
        data = data.map_batches(read, batch_size=STEP, fn_kwargs={"image_size": image_size})
        how = {"backbone": backbone, "image_size": image_size, "output": str(output)}
        data = data.map_batches(
            Extractor, batch_size=batch, fn_constructor_kwargs=how, concurrency=actors
        )
        with progress.bar(total=len(missing), desc=f"{backbone}, {len(missing):,} pictures") as bar:
            for written in data.iter_batches(batch_size=None):
                bar.update(len(written["identifier"]))
    return Summary(len(rows), len(missing), unreadable(output))


def agree(output: Path, backbone: str, image_size: int) -> None:
    """Write an output's settings, or compare them with those there; else a CollectionError."""
    digest = features.model_digest(pooled(backbone, image_size))
    wanted = {"backbone": backbone, "image_size": image_size, "model": digest}
    path = output / SETTINGS
    if not path.exists():
        with whole_file(path) as partial:
            partial.write_text(json.dumps(wanted, indent=1), "utf-8")
    elif (found := json.loads(path.read_text("utf-8"))) != wanted:
        told = f"{found.get('backbone')} at {found.get('image_size')} pixels, or other weights"
        raise CollectionError(f"{output} was written with {told}: name another folder")


def _columns(output, names):
    """Lists of the values in these columns, in all files."""
    from pyarrow import dataset

    if not (files := sorted(map(str, Path(output).glob("*.parquet")))):
        return [[] for _ in names]
    table = dataset.dataset(files).to_table(columns=names)
    return [table[name].to_pylist() for name in names]


def done(output: Path) -> set[str]:
    """Give the identifiers of all pictures that an output has, unreadable ones included."""
    return set(*_columns(output, ["identifier"]))


def unreadable(output: Path) -> dict[str, str]:
    """Give the pictures that could not be read: identifier → reason; lesson 22."""
    pairs = zip(*_columns(output, ["identifier", "reason"]), strict=True)
    return {identifier: reason for identifier, reason in sorted(pairs) if reason}
