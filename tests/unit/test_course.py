import email.message
import os
import random
import re
import subprocess
import sys

import nbformat
import numpy as np
import pytest

from utils import backbones, course, results
from utils.base.folders import ROOT
from utils.base.framework import keras
from utils.running import environment, lessons
from utils.sources import registry

pytestmark = pytest.mark.check


def test_set_seed_sets_every_seed():
    def draw():
        course.set_seed(4)
        return random.random(), np.random.rand(), float(keras.random.uniform((1,))[0])

    assert draw() == draw()


# -- profiles and parameters


@pytest.fixture
def profile(tmp_path, monkeypatch):
    """Write a profile and use its folder."""
    monkeypatch.setattr(lessons, "PROFILES", tmp_path)

    def write(text):
        (tmp_path / "own.yaml").write_text(text)
        return "own"

    return write


def test_a_profile_gives_its_parameters_and_defaults_stay_away(profile):
    name = profile("02_dense_head:\n  EPOCHS: 2\n  POOLING: flatten\n")
    assert lessons.parameters("02_dense_head", name) == {"EPOCHS": 2, "POOLING": "flatten"}
    assert lessons.parameters("03_frozen_base_with_augmentation", name) == {}
    assert lessons.parameters("02_dense_head", profile("# nothing\n")) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("02_dense_head:\n  EPOCS: 2\n", "sets 'EPOCS' for 02_dense_head, which has only PROFILE"),
        ("02_dense_heads:\n  EPOCHS: 2\n", "'02_dense_heads', but no lesson has that name"),
        (
            "02_dense_head:\n  EPOCHS: two\n",
            "EPOCHS of 02_dense_head to 'two', but it must be a int",
        ),
        ("02_dense_head:\n  EPOCHS: 2.0\n", "must be a int"),
    ],
)
def test_a_wrong_profile_is_an_error(profile, text, message):
    with pytest.raises(lessons.CourseError, match=message):
        lessons.parameters("02_dense_head", profile(text))


def test_an_unknown_profile_lists_what_there_is():
    with pytest.raises(lessons.CourseError, match="there are drawn, photos, smoke"):
        lessons.parameters("02_dense_head", "fotos")


def test_lessons_are_chosen_by_how_they_begin():
    assert lessons.choose([]) == [lesson for lesson in lessons.lessons() if lesson[0] == "0"]
    assert lessons.choose(["02", "00"]) == ["02_dense_head", "00_pictures_and_splits"]
    for wrong in ("9", "0"):
        with pytest.raises(lessons.CourseError, match=r"names . lessons; there are 00_pictures"):
            lessons.choose([wrong])


# -- running


KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
LESSON = """PROFILE = "drawn"
N = 3  # how many
"""


@pytest.fixture
def small_course(home, monkeypatch):
    """A course of one quick lesson, and a function that sets its second cell."""
    folder = home / "notebooks"
    (folder / "profiles").mkdir(parents=True)
    (folder / "profiles" / "drawn.yaml").write_text("")
    (folder / "profiles" / "more.yaml").write_text("00_small:\n  PROFILE: more\n  N: 5\n")
    monkeypatch.setattr(lessons, "NOTEBOOKS", folder)
    monkeypatch.setattr(lessons, "PROFILES", folder / "profiles")
    monkeypatch.setattr(results, "STORED", folder / "results")

    def write(code, recorded=True):
        record = (
            "from utils import results\n"
            "results.record('00_small', PROFILE, 'n', 1, n=N, half_accuracy=0.5)"
        )
        cells = [nbformat.v4.new_code_cell(text) for text in (LESSON, code, record)]
        cells[0].metadata["tags"] = ["parameters"]
        notebook = nbformat.v4.new_notebook(cells=cells if recorded else cells[:2])
        notebook.metadata["kernelspec"] = KERNEL
        nbformat.write(notebook, folder / "00_small.ipynb")
        return folder

    return write


