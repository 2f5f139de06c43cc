"""Take each remedy for a fault away, one at a time, and see that its test then fails.

    python -m tests.benchmarks.remedies [--store] [part of a fault's name]

A test of a fault that passes without the remedy proves nothing. All tests named below must pass on
a copy of the course as it is; then each change is made in that copy, its test must fail, and the
change is taken back. Some ten minutes on two quiet cores. With --store the counts are kept in
notebooks/results/remedies.json.
"""

import ast
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from utils import results
from utils.base.folders import ROOT

KILLED, STRANGERS, CLASSROOM = (
    f"tests/faults/test_{name}.py" for name in ("killed", "strangers", "classroom")
)
DOWNLOADS = "tests/unit/test_downloads.py"
# An array written in place and read without its digest, as a plain cache would do it.
IN_PLACE = (
    "utils/base/cache.py",
    "_write",
    '    dtype = dtype.newbyteorder("<")\n',
    '    values, at = np.lib.format.open_memmap(path, "w+", dtype, shape), 0\n'
    "    for piece in compute():\n"
    "        values[at : at + len(piece)] = piece\n"
    "        at += len(piece)\n"
    "    return\n",
)
NO_DIGEST = (
    "utils/base/cache.py",
    "_read",
    '        if digest != path.with_suffix(".sha256").read_text("utf-8").strip():\n',
    "        if False:\n",
)
# Files that get their names before they are complete.
NOT_WHOLE = (
    "utils/base/folders.py",
    "whole_file",
    '    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")\n',
    "    partial = path\n",
)
NOT_REMOVED = (
    "utils/base/folders.py",
    "whole_file",
    "error above\n            _remove(partial)\n",
    "error above\n            pass\n",
)
# What h5py and Keras raise goes through as it is.
NOT_SAID = (
    "utils/sources/weights.py",
    "load",
    "    except Exception as error:  # h5py",
    "    except ZeroDivisionError as error:  # h5py",
)


@dataclass(frozen=True)
class Remedy:
    """What helps against a fault: the change that takes it away, and the test that must notice."""

    fault: str  # as the page of results calls it
    # File, function (or class.method, or constant), what stands in it once, what takes its place.
    changes: list[tuple[str, str, str, str]]
    test: str  # words after `pytest`


