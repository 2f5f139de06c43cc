"""`kill -9` at random moments: the next run completes, and its numbers are an undisturbed run's."""

import hashlib
import http.server
import io
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import suppress

import numpy as np
import pytest

from tests.conftest import write_classes
from utils import backbones, datasets, features, results
from utils.base.folders import ROOT

# Four moments by day, and eight more at night: twelve, as README's table counts them.
MOMENTS = pytest.mark.parametrize("moments", [4, pytest.param(8, marks=pytest.mark.nightly)])
# Goes before each script below. They say "ready" when the work begins, and print what they made.
DIGEST = """
import hashlib, pathlib
def digest(folder, ending):
    files = sorted(p for p in pathlib.Path(folder).rglob(f"*{ending}") if p.name[0] != ".")
    said = hashlib.sha256()
    for path in files:
        said.update(path.name.encode() + path.read_bytes())
    print(len(files), said.hexdigest())
"""
DRAWING = """
from utils import datasets
from utils.sources import drawn_pets
from utils.base.folders import data_dir
drawn_pets.SPLIT_COUNTS = {"train": 60, "validation": 20, "test": 20}
print("ready", flush=True)
datasets.load("drawn_pets")
digest(data_dir() / "drawn_pets", ".jpg")
"""
DOWNLOADING = """
import os
from dataclasses import replace
from utils import datasets
from utils.sources import registry
from utils.base.folders import data_dir
url, size = os.environ["ARCHIVE"].split()
(filtered,) = registry.ARCHIVES["cats_vs_dogs"]
registry.ARCHIVES["cats_vs_dogs"] = [replace(filtered, url=url, size=int(size))]
registry.COUNTS["cats_vs_dogs"] = {"train": 40, "validation": 20, "test": 20}
print("ready", flush=True)
datasets.load("cats_vs_dogs")
digest(data_dir() / "cats_vs_dogs", ".png")
"""
WRITING = """
import numpy as np
from utils.base import cache
from utils.base.folders import cache_dir
def pieces():
    rng = np.random.default_rng(1)
    for _ in range(200):
        yield rng.normal(size=(50, 1000)).astype("float32")
print("ready", flush=True)
values, _ = cache.kept("features", "key", (10_000, 1000), "float32", pieces)
digest(cache_dir() / "features", ".npy")
"""
# A result is written in a fraction of a millisecond: a random time would hardly ever hit that. So
# this script ends itself, with the same signal, at a random one of its operations on files.
RECORDING = """
import os, signal, sys
from utils import results
results.record("00_a", "drawn", headline="n", seed=1, n=0)
print("ready", flush=True)
left = int(os.environ["OPERATIONS"])
def count(frame, event, function):
    global left
    left -= event == "c_return" and function.__qualname__ in ("TextIOWrapper.write", "replace")
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
sys.setprofile(count)
for turn in range(1, 21):
    results.record("00_a", "drawn", headline="n", seed=1, n=turn)
"""
EXTRACTING = """
import os
from utils import backbones, datasets, features
from utils.base.folders import cache_dir
data = datasets.load(os.environ["PETS"])
base = backbones.build("efficientnet_lite0", 64)
print("ready", flush=True)
features.extract(base, data.train, batch_size=2)
digest(cache_dir() / "features", ".npy")
"""


def start(script, home, **more):
    folders = {f"COURSE_{name}_DIR": str(home / name.lower()) for name in ("DATA", "CACHE")}
    environment = {**os.environ, **folders, **more}
    process = subprocess.Popen(
        [sys.executable, "-c", DIGEST + script],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )
    for line in process.stdout:
        if line == "ready\n":
            return process
    raise AssertionError("it ended before the work began")


def undisturbed(script, home, **more):
    """Seconds of the work, and the digest of what it made."""
    process = start(script, home, **more)
    begun = time.monotonic()
    said = process.stdout.read()
    assert process.wait() == 0, f"it stopped: {said}"
    return time.monotonic() - begun, said.strip().splitlines()[-1]


def killed(script, home, seconds, **more):
    process = start(script, home, **more)
    time.sleep(seconds)
    running = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    return running