def test_a_lesson_runs_once_and_its_results_are_kept(small_course):
    small_course("print('hello')")
    first = lessons.run("00_small", "drawn")
    assert first.entry["numbers"] == {"n": 3, "half_accuracy": 0.5}
    assert first.entry["seconds"] >= first.entry["longest_cell_seconds"] >= 0
    assert "hello" in first.html.read_text()
    stamp = first.notebook.stat().st_mtime_ns
    second = lessons.run("00_small", "drawn")
    assert second.skipped and not first.skipped
    assert second.notebook.stat().st_mtime_ns == stamp
    assert second.entry == first.entry
    small_course("print('changed')")
    assert not lessons.run("00_small", "drawn").skipped
    first.notebook.write_text("{ damaged")
    assert not lessons.run("00_small", "drawn").skipped


def test_what_a_killed_run_left_is_removed(small_course):
    small_course("print('hello')")
    folder = lessons.runs_dir("drawn")
    folder.mkdir(parents=True)
    young, old = (folder / f".00_small.{name}.partial.ipynb" for name in ("young", "old"))
    anothers = folder / ".~00_small.ipynb"  # JupyterLab calls its temporary files so
    for path in (young, old, anothers):
        path.touch()
        os.utime(path, None if path == young else (0, 0))
    lessons.run("00_small", "drawn")
    assert {path.name for path in folder.glob(".*")} == {young.name, anothers.name}


def test_a_profile_reaches_the_cells(small_course):
    small_course("print('hello')")
    assert lessons.run("00_small", "more").entry["numbers"]["n"] == 5
    with pytest.raises(lessons.CourseError, match="was run with other parameters"):
        lessons.store_outputs(lessons.run("00_small", "more"))


def test_a_failing_cell_is_named(small_course):
    small_course("1 / 0")
    with pytest.raises(lessons.CourseError, match=r"00_small failed in cell 2 \(ZeroDivisionError"):
        lessons.run("00_small", "drawn")
    small_course("print('mended')")
    assert not lessons.run("00_small", "drawn").skipped


def test_a_slow_cell_and_a_dying_kernel_are_named(small_course):
    small_course("import time; time.sleep(60)")
    with pytest.raises(lessons.CourseError, match=r"00_small stopped \(CellTimeoutError"):
        lessons.run("00_small", "drawn", cell_timeout=2)
    small_course("import os; os._exit(1)")
    with pytest.raises(lessons.CourseError, match=r"00_small stopped \(DeadKernelError"):
        lessons.run("00_small", "drawn")


def test_a_lesson_without_results_is_an_error(small_course):
    small_course("1", recorded=False)
    with pytest.raises(lessons.CourseError, match="must record its results exactly once"):
        lessons.run("00_small", "drawn")


def test_stored_outputs_have_no_noise_and_one_copy_of_each_figure(small_course):
    folder = small_course(
        "import sys\n"
        "from utils import plots\n"
        "print('bar 1\\rbar 2\\rdone')\n"
        "print('bar 1\\rbar 2\\r     \\r', end='', file=sys.stderr)\n"
        "plots.dots(['a'], [0.5], 'One dot')"
    )
    lessons.store_outputs(lessons.run("00_small", "drawn"))
    cell = nbformat.read(folder / "00_small.ipynb", 4).cells[1]
    stream, figure = cell.outputs
    assert stream.name == "stdout"
    assert stream.text == "done\n"
    assert sorted(figure.data) == ["image/png", "text/plain"]
    assert figure.metadata["image/png"]["alt"].startswith("One dot")
    assert cell.execution_count == 2


def test_prepared_copies_have_the_parameters_and_keep_your_work(small_course):
    small_course("print('hello')")
    copy = lessons.prepare("more") / "00_small.ipynb"
    assert "N = 5" in "\n".join(cell.source for cell in nbformat.read(copy, 4).cells)
    copy.write_text("my work")
    lessons.prepare("more")
    assert copy.read_text() == "my work"
    assert (lessons.prepare("drawn") / "00_small.ipynb").exists()