REMEDIES = [
    Remedy(
        "`kill -9` while downloading and unpacking",
        [NOT_WHOLE, NOT_REMOVED],
        f"{KILLED} -k downloading",
    ),
    Remedy(
        "`kill -9` while drawing",
        [
            (
                "utils/sources/drawing.py",
                "draw_set",
                'partial = folder.with_name(f".{folder.name}.seeds{seeds}")',
                "partial = folder",
            )
        ],
        f"{KILLED} -k drawing",
    ),
    Remedy("`kill -9` while extracting", [IN_PLACE, NO_DIGEST], f"{KILLED} -k extracting"),
    Remedy("`kill -9` while writing the cache", [IN_PLACE, NO_DIGEST], f"{KILLED} -k writing"),
    Remedy(
        "`kill -9` while recording results",
        [NOT_WHOLE, NOT_REMOVED],
        f"{KILLED} -k recording",
    ),
    Remedy(
        "a cache folder that turns read-only",
        [("utils/base/cache.py", "_usable_folder", "if os.access(folder, os.W_OK):", "if True:")],
        f"{CLASSROOM} -k turns_read_only",
    ),
    Remedy(
        "a clock set back or forward",
        [
            (
                "utils/base/folders.py",
                "remove_stale_partials",
                "if time.time() - partial.stat().st_mtime > 86_400",
                "if abs(time.time() - partial.stat().st_mtime) > 86_400",
            )
        ],
        f"{CLASSROOM} -k clock",
    ),
    Remedy(
        "a download that breaks off half-way",
        [("utils/sources/downloads.py", "_fetch", "    if file.tell():\n", "    if False:\n")],
        f"{DOWNLOADS} -k where_it_broke",
    ),
    Remedy(
        "a full disk, then room again",
        [NOT_REMOVED],
        f"{CLASSROOM} -k a_full_disk",
    ),
    Remedy(
        "a full disk, then room again",
        [
            (
                "utils/base/pictures.py",
                "write",
                "        partial.write_bytes(content.getvalue())\n",
                "        image.save(partial, kind, **options)\n",
            )
        ],
        f"{CLASSROOM} -k drawing_on",
    ),
    Remedy(
        "a pack that is none",
        [
            (
                "utils/bottleneck.py",
                "read",
                "(ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)",
                "OSError",
            )
        ],
        f"{STRANGERS} -k calls_itself",
    ),
    Remedy(
        "a pickle that would run code",
        [("utils/bottleneck.py", "read", "allow_pickle=False", "allow_pickle=True")],
        f"{STRANGERS} -k pack_that_would",
    ),
    Remedy(
        "a pickle that would run code",
        [
            (
                "utils/sources/efficientnet_lite.py",
                "_TensorUnpickler.find_class",
                "if (module, name) not in self.allowed:",
                "if False:",
            ),
            (
                "utils/sources/efficientnet_lite.py",
                "_TensorUnpickler.find_class",
                "return self.allowed[module, name]",
                "return self.allowed.get((module, name)) or super().find_class(module, name)",
            ),
        ],
        "tests/unit/test_efficientnet_lite.py -k would_run",
    ),
    Remedy(
        "a pickle that would run code",
        [
            (
                "utils/base/framework.py",
                "layers",
                "layers = keras.layers\n",
                "layers = keras.layers\nkeras.config.enable_unsafe_deserialization()\n",
            )
        ],
        f"{STRANGERS} -k lambda",
    ),
    Remedy(
        "a server that answers wrongly",
        [("utils/sources/downloads.py", "_fetch", "        response.raise_for_status()\n", "")],
        f"{DOWNLOADS} -k bad_answer",
    ),
    Remedy(
        "a server that answers wrongly",
        [
            (
                "utils/sources/downloads.py",
                "_fetch",
                '.startswith("text/html"):',
                '.startswith("nothing"):',
            )
        ],
        f"{DOWNLOADS} -k bad_answer",
    ),
    Remedy(
        "a server that answers wrongly",
        [
            (
                "utils/sources/downloads.py",
                "_verify",
                "    if size != archive.size:\n",
                "    if False:\n",
            )
        ],
        f"{DOWNLOADS} -k bad_answer",
    ),
    Remedy(
        "a server that answers wrongly",
        [
            (
                "utils/sources/downloads.py",
                "_verify",
                "        if digest != archive.sha256:\n",
                "        if False:\n",
            )
        ],
        f"{DOWNLOADS} -k bad_answer",
    ),
    Remedy(
        "a slow or busy server",
        [("utils/sources/downloads.py", "ATTEMPTS", "ATTEMPTS = 3 ", "ATTEMPTS = 1 ")],
        f"{DOWNLOADS} -k busy",
    ),
    Remedy(
        "a slow or busy server",
        [("utils/sources/downloads.py", "_fetch", "timeout=TIMEOUT", "timeout=None")],
        f"{DOWNLOADS} -k silent",
    ),
    Remedy(
        "an archive cut short or damaged",
        [
            (
                "utils/sources/downloads.py",
                "unpack",
                "(ValueError, zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError)",
                "ValueError",
            )
        ],
        f"{DOWNLOADS} -k truncated_tar",
    ),
    Remedy(
        "an archive that grows",
        [
            (
                "utils/sources/downloads.py",
                "unpack",
                "for _, _, size, _ in members) > limit:",
                "for _ in ()) > limit:",
            )
        ],
        f"{DOWNLOADS} -k grows",
    ),
    Remedy(
        "an archive that reaches outside its folder",
        [
            (
                "utils/sources/downloads.py",
                "unpack",
                "                _check_member(name, plain)\n",
                "                pass\n",
            )
        ],
        f"{DOWNLOADS} -k reaches_outside",
    ),
    Remedy(
        "damaged or odd pictures (each file)",
        [
            (
                "utils/sources/folder.py",
                "look_at",
                "look_alikes.look(pictures.read(path, (64, 64)))",
                '"00" * 192',
            )
        ],
        f"{STRANGERS} -k mutated",
    ),
    Remedy(
        "lessons at once on one cache",
        [
            (
                "utils/running/lessons.py",
                "run",
                "{uuid.uuid4().hex[:8]}.partial.ipynb",
                "partial.ipynb",
            )
        ],
        f"{CLASSROOM} -k two_lessons",
    ),
    Remedy(
        "pictures with the camera's rotation mark",
        [
            (
                "utils/base/pictures.py",
                "_convert",
                "    image = ImageOps.exif_transpose(image)\n",
                "",
            )
        ],
        f"{STRANGERS} -k upright",
    ),
    Remedy(
        "ten learners on one shared read-only data folder",
        [
            (
                "utils/sources/folder.py",
                "_look_at_all",
                'memory = _memory("looks", folder)',
                'memory = folder / ".pictures.json"',
            ),
            (
                "utils/sources/folder.py",
                "_remember",
                '        print(f"Not remembered for next',
                '        raise\n        print(f"',
            ),
        ],
        f"{CLASSROOM} -k ten_learners",
    ),
    Remedy(
        "weights file truncated",
        [NOT_SAID],
        f"{STRANGERS} -k test_truncated_weights",
    ),
    Remedy(
        "weights file, every 1,000th byte flipped",
        [NOT_SAID],
        f"{STRANGERS} -k thousandth",
    ),
    Remedy(
        "weights file with a known digest, one bit flipped",
        [
            (
                "utils/sources/efficientnet_lite.py",
                "load_weights",
                "    if hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256:\n",
                "    if False:\n",
            )
        ],
        f"{STRANGERS} -k packages_weights",
    ),
    Remedy(
        "weights of another network",
        [NOT_SAID],
        f"{STRANGERS} -k weights_of_another",
    ),
    Remedy(
        "weights that are no numbers, or absurd",
        [("utils/sources/weights.py", "load", "np.abs(array) < ABSURD", "True")],
        f"{STRANGERS} -k no_training",
    ),
]


