import email.message
import os
import re
import subprocess
import sys
import time
import tomllib

import nbformat
import papermill
import pytest
import yaml

from tests.conftest import save, write_classes
from utils import backbones, course, datasets, results
from utils.base.folders import ROOT
from utils.running import environment, lessons, pages, profiles
from utils.sources import registry

pytestmark = pytest.mark.check


# -- profiles and parameters


@pytest.fixture
def profile(tmp_path, monkeypatch):
    """Write a profile and use its folder."""
    monkeypatch.setattr(profiles, "PROFILES", tmp_path)

    def write(text):
        (tmp_path / "own.yaml").write_text(text)
        return "own"

    return write


def test_a_profile_gives_its_parameters_and_defaults_stay_away(profile):
    name = profile("02_dense_head:\n  EPOCHS: 2\n  FLATTEN: true\n")
    assert profiles.parameters("02_dense_head", name) == {"EPOCHS": 2, "FLATTEN": True}
    assert profiles.parameters("03_frozen_base_with_augmentation", name) == {}
    assert profiles.parameters("02_dense_head", profile("# nothing\n")) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("02_dense_head:\n  EPOCS: 2\n", "sets 'EPOCS' for 02_dense_head, which has only PROFILE"),
        ("02_dense_heads:\n  EPOCHS: 2\n", "'02_dense_heads', but no lesson has that name"),
        (
            "02_dense_head:\n  EPOCHS: two\n",
            "own.yaml, 02_dense_head: EPOCHS is 'two', but it must be a whole number of at least 1",
        ),
        ("02_dense_head:\n  EPOCHS: 2.0\n", "EPOCHS is 2.0, but it must be a whole number"),
        ("02_dense_head:\n  EPOCHS:\n", "EPOCHS is None, but it must be a whole number"),
        ("02_dense_head:\n  SEED: -1\n", "SEED is -1, but it must be a whole number from 0 to 4,0"),
        (
            "02_dense_head:\n  LEARNING_RATE: -1\n",
            r"RATE is -1\.0, but it must be a number from 1e-",
        ),
        (
            "02_dense_head:\n  LEARNING_RATE: .nan\n",
            "LEARNING_RATE is nan, but it must be a number",
        ),
        ("02_dense_head:\n  LEARNING_RATE: fast\n", "LEARNING_RATE is 'fast', but it must be a"),
        (
            "02_dense_head:\n  LEARNING_RATE: yes\n",
            "LEARNING_RATE is True, but it must be a number",
        ),
        ("02_dense_head:\n- EPOCHS: 2\n", r"has \[.*\] below 02_dense_head, but it must be lines"),
        ("02_dense_head: 2\n", "has 2 below 02_dense_head, but it must be lines with NAME: value"),
        ("- 02_dense_head\n", "own.yaml must give the name of a lesson, and NAME: value below it"),
        ("02_dense_head:\n  EPOCHS: 2024-13-45\n", "own.yaml is not YAML: month must be in"),
        ("02_dense_head: [\n", "own.yaml is not YAML: while parsing"),
    ],
)
def test_a_wrong_profile_is_an_error(profile, text, message):
    with pytest.raises(lessons.CourseError, match=message):
        profiles.parameters("02_dense_head", profile(text))


def test_a_rate_may_be_written_as_people_write_it(profile):
    """YAML takes 1e-3 for a text, and 1 for a whole number."""
    for text, rate in {"1e-3": 1e-3, "1E-3": 1e-3, "1": 1.0, "2.0e-5": 2e-5}.items():
        given = profiles.parameters(
            "02_dense_head", profile(f"02_dense_head:\n  LEARNING_RATE: {text}")
        )
        assert given == {"LEARNING_RATE": rate} and isinstance(given["LEARNING_RATE"], float)
    assert "LEARNING_RATE = 0.001  #" in profiles.set_parameters(
        "02", "LEARNING_RATE = 1e-4  # of", {"LEARNING_RATE": 1e-3}
    )


def test_an_unknown_profile_lists_what_there_is():
    with pytest.raises(lessons.CourseError, match="there are book, drawn, photos, smoke"):
        profiles.parameters("02_dense_head", "fotos")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("N = open('x')", "must all be NAME = a literal"),
        ("print(1)", "must all be NAME = a literal"),
        ("N = ", "must all be NAME = a literal"),
        (None, "exactly one cell tagged parameters, not 0"),
    ],
)
def test_parameters_are_read_and_not_run(tmp_path, monkeypatch, source, message):
    monkeypatch.setattr(profiles, "NOTEBOOKS", tmp_path)
    cell = nbformat.v4.new_code_cell(source or "N = 1")
    cell.metadata["tags"] = ["parameters"] if source else []
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "00_small.ipynb")
    with pytest.raises(lessons.CourseError, match=message):
        profiles.default_parameters("00_small")