# -- the command line, through a real process


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "utils.course", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def test_check_says_what_is_here(home):
    done = command("check")
    assert done.returncode == 0, done.stdout
    for word in ("keras", "cores", "efficientnet_lite0", "drawn_pets", "is drawn when first used"):
        assert word in done.stdout
    assert "vgg16" in done.stdout and "BAD" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--profile", "fotos"], "there is no profile 'fotos'; there are drawn"),
        (["run", "77"], "'77' names 0 lessons"),
        (["lab", "--profile", "x"], "there is no profile 'x'"),
    ],
)
def test_wrong_words_get_one_sentence(home, arguments, message):
    done = command(*arguments)
    assert done.returncode == 2
    assert done.stderr.strip().startswith("error: ") and message in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_command_it_helps(home):
    done = command()
    assert done.returncode == 2 and "check" in done.stdout


# -- one truth for versions


def environment_pins():
    text = (ROOT / "environment.yml").read_text()
    return dict(re.findall(r"^ +- ([a-z0-9-]+)==([0-9.]+)", text, re.MULTILINE))


def project_pins():
    import tomllib

    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    found = [Requirement(text) for part in lists for text in part]
    return {r.name: str(r.specifier).removeprefix("==") for r in found}


def test_pyproject_lock_and_conda_agree():
    project, locked = project_pins(), environment.locked()
    assert project == environment_pins()
    assert project == {name: locked[name] for name in project}
    assert len(locked) > len(project)


def test_the_lock_has_hashes_and_no_address():
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text and "--index" not in text and "--find-links" not in text
    blocks = re.split(r"\n(?=[a-z0-9])", text.strip())  # a pin begins a line, its hashes do not
    assert len(blocks) == len(environment.locked())
    assert [block for block in blocks if "--hash=sha256:" not in block] == []


def test_a_difference_is_reported(monkeypatch):
    monkeypatch.setattr(
        environment, "wanted", lambda: {"keras": "0.1", "nothing-of-this-name": "1"}
    )
    text, good = environment.report()
    assert not good
    assert text.count("BAD") == 2 and "missing" in text


def test_every_dependency_and_every_conda_line_has_its_reason():
    lines = (ROOT / "environment.yml").read_text().splitlines()
    assert all("#" in line for line in lines if "==" in line)
    project = (ROOT / "pyproject.toml").read_text().splitlines()
    pins = [i for i, line in enumerate(project) if line.strip().startswith('"') and "==" in line]
    assert all(project[i - 1].strip().startswith("#") for i in pins)


# -- licences


def test_every_package_weight_and_data_set_has_a_licence(capsys):
    assert course.main(["licences"]) == 0
    said = capsys.readouterr().out
    packages, rest = said.split("Weights, ")
    weights, data_sets = rest.split("Data sets")
    assert "keras" in packages and "Apache License 2.0" in packages
    for name in backbones.BACKBONES:
        assert re.search(rf"  {name} +\w", weights)
    for name in registry.SOURCES:
        assert re.search(rf"  {name} +\w", data_sets)
    lines = packages.splitlines()[1:]
    assert len(lines) > 100
    assert [line for line in lines if len(line.split()) < 3] == []


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"License-Expression": "MIT", "License": "other"}, "MIT"),
        ({"Classifier": "License :: OSI Approved :: MIT License"}, "MIT License"),
        ({"Classifier": "Topic :: Education", "License": "BSD\n\nlong text"}, "BSD"),
        ({"License": "UNKNOWN"}, "see the file LICENSE in the package"),
        ({}, "see the file LICENSE in the package"),
    ],
)
def test_a_licence_is_where_a_package_states_it(stated, expected):
    metadata = email.message.Message()
    for name, value in stated.items():
        metadata[name] = value
    assert environment._licence(metadata) == expected