def lines_of(text: str, name: str) -> slice:
    """Where a function, a class's method or a constant stands among the lines of a module."""
    node = ast.parse(text)
    for part in name.split("."):
        (node,) = [
            one
            for one in node.body
            if part == getattr(one, "name", None)
            or (isinstance(one, ast.Assign) and part == getattr(one.targets[0], "id", None))
        ]
    return slice(node.lineno - 1, node.end_lineno)


def without(text: str, name: str, old: str, new: str) -> str:
    """A module's text with one change in one of its functions."""
    lines = text.splitlines(keepends=True)
    there = lines_of(text, name)
    part = "".join(lines[there])
    assert part.count(old) == 1, f"{name} holds {old!r} {part.count(old)} times"
    return "".join([*lines[: there.start], part.replace(old, new), *lines[there.stop :]])


def change(folder: Path, changes) -> None:
    """Make changes in a copy of the course."""
    for file, name, old, new in changes:
        path = folder / file
        path.write_text(without(path.read_text("utf-8"), name, old, new), "utf-8")


def failure(folder: Path, test: str) -> str:
    """Run a test in the copy; returns the first line of what went wrong, "" if it passed."""
    options = ["-m", "", "-x", "-q", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, *test.split()]
    place = {"COURSE_DATA_DIR": str(folder / "data"), "PYTHONDONTWRITEBYTECODE": "1"}
    place["PYTHONPATH"] = str(folder)  # kernels, too, import the copy
    done = subprocess.run(
        command, cwd=folder, env=os.environ | place, capture_output=True, text=True
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr  # 5: no such test
    assert "skipped" not in done.stdout, f"{test} was skipped"
    said = [line for line in done.stdout.splitlines() if line.startswith("E  ")]
    return " ".join(said[0].split()) if done.returncode else ""


def main(*arguments: str) -> int:
    """Check the chosen remedies; returns 1 if a test did not notice."""
    wanted = [argument for argument in arguments if argument != "--store"]
    chosen = [remedy for remedy in REMEDIES if all(part in remedy.fault for part in wanted)]
    files = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    counts = {}
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "course"
        for name in files:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy / name)
        for test in {remedy.test for remedy in chosen}:
            assert not (why := failure(copy, test)), f"{test} fails as it is: {why}"
        for remedy in chosen:
            change(copy, remedy.changes)
            why = failure(copy, remedy.test)
            for file, *_ in remedy.changes:
                shutil.copyfile(ROOT / file, copy / file)
            print(f"{remedy.fault}, {remedy.test}: {why or 'NOT NOTICED'}", flush=True)
            numbers = counts.setdefault(remedy.fault, {"taken_away": 0, "noticed": 0})
            numbers["taken_away"] += 1
            numbers["noticed"] += bool(why)
    about = {"lesson": "remedies", "profile": "faults", "headline": "noticed", "seed": 0}
    entries = {
        fault: about | {"numbers": numbers} | results.provenance()
        for fault, numbers in counts.items()
    }
    if "--store" in arguments:
        results.store(entries, "remedies")
    return int(any(one["noticed"] < one["taken_away"] for one in counts.values()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
