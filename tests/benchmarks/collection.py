"""A large collection: seconds against one process, bytes, memory as it grows, one broken in 10,000.

EfficientNet-Lite0 on drawn pets, for lesson 22. Rates and bytes of 2,000 pictures at 96 pixels, as
in the lesson; a long run, memory and the broken file at 64. Parts are stored one by one. Half an
hour on two quiet cores. What is drawn is removed again, but in a folder that `COLLECTION_SCRATCH`
names, where the next part finds it.

    python -m tests.benchmarks.collection                    # everything
    python -m tests.benchmarks.collection rates 50000        # some parts
"""

import multiprocessing
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
from pyarrow import parquet

from utils import collection, datasets, results
from utils.base import progress
from utils.sources import drawn_pets

BASE = "efficientnet_lite0"
SIZE, SMALL = 96, 64
ROUNDS = 3
NUMBERS = (1_000, 5_000, 20_000, 50_000)
WITH_BROKEN = 10_000
LONG = 20_000
SEED = 9


def one_process(rows, size):
    """Seconds that one process takes, after a batch that does not count."""
    base = collection.pooled(BASE, size)

    def through(rows):
        for first in range(0, len(rows), collection.STEP):
            paths = [row["path"] for row in rows[first : first + collection.STEP]]
            images = collection.read({"path": paths}, size)["image"].astype("float32")
            base.predict(images, batch_size=collection.AT_ONCE, verbose=0)

    through(rows[: collection.STEP])
    start = time.perf_counter()
    through(rows)
    return time.perf_counter() - start


def with_ray(rows, size, actors):
    """Seconds from the call until all files are there, and bytes of the files; Ray is running."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        collection.extract(rows, Path(folder), BASE, size, actors)
        seconds = time.perf_counter() - start
        return seconds, sum(file.stat().st_size for file in Path(folder).glob("*.parquet"))


def in_turns(rows, size, prefix=""):
    """Milliseconds a picture of one process and with actors, the start of actors included."""
    found = {}
    for _ in range(ROUNDS):
        for name, seconds in (
            ("one_process", one_process(rows, size)),
            ("one_actor", with_ray(rows, size, 1)[0]),
            ("two_actors", with_ray(rows, size, 2)[0]),
        ):
            found.setdefault(name, []).append(seconds)
            print(name, round(seconds, 1), flush=True)
    numbers = {f"{prefix}rate_pictures": len(rows)}
    for name, seconds in found.items():
        numbers[f"{prefix}{name}_ms"] = round(1000 * min(seconds) / len(rows), 3)
        numbers[f"{prefix}{name}_slowest_ms"] = round(1000 * max(seconds) / len(rows), 3)
    return numbers


def rates():
    """A short run, and bytes by kind of number."""
    rows = collection.identified(datasets.load("drawn_pets").folder)
    return in_turns(rows, SIZE) | bytes_by_kind(rows)


def bytes_by_kind(rows):
    """Bytes of a picture's row in Parquet, with features in 32 and in 16 bits."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        collection.extract(rows[:1024], folder, BASE, SIZE, 2)
        table = pa.concat_tables(map(parquet.read_table, sorted(folder.glob("*.parquet"))))
        values = np.array(table["features"].to_pylist(), "float16")
        place = table.column_names.index("features")
        halves = [pa.array(row, pa.float16()) for row in values]
        half = table.set_column(place, "features", pa.array(halves, pa.list_(pa.float16())))
        numbers = {}
        for name, one in (("float32", table), ("float16", half)):
            parquet.write_table(one, folder / "one")
            numbers[f"{name}_bytes"] = round((folder / "one").stat().st_size / len(table))
        return numbers


def drawn(task):
    """Draw one picture into a file."""
    path, index = task
    drawn_pets.draw(SEED, index, drawn_pets.CLASS_NAMES[index % 2], SMALL).save(path)


def draw_many(folder, number):
    """Draw so many into sub-folders of 1,000 that are not there yet."""
    tasks = [(folder / f"{i // 1000:03}" / f"{i:06}.jpg", i) for i in range(number)]
    for path in {path.parent for path, _ in tasks}:
        path.mkdir(exist_ok=True)
    tasks = [task for task in tasks if not task[0].exists()]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        done = pool.imap_unordered(drawn, tasks, 100)
        for _ in progress.bar(done, desc="drawing", total=len(tasks)):
            pass


class Memory(threading.Thread):
    """Sums the memory of this process and all below it, shared parts once; keeps the peak."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak, self.over = 0, threading.Event()

    def run(self):
        while not self.over.wait(0.5):
            me = psutil.Process()
            total = 0
            for process in [me, *me.children(recursive=True)]:
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:
                    continue
            self.peak = max(self.peak, total)


def memory(rows):
    """Megabytes at the peak of a run: this process, its actors, and Ray's own."""
    number = len(rows)
    with tempfile.TemporaryDirectory() as output:
        watch = Memory()
        watch.start()
        start = time.perf_counter()
        summary = collection.extract(rows, Path(output), BASE, SMALL, 2)
        seconds = time.perf_counter() - start
        watch.over.set()
        watch.join()
    assert summary.computed == number and not summary.unreadable
    return {
        f"n{number}_peak_megabytes": round(watch.peak / 1e6),
        f"n{number}_seconds": round(seconds, 1),
    }


def broken(rows):
    """Is one file that was cut short named, among 10,000, and nothing else lost?"""
    one = Path(rows[WITH_BROKEN // 3]["path"])
    whole = one.read_bytes()
    one.write_bytes(whole[: len(whole) // 2])
    try:
        with tempfile.TemporaryDirectory() as output:
            summary = collection.extract(rows, Path(output), BASE, SMALL, 2)
            there = len(collection.done(Path(output)))
    finally:
        one.write_bytes(whole)
    named = [*summary.unreadable] == [rows[WITH_BROKEN // 3]["identifier"]]
    return {"broken_of": WITH_BROKEN, "broken_named": int(named), "broken_rows": there}


def main():
    """Run the parts that are asked for, print and store each."""
    asked = sys.argv[1:] or ["rates", "long", "broken", *map(str, NUMBERS)]
    own = tempfile.TemporaryDirectory(prefix="drawn-")
    scratch = Path(os.environ.get("COLLECTION_SCRATCH") or own.name)
    scratch.mkdir(exist_ok=True)
    known = results.load_stored("collection").get("collection", {}).get("numbers", {})
    for part in asked:
        collection.start(cores=2)
        if part == "rates":
            found = rates()
        else:
            number = {"broken": WITH_BROKEN, "long": LONG}.get(part) or int(part)
            draw_many(scratch, number)
            rows = collection.identified(scratch)[:number]
            if part == "long":
                found = in_turns(rows, SMALL, "long_")
            else:
                found = broken(rows) if part == "broken" else memory(rows)
        print(found, flush=True)
        known |= found
        entry = {
            "lesson": "collection",
            "profile": "drawn_pets",
            "headline": "two_actors_ms",
            "seed": SEED,
            "numbers": known,
            **results.provenance(),
        }
        results.store({"collection": entry}, "collection")


if __name__ == "__main__":
    main()