def test_values_are_written_where_a_learner_changes_them():
    source = "# é first\nA = 1  # one\nB = [\n    'x',  # ä\n]  # list\nC = 'ü'; D = 2.0  # two"
    written = profiles.set_parameters("00", source, {"A": 5, "B": ["y"], "D": 0.5})
    assert written == "# é first\nA = 5  # one\nB = ['y']  # list\nC = 'ü'; D = 0.5  # two"
    assert profiles.set_parameters("00", source, {}) == source


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
DATASET = "pets"
"""


@pytest.fixture
def small_course(home, monkeypatch):
    """A course of one quick lesson, and a function that sets its second cell."""
    folder = home / "notebooks"
    (folder / "profiles").mkdir(parents=True)
    (folder / "profiles" / "drawn.yaml").write_text("")
    (folder / "profiles" / "more.yaml").write_text("00_small:\n  PROFILE: more\n  N: 5\n")
    for module in (profiles, lessons, pages):
        monkeypatch.setattr(module, "NOTEBOOKS", folder)
    monkeypatch.setattr(profiles, "PROFILES", folder / "profiles")
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


def store(run):
    return pages.store_outputs(run.notebook, run.entry)


def test_a_lesson_runs_once_and_its_results_are_kept(small_course):
    small_course("print('hello')")
    first = lessons.run("00_small", "drawn")
    assert first.entry["numbers"] == {"n": 3, "half_accuracy": 0.5}
    assert first.entry["seconds"] >= first.entry["longest_cell_seconds"] >= 0
    assert "hello" in first.notebook.read_text()
    stamp = first.notebook.stat().st_mtime_ns
    second = lessons.run("00_small", "drawn")
    assert second.skipped and not first.skipped
    assert second.notebook.stat().st_mtime_ns == stamp
    assert second.entry == first.entry
    small_course("print('changed')")
    assert not lessons.run("00_small", "drawn").skipped
    first.notebook.write_text("{ damaged")
    assert not lessons.run("00_small", "drawn").skipped


def test_a_lesson_runs_again_when_its_pictures_have_changed(small_course, home):
    small_course("import os\nfrom utils.base.folders import data_dir\n"
                 "os.makedirs(data_dir() / DATASET / 'cat', exist_ok=True)")  # fmt: skip
    assert not lessons.run("00_small", "drawn").skipped
    assert lessons.run("00_small", "drawn").skipped  # the folder that it made itself is no change
    picture = home / "data" / "pets" / "cat" / "1.png"
    for change in (lambda: picture.write_bytes(b"1"), picture.unlink):
        change()
        assert not lessons.run("00_small", "drawn").skipped
        assert lessons.run("00_small", "drawn").skipped


@pytest.fixture
def made_of(small_course, home, monkeypatch):
    """What a lesson's pictures are, for values of its parameters."""
    monkeypatch.setenv("HOME", str(home))
    small_course("1")
    return lambda **given: lessons._pictures("00_small", given)


