"""The course's command line, `python -m utils.course`, and the one place where seeds are set."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from utils.base.folders import cache_dir, data_dir


def set_seed(seed: int) -> None:
    """Set every seed: Python's, NumPy's, TensorFlow's and Keras's. Taught in lesson 00.

    On one machine with one thread layout the lessons then give the same numbers; on another
    processor sums are rounded in another order, and numbers are close but not equal.
    """
    from utils.base.framework import keras

    keras.utils.set_random_seed(seed)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 good, 1 not as wanted, 2 an error."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 2
    from utils.running.lessons import CourseError

    try:
        return options.action(options)
    except (CourseError, OSError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser():
    parser = argparse.ArgumentParser(prog="python -m utils.course", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    check = commands.add_parser("check", help="what is installed, and what works without a network")
    check.set_defaults(action=_check)
    licences = commands.add_parser("licences", help="of all packages, weights and data sets")
    licences.set_defaults(action=_licences)
    run = commands.add_parser("run", help="run lessons and show what they measured")
    run.add_argument("lessons", nargs="*", help="beginnings of names, such as 02; none: the core")
    run.add_argument("--profile", default="drawn")
    run.add_argument("--cell-timeout", type=int, default=600, help="seconds a cell may take")
    run.add_argument("--store", action="store_true", help="keep the results in notebooks/results")
    run.set_defaults(action=_run)
    lab = commands.add_parser("lab", help="open JupyterLab on the lessons")
    lab.add_argument("--profile", default="drawn")
    lab.add_argument("options", nargs="*", help="for JupyterLab, after --, such as --no-browser")
    lab.set_defaults(action=_lab)
    pack = commands.add_parser("bottleneck", help="write what a network says of a data set")
    pack.add_argument("--network", default="efficientnet_lite0")
    pack.add_argument("--dataset", default="drawn_pets", help="a name, or the path of a folder")
    pack.add_argument("--per-class", type=int, default=100, help="training pictures; 0: all")
    pack.add_argument("--image_size", type=int, default=0, help="side; 0: the network's own")
    pack.add_argument("--output", type=Path, default=None, help="folder of the packs")
    pack.set_defaults(action=_bottleneck)
    head = commands.add_parser("train-head", help="train a softmax on two such packs")
    head.add_argument("--training_file", type=Path, required=True)
    head.add_argument("--validation_file", type=Path, required=True)
    head.add_argument("--epochs", type=int, default=50)
    head.add_argument("--batch_size", type=int, default=64)
    head.add_argument("--learning_rate", type=float, default=1e-2)
    head.add_argument("--seed", type=int, default=1)
    head.set_defaults(action=_train_head)
    readme = commands.add_parser("readme", help="bring README and the page of results up to date")
    readme.set_defaults(action=_readme)
    return parser


def _check(options):
    from utils.running.environment import report

    text, good = report()
    print(text)
    if not good:
        print("Some packages differ: run `pip install --no-deps -r requirements.lock`")
    return 0 if good else 1


def _licences(options):
    from utils.running.environment import licences

    print(licences())
    return 0


def _run(options):
    from utils import results
    from utils.running import lessons

    chosen, runs = lessons.choose(options.lessons), []
    for lesson in chosen:  # a wrong parameter is said before the first lesson starts
        lessons.parameters(lesson, options.profile)
    for number, lesson in enumerate(chosen, 1):
        position = f"{number}/{len(chosen)}"
        runs.append(lessons.run(lesson, options.profile, options.cell_timeout, position))
        if options.store:
            results.store({lesson: runs[-1].entry}, options.profile)
            if not lessons.parameters(lesson, options.profile):
                lessons.store_outputs(runs[-1])
    print(_table(runs))
    return 0


def _table(runs):
    rows = [("lesson", "headline number", "", "seconds", "notebook (its HTML copy lies beside it)")]
    for run in runs:
        name = run.entry["headline"]
        seconds = f"{run.entry['seconds']:.0f}" + (" (earlier)" if run.skipped else "")
        value = run.entry["numbers"][name]
        shown = os.path.relpath(run.notebook)
        rows.append((run.lesson, name.replace("_", " "), f"{value:.3f}", seconds, shown))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def _lab(options):
    from utils.running import lessons

    folder = lessons.NOTEBOOKS
    if options.profile != "drawn":
        folder = lessons.prepare(options.profile)
        print(f"Copies with the {options.profile} parameters are in {folder}")
    # No news fetched or asked about, no updates looked for: nothing leaves the computer unasked.
    # What goes to a kernel and back is encrypted, where ZeroMQ can do that.
    private = [
        f"--LabApp.app_settings_dir={lessons.PROFILES / 'jupyterlab'}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        f"--MappingKernelManager.transport_encryption={lessons.ENCRYPTION}",
    ]
    command = [sys.executable, "-m", "jupyter", "lab", f"--notebook-dir={folder}", *private]
    return subprocess.call([*command, *options.options])


def _bottleneck(options):
    from utils import bottleneck, datasets

    data = datasets.load(options.dataset)
    folder = options.output or cache_dir() / "bottleneck"
    for path in bottleneck.write(
        data, options.network, folder, options.per_class, options.image_size
    ):
        shape = bottleneck.read(path).features.shape
        print(f"{os.path.relpath(path)}  {' × '.join(map(str, shape))}")
    return 0


def _train_head(options):
    from utils import bottleneck, checks, plots

    train, validation = map(bottleneck.read, (options.training_file, options.validation_file))
    set_seed(options.seed)
    trained = bottleneck.train_head(
        train, validation, options.epochs, options.batch_size, options.learning_rate, verbose=2
    )
    stem = options.training_file.with_suffix("")
    head, curve = (
        stem.with_name(f"{stem.name}_head.keras"),
        stem.with_name(f"{stem.name}_curve.png"),
    )
    trained.head.save(head)
    plots.curves(trained.history, f"A softmax on {stem.name}").savefig(curve)
    print("validation accuracy", checks.with_interval(trained.accuracy, len(validation.labels)))
    print(f"{os.path.relpath(head)}\n{os.path.relpath(curve)}")
    return 0


def _readme(options):
    from utils.running import readme

    readme.write()
    return 0


if __name__ == "__main__":
    data_dir().mkdir(parents=True, exist_ok=True)
    sys.exit(main())