def run_again(script, home, **more):
    """The next run, to its end."""
    return undisturbed(script, home, **more)[1]


def check(tally, what, script, tmp_path, moments, run_again=run_again, **more):
    seconds, expected = undisturbed(script, tmp_path / "calm", **more)
    rng = np.random.default_rng()
    in_time = 0
    for moment in range(moments):
        home = tmp_path / str(moment)
        after = (moment + float(rng.uniform())) / moments * seconds  # early and late, and between
        in_time += killed(script, home, after, **more)
        with tally.attempt(f"`kill -9` while {what}"):
            assert run_again(script, home, **more) == expected, (
                f"killed after {after:.3f} of {seconds:.3f} s"
            )
    assert in_time >= moments / 4  # really killed half-way, even if the machine has become faster


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
@pytest.mark.parametrize(
    ("what", "script"),
    [
        ("drawing", DRAWING),
        ("writing the cache", WRITING),
    ],
)
@MOMENTS
def test_killed(tally, tmp_path, what, script, moments):
    check(tally, what, script, tmp_path, moments)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
@MOMENTS
def test_killed_while_recording(tally, home, monkeypatch, moments):
    """A record is one write and one renaming; killed between, the one before is still there."""
    rng = np.random.default_rng()
    for moment, operations in enumerate(rng.integers(1, 41, moments)):
        folder = home / str(moment)
        process = start(RECORDING, folder, OPERATIONS=str(operations))
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        monkeypatch.setenv("COURSE_CACHE_DIR", str(folder / "cache"))
        with tally.attempt("`kill -9` while recording results"):
            assert results.last_run("00_a", "drawn")["numbers"] == {"n": operations // 2}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
@MOMENTS
def test_killed_while_extracting(tally, tmp_path, monkeypatch, moments):
    """The next runs are in this process, for each start of TensorFlow takes seconds."""
    pets = write_classes(tmp_path / "pets", 40)
    base = backbones.build("efficientnet_lite0", 64)

    def extract(script, home, **more):
        monkeypatch.setenv("COURSE_CACHE_DIR", str(home / "cache"))
        features.extract(base, datasets.load(pets).train, batch_size=2)
        (path,) = (home / "cache" / "features").glob("*.npy")
        return f"1 {hashlib.sha256(path.name.encode() + path.read_bytes()).hexdigest()}"

    check(tally, "extracting", EXTRACTING, tmp_path, moments, extract, PETS=str(pets))


@pytest.fixture
def slow_archive(tmp_path):
    """A small archive in the layout of cats_vs_dogs, from a server that takes half a second."""
    made, content = tmp_path / "made", io.BytesIO()
    for split, first in (("train", 0), ("validation", 20)):
        write_classes(made / split, 20, ("cats", "dogs"), first)
    with zipfile.ZipFile(content, "w") as file:
        for path in sorted(made.rglob("*.png")):
            file.write(path, f"cats_and_dogs_filtered/{path.relative_to(made)}")
    body = content.getvalue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            for begin in range(0, len(body), len(body) // 20):
                self.wfile.write(body[begin : begin + len(body) // 20])
                time.sleep(0.025)

        def log_message(self, *_):
            pass

        def handle(self):
            with suppress(ConnectionError):  # the reader was killed
                super().handle()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/cats_and_dogs_filtered.zip {len(body)}"
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
@MOMENTS
def test_killed_while_downloading(tally, tmp_path, slow_archive, moments):
    check(tally, "downloading and unpacking", DOWNLOADING, tmp_path, moments, ARCHIVE=slow_archive)


def test_the_digest_notices_a_change(tmp_path):
    """What all tests above stand on."""
    (tmp_path / "a.jpg").write_bytes(b"1")
    script = DIGEST + "import sys; digest(sys.argv[1], '.jpg')"
    said = []
    for content in (b"1", b"2"):
        (tmp_path / "a.jpg").write_bytes(content)
        command = [sys.executable, "-c", script, str(tmp_path)]
        said.append(subprocess.check_output(command, cwd=ROOT, text=True))
    assert said[0] == f"1 {hashlib.sha256(b'a.jpg1').hexdigest()}\n" != said[1]