def test_pictures_are_known_by_content_not_by_time_and_size(made_of, home):
    folder = write_classes(home / "pets", 6)
    one = folder / "cat" / "one.bmp"
    save(one, color="red")
    before, loaded, stat = made_of(DATASET=str(folder)), datasets.load(folder), one.stat()
    os.utime(one, (1, 1))
    (folder / "cat" / ".DS_Store").write_bytes(b"1")  # nothing that a lesson reads
    assert made_of(DATASET=str(folder)) == before != {}
    save(one, color="blue")
    os.utime(one, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (one.stat().st_size, one.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    assert made_of(DATASET=str(folder)) != before
    assert digests(datasets.load(folder)) != digests(loaded)  # the lesson sees it, too
    save(one, color="red")
    assert made_of(DATASET=str(folder)) == before
    one.rename(one.with_name("two.bmp"))
    assert made_of(DATASET=str(folder)) != before


def digests(data):
    return {digest for split in data.splits for digest in split.digests}


@pytest.mark.parametrize(
    "given",
    [
        lambda home: {"DATASET": str(home / "pets")},
        lambda home: {"DATASET": "../pets"},  # of the folder of the lessons, where they run
        lambda home: {"DATASET": "~/pets"},
        lambda home: {"DATASETS": ["drawn_signs", "../pets"]},
        lambda home: {"DATASET": "../linked"},  # its class folders are links
    ],
    ids=["path", "relative", "home", "list", "links"],
)
def test_what_is_added_to_an_own_folder_is_noticed_however_it_is_named(made_of, home, given):
    write_classes(home / "pets", 1)
    (home / "linked").mkdir()
    for name in ("cat", "dog"):
        (home / "linked" / name).symlink_to(home / "pets" / name)
    before = made_of(**given(home))
    write_classes(home / "pets", 1, first=1)
    assert made_of(**given(home)) != before != {}


def test_a_name_that_begins_like_a_home_folder_is_no_error(made_of):
    assert made_of(DATASET="~nobody of this name/pets") == {}


def test_the_command_line_decides_no_result(small_course, home, monkeypatch):
    """Else every change to how lessons are run would have all of them run again."""
    small_course("print('hello')")
    for name in ("models.py", "running/cli.py", "exercises/lesson_00.py", "course.py"):
        (home / "utils" / name).parent.mkdir(parents=True, exist_ok=True)
        (home / "utils" / name).write_text("")
    (home / "requirements.lock").write_text("")
    monkeypatch.setattr(lessons, "ROOT", home)
    before = lessons._code("00_small", {})
    for name in ("running/cli.py", "exercises/lesson_00.py", "course.py"):
        (home / "utils" / name).write_text("# changed")
    assert lessons._code("00_small", {}) == before != lessons._code("00_small", {"N": 4})
    for name in ("utils/models.py", "requirements.lock"):
        (home / name).write_text("# changed")
        assert lessons._code("00_small", {}) != before
        (home / name).write_text("")


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
        store(lessons.run("00_small", "more"))


@pytest.mark.parametrize(("deaths", "tries"), [(0, 1), (2, 3), (9, 3)])
def test_a_kernel_whose_port_was_taken_is_started_again(small_course, monkeypatch, deaths, tries):
    """Two kernels that start at the same moment may pick the same port; one then dies at once."""
    small_course("print('hello')")
    real, calls = papermill.execute_notebook, []

    def execute(*arguments, **options):
        calls.append(1)
        if len(calls) <= deaths:
            raise RuntimeError("Kernel died before replying to kernel_info")
        return real(*arguments, **options)

    monkeypatch.setattr(papermill, "execute_notebook", execute)
    if deaths < 3:
        assert lessons.run("00_small", "drawn").entry["numbers"]["n"] == 3
    else:
        with pytest.raises(lessons.CourseError, match="Kernel died before replying"):
            lessons.run("00_small", "drawn")
    assert len(calls) == tries


def test_what_else_stops_a_run_is_not_tried_again(small_course, monkeypatch):
    small_course("print('hello')")
    calls = []

    def execute(*arguments, **options):
        calls.append(1)
        raise RuntimeError("something else")

    monkeypatch.setattr(papermill, "execute_notebook", execute)
    with pytest.raises(lessons.CourseError, match="something else"):
        lessons.run("00_small", "drawn")
    assert len(calls) == 1


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
        "plots.dots({'a': 0.5}, 'One dot', 'Share')"
    )
    store(lessons.run("00_small", "drawn"))
    cell = nbformat.read(folder / "00_small.ipynb", 4).cells[1]
    stream, figure = cell.outputs
    assert stream.name == "stdout"
    assert stream.text == "done\n"
    assert sorted(figure.data) == ["image/png", "text/plain"]
    assert figure.metadata["image/png"]["alt"].startswith("One dot")
    assert cell.execution_count == 2


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


HEAD = ["train-head", "--training_file", "a", "--validation_file", "b"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--profile", "fotos"], "there is no profile 'fotos'; there are book"),
        (["run", "77"], "'77' names 0 lessons"),
        (["lab", "--profile", "x"], "there is no profile 'x'"),
        (["bottleneck", "--dataset", "nowhere"], "there is no data set or folder 'nowhere'"),
        (HEAD, "there is no pack a"),
        ([*HEAD, "--epochs", "0"], "epochs is 0, but it must be a whole number of at least 1"),
    ],
)
def test_wrong_words_get_one_sentence_at_once(home, arguments, message):
    at_once([sys.executable, "-m", "utils.course", *arguments], message)


