"""The command line: what can be asked, and what answers.

Imports stand inside functions: what a person typed wrong is said before TensorFlow is imported.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from utils.base.ranges import misfit
from utils.running.profiles import CourseError


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 good, 1 not as wanted, 2 an error."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.action is None:
        parser.print_help()
        return 2
    try:
        for name, value in vars(options).items():
            whole_default = name == "image_size" and value == 0
            if not whole_default and (wrong := misfit(name, value)):
                raise CourseError(wrong)
        return options.action(options) or 0
    except (CourseError, OSError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser():
    parser = argparse.ArgumentParser(prog="python -m utils.course", description=__doc__)
    parser.set_defaults(action=None)
    commands = parser.add_subparsers()

    def command(name, action, text):
        added = commands.add_parser(name, help=text)
        added.set_defaults(action=action)
        return added

    command("check", _check, "what is installed, and what works without a network")
    command("licences", _licences, "of all packages, weights and data sets")
    command("readme", _readme, "bring README and the page of results up to date")
    run = command("run", _run, "run lessons and show what they measured")
    run.add_argument("lessons", nargs="*", help="beginnings of names, such as 02; none: the core")
    run.add_argument("--profile", default="drawn")
    run.add_argument("--cell-timeout", type=int, default=600, help="seconds a cell may take")
    run.add_argument("--store", action="store_true", help="keep the results in notebooks/results")
    lab = command("lab", _lab, "open JupyterLab on copies of the lessons")
    lab.add_argument("--profile", default="drawn")
    lab.add_argument("--solutions", action="store_true", help="other copies, exercises solved")
    lab.add_argument("--copies", action="store_true", help="only make them, for another program")
    lab.add_argument("options", nargs="*", help="for JupyterLab, after --, such as --no-browser")
    kit = command("kit", _kit, "write what a room without a network needs, for a USB stick")
    kit.add_argument("--folder", type=Path, default=None, help="where; if not given, data/kit")
    kit.add_argument("--systems", nargs="+", help="of linux, macos, windows; all if not given")
    kit.add_argument("--pythons", nargs="+", help="of 3.11, 3.12, 3.13; all if not given")
    marking = command("nbgrader", _nbgrader, "write the lessons as nbgrader assignments")
    marking.add_argument("course", type=Path, help="folder of an nbgrader course")
    colab = command("colab", _colab, "write the core lessons for Colab")
    colab.add_argument("folder", type=Path, help="notebooks/colab, for which `readme` makes badges")
    colab.add_argument("--repository", required=True, help="such as https://github.com/owner/name")
    colab.add_argument("--version", default="main", help="the branch or tag that is fetched there")
    page = command("page", _page, "show what lesson 21's classifier sees in a photograph")
    page.add_argument("--profile", default="drawn")
    page.add_argument("--port", type=int, default=8765)
    page.add_argument("--no-browser", action="store_true", help="only print the address")
    site = command("site", _site, "build the course as a static site, from the stored lessons")
    site.add_argument("--folder", type=Path, default=None, help="where; if not given, data/site")
    pack = command("bottleneck", _bottleneck, "write what a network says of a data set")
    pack.add_argument("--network", default="efficientnet_lite0")
    pack.add_argument("--dataset", default="drawn_pets", help="a name, or the path of a folder")
    pack.add_argument("--per-class", type=int, default=100, help="training pictures; 0: all")
    pack.add_argument("--image_size", type=int, default=0, help="side; 0: the network's own")
    pack.add_argument("--output", type=Path, default=None, help="folder of the packs")
    large = command("collection", _collection, "write what a network says of a large collection")
    large.add_argument("folder", type=Path, help="of pictures, in folders as you like")
    large.add_argument("--output", type=Path, required=True, help="folder of the Parquet files")
    large.add_argument("--network", default="efficientnet_lite0")
    large.add_argument("--image_size", type=int, default=0, help="side; 0: the network's own")
    large.add_argument("--actors", type=int, default=2, help="copies of the network at work")
    large.add_argument("--address", default="", help="of a Ray cluster; without, this computer")
    head = command("train-head", _train_head, "train a softmax on two such packs")
    head.add_argument("--training_file", type=Path, required=True)
    head.add_argument("--validation_file", type=Path, required=True)
    head.add_argument("--epochs", type=int, default=50)
    head.add_argument("--batch_size", type=int, default=64)
    head.add_argument("--learning_rate", type=float, default=1e-2)
    head.add_argument("--seed", type=int, default=1)
    return parser


def _check(options):
    from utils.running import environment

    text, good = environment.report()
    print(text)
    return not good


def _licences(options):
    from utils.running import environment

    print(environment.licences())


def _run(options):
    from utils.running import lessons, pages, profiles

    chosen, runs = lessons.choose(options.lessons), []
    given = {lesson: profiles.parameters(lesson, options.profile) for lesson in chosen}
    for number, lesson in enumerate(chosen, 1):
        position = f"{number}/{len(chosen)}"
        runs.append(lessons.run(lesson, options.profile, options.cell_timeout, position))
        if options.store:
            from utils import results

            results.store({lesson: runs[-1].entry}, options.profile)
            if not given[lesson]:
                pages.store_outputs(runs[-1].notebook, runs[-1].entry)
    row = "{:34}{:36}{:7}{:15}{}".format
    print(row("lesson", "headline number", "", "seconds", "notebook"))
    for run in runs:
        name, where = run.entry["headline"], os.path.relpath(run.notebook)
        value, seconds = run.entry["numbers"][name], f"{run.entry['seconds']:.0f}"
        seconds += " (earlier)" if run.skipped else ""
        print(row(run.entry["lesson"], name.replace("_", " "), f"{value:.3f}", seconds, where))


def _lab(options):
    from urllib.parse import quote

    from utils.running import copies
    from utils.running.lessons import encryption

    folder, said = copies.prepare(options.profile, options.solutions)
    print(f"Your copies of the lessons are in {folder}", *said, sep="\n", flush=True)
    if options.copies:
        return 0
    settings = [
        f"--notebook-dir={folder}",
        f"--LabApp.app_settings_dir={copies.JUPYTERLAB}",
        f"--LabApp.workspaces_dir={folder / copies.WORKSPACES}",
        f"--LabApp.default_url=/lab/tree/{quote(copies.START)}",
        # No news fetched or asked about, no updates looked for: nothing leaves unasked.
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        f"--MappingKernelManager.transport_encryption={encryption()}",
    ]
    return subprocess.call([sys.executable, "-m", "jupyter", "lab", *settings, *options.options])


def _kit(options):
    from utils.base.folders import data_dir
    from utils.running import kit

    systems, pythons = options.systems or [*kit.SYSTEMS], options.pythons or [*kit.PYTHONS]
    for given, known in ((systems, kit.SYSTEMS), (pythons, kit.PYTHONS)):
        if unknown := [name for name in given if name not in known]:
            raise CourseError(f"a kit for {unknown[0]!r} cannot be made; known: {', '.join(known)}")
    print(kit.write(options.folder or data_dir() / "kit", systems, pythons))


def _nbgrader(options):
    from utils.running import marking

    print(*marking.write(options.course), f"are written to {options.course / 'source'}", sep="\n")


def _colab(options):
    from utils.running import colab

    colab.write(options.folder, options.repository, options.version)


def _page(options):
    import shutil

    from utils.base.folders import ROOT, data_dir

    folder = data_dir() / "shipped" / options.profile
    if not (folder / "settings.json").exists():
        again = f" --profile {options.profile}" if options.profile != "drawn" else ""
        how = f"python -m utils.course run 21{again}"
        raise CourseError(f"lesson 21 has not left a classifier in {folder}: run it first, `{how}`")
    for name in ("app.py", "page.html"):
        shutil.copy(ROOT / "notebooks" / "page" / name, folder)
    words = ["--port", str(options.port), *(["--no-browser"] if options.no_browser else [])]
    try:
        return subprocess.call([sys.executable, "app.py", *words], cwd=folder)
    except KeyboardInterrupt:
        return 0


def _site(options):
    from utils.running import site

    print(site.write(options.folder))


def _bottleneck(options):
    from utils import datasets

    data = datasets.load(options.dataset)
    from utils import bottleneck  # slow: a wrong name has been said by now

    how = (options.network, options.output, options.per_class, options.image_size)
    for path in bottleneck.write(data, *how):
        shape = bottleneck.read(path).features.shape
        print(f"{os.path.relpath(path)}  {' × '.join(map(str, shape))}")


def _collection(options):
    from utils import checks

    checks.installed("ray", "pyarrow")
    if not options.folder.is_dir():
        raise CourseError(f"there is no folder {options.folder}: name the one of the pictures")
    from utils import backbones, collection

    size = options.image_size or backbones.entry(options.network).image_size
    rows = collection.identified(options.folder)
    collection.start(options.address, options.actors)
    how = (options.output, options.network, size, options.actors)
    summary = collection.extract(rows, *how)
    for identifier, reason in summary.unreadable.items():
        print(f"unreadable: {identifier}: {reason}")
    print(f"{summary.pictures:,} pictures, {summary.computed:,} of them computed in this run")


def _train_head(options):
    for path in (options.training_file, options.validation_file):
        if not path.is_file():
            raise CourseError(f"there is no pack {path}: make it with the bottleneck command")
    from utils import bottleneck, plots, statistics
    from utils.base.framework import keras
    from utils.running.train_head import train_head

    train, validation = map(bottleneck.read, (options.training_file, options.validation_file))
    keras.utils.set_random_seed(options.seed)
    how = (options.epochs, options.batch_size, options.learning_rate)
    model, history, accuracy = train_head(train, validation, *how, verbose=2)
    stem = options.training_file.with_suffix("")
    head, curve = (stem.with_name(stem.name + end) for end in ("_head.keras", "_curve.png"))
    model.save(head)
    plots.curves(history, f"A softmax on {stem.name}").savefig(curve)
    print("validation accuracy", statistics.with_interval(accuracy, len(validation.labels)))
    print(f"{os.path.relpath(head)}\n{os.path.relpath(curve)}")


def _readme(options):
    from utils.running import readme

    readme.write()