def test_a_wrong_parameter_is_said_at_once(home):
    (home / "own.yaml").write_text("02_dense_head:\n  EPOCS: 2\n")
    program = (
        "import pathlib, sys\n"
        "from utils.running import cli, profiles\n"
        f"profiles.PROFILES = pathlib.Path({str(home)!r})\n"
        "sys.exit(cli.main(['run', '--profile', 'own']))"
    )
    at_once([sys.executable, "-c", program], "own.yaml sets 'EPOCS' for 02_dense_head")


def at_once(words, message):
    """Wanted is half a second; a busy machine gets three times that, importing Keras takes four."""
    seconds = []
    for _ in range(2):  # the first may still read from a slow disk
        start = time.monotonic()
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
        seconds.append(time.monotonic() - start)
    assert min(seconds) < 1.5
    assert done.returncode == 2
    assert done.stderr.strip().startswith("error: ") and message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*HEAD, "--batch_size", "-1"], "batch_size is -1, but it must be a whole number"),
        ([*HEAD, "--learning_rate", "nan"], "learning_rate is nan, but it must be a number"),
        ([*HEAD, "--seed", "-1"], "seed is -1, but it must be a whole number from 0 to"),
        (["bottleneck", "--per-class", "-1"], "per_class is -1, but it must be a whole number of"),
        (
            ["bottleneck", "--image_size", "8"],
            "image_size is 8, but it must be a whole number from",
        ),
        (["bottleneck", "--dataset", ""], "dataset is '', but it must be a text that is not empty"),
        (["run", "--cell-timeout", "0"], "cell_timeout is 0, but it must be a whole number of at"),
    ],
)
def test_a_number_out_of_range_gets_one_sentence(capsys, arguments, message):
    assert course.main(arguments) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")


def test_without_a_command_it_helps(home):
    done = command()
    assert done.returncode == 2 and "check" in done.stdout


# -- one truth for versions


def environment_pins():
    text = (ROOT / "environment.yml").read_text()
    return dict(re.findall(r"^ +- ([a-z0-9-]+)==([0-9.]+)", text, re.MULTILINE))


def project_pins():
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    return [
        {(r := Requirement(text)).name: str(r.specifier).removeprefix("==") for text in texts}
        for texts in (project["dependencies"], [text for part in extras for text in part])
    ]


LOCKS = ["requirements.lock", "requirements-extras.lock", "tests/requirements.lock"]


def test_pyproject_locks_and_conda_agree():
    """What learners need is in the first lock, what extras and tests add in others, once each."""
    learners, extras = project_pins()
    first, more, tests = map(environment.locked, LOCKS)
    assert learners == environment_pins()
    assert learners == {name: first[name] for name in learners} and len(first) > len(learners)
    added = more | tests
    assert extras == {name: added[name] for name in extras} and len(added) > len(extras)
    assert "pytest" in tests and "ray" in more
    assert len(first | more | tests) == len(first) + len(more) + len(tests)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_hashes_and_no_address(lock):
    text = (ROOT / lock).read_text()
    assert "://" not in text and "--index" not in text and "--find-links" not in text
    blocks = re.split(r"\n(?=[a-z0-9])", text.strip())  # a pin begins a line, its hashes do not
    assert len(blocks) == len(environment.locked(lock))
    assert [block for block in blocks if "--hash=sha256:" not in block] == []


def test_a_difference_is_reported(monkeypatch):
    pins = {False: {"keras": "0.1", "nothing-of-this-name": "1"}, True: {"pytest": "0.1"}}
    monkeypatch.setattr(environment, "wanted", lambda extras=False: pins[extras])
    text, good = environment.report()
    assert not good
    assert text.count("BAD") == 3 and "missing" in text


def test_what_only_tests_need_may_be_missing(monkeypatch):
    pins = {False: {"keras": environment.installed("keras")}, True: {"no-such-package": "1"}}
    monkeypatch.setattr(environment, "wanted", lambda extras=False: pins[extras])
    text, good = environment.report()
    assert good and "BAD" not in text
    assert "not installed (tests and some lessons use it)" in text


def test_a_citation_names_the_version_that_there_is():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["version"] == project["version"]
    assert cited["title"] == (ROOT / "README.md").read_text().splitlines()[0].removeprefix("# ")


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda p: p.stem)
def test_what_the_host_reads_is_yaml_and_names_what_is_there(path):
    text = path.read_text()
    assert yaml.safe_load(text)
    for target in re.findall(r"run: make ([\w-]+)", text):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text()


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
