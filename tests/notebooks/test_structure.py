"""Every lesson has the shape that CONTRIBUTING.md describes. Lessons are found, never listed."""

import ast
import re
import statistics

import nbformat
import pytest

from utils.base.folders import ROOT
from utils.results import MIME
from utils.running import lessons, profiles

pytestmark = pytest.mark.check

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LESSONS = [path.stem for path in PATHS]
HEADER = ["What you will do", "What you will learn", "What you need", "Time on two cores"]
OLD = ["ImageDataGenerator", "fit_generator", "predict_generator", "RMSprop(lr=", "set_session"]
NOISE = re.compile(r"/home/|/root/|/work/|/tmp/|C:\\|Traceback|Warning|I0000|oneDNN")


@pytest.fixture(params=PATHS, ids=LESSONS)
def lesson(request):
    return nbformat.read(request.param, 4)


def of_kind(lesson, kind):
    return [cell for cell in lesson.cells if cell.cell_type == kind]


def test_every_notebook_is_a_lesson_and_is_in_the_smoke_profile():
    assert lessons.lessons() == LESSONS
    assert len(LESSONS) >= 5
    text = (profiles.PROFILES / "smoke.yaml").read_text()
    assert [lesson for lesson in LESSONS if f"\n{lesson}:" not in text] == []


@pytest.mark.parametrize("profile", sorted(p.stem for p in profiles.PROFILES.glob("*.yaml")))
@pytest.mark.parametrize("name", LESSONS)
def test_every_profile_fits_every_lesson(name, profile):
    given = profiles.parameters(name, profile)
    if profile == "drawn":
        assert given == {}
    elif given:
        assert given["PROFILE"] == profile


def test_it_opens_and_closes_as_agreed(lesson):
    first, last = lesson.cells[0].source, lesson.cells[-1].source
    assert re.match(r"# \d\d · [A-Z]", first)
    places = [first.find(f"**{heading}**") for heading in HEADER]
    assert -1 not in places and places == sorted(places)
    promised = first.split("**What you will do**")[1].split("**What")[0].count("\n- ")
    done = last.split("## What you have done")[1].split("##")[0].count("\n- ")
    assert promised == done >= 3
    assert last.index("## Take-aways") < last.index("## What next")
    assert sum(cell.source.count("\n# ") for cell in of_kind(lesson, "markdown")) == 0


def test_parameters_are_literals_in_upper_case_each_with_a_comment(lesson):
    (cell,) = [c for c in lesson.cells if "parameters" in c.metadata.get("tags", [])]
    assert lesson.cells.index(cell) == 1
    for line in cell.source.splitlines():
        (assignment,) = ast.parse(line).body
        assert re.fullmatch(r"[A-Z_]+", assignment.targets[0].id)
        ast.literal_eval(assignment.value)
        assert "  # " in line
    names = [line.split(" = ")[0] for line in cell.source.splitlines()]
    rest = "\n".join(c.source for c in of_kind(lesson, "code") if c is not cell)
    assert [name for name in names if not re.search(rf"\b{name}\b", rest)] == []


def test_cells_are_short_and_say_why(lesson):
    lengths = [len(cell.source.splitlines()) for cell in of_kind(lesson, "code")]
    assert max(lengths) <= 20
    assert statistics.median(lengths) <= 6
    in_a_row = longest = 0
    for cell in lesson.cells:
        in_a_row = in_a_row + 1 if cell.cell_type == "code" else 0
        longest = max(longest, in_a_row)
    assert longest <= 3
    assert len(of_kind(lesson, "markdown")) >= len(of_kind(lesson, "code")) / 2


def test_it_predicts_checks_and_records(lesson):
    code = "\n".join(cell.source for cell in of_kind(lesson, "code"))
    text = "\n".join(cell.source for cell in of_kind(lesson, "markdown"))
    assert re.search(r"\*Before you run", text)
    assert code.count("# Check: ") >= 2
    assert code.count("results.record(") == 1


def test_the_helpers_come_first(lesson):
    """They keep TensorFlow quiet, which has to be said before anything imports it."""
    code = "\n".join(cell.source for cell in of_kind(lesson, "code"))
    assert re.findall(r"^(?:from|import) (\w+)", code, re.MULTILINE)[0] == "utils"


def test_it_installs_nothing_and_calls_nothing_old(lesson):
    for cell in lesson.cells:
        assert not re.search(r"^\s*[!%]", cell.source, re.MULTILINE) or cell.cell_type == "markdown"
        assert not [name for name in OLD if name in cell.source]


def test_checks_of_the_prose_can_fail():
    bad = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# 00 · Short")])
    with pytest.raises(AssertionError):
        test_it_opens_and_closes_as_agreed(bad)
    long = nbformat.v4.new_code_cell("\n".join("x" * 21))
    with pytest.raises(AssertionError):
        test_cells_are_short_and_say_why(nbformat.v4.new_notebook(cells=[long]))


# -- stored outputs


def test_stored_outputs_are_a_whole_clean_run(lesson):
    cells = of_kind(lesson, "code")
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr"
            text = str(output.get("text", "")) + str(output.get("data", {}).get("text/plain", ""))
            assert not NOISE.search(text), text


def test_cells_whose_output_is_compared_have_one(lesson):
    """nbval passes over a cell without execution count or output, so that it compares nothing."""
    compared = [c for c in of_kind(lesson, "code") if "NBVAL_CHECK_OUTPUT" in c.source]
    for cell in compared:
        assert cell.outputs and cell.execution_count


def test_at_least_one_lesson_has_compared_cells():
    sources = [c.source for p in PATHS for c in nbformat.read(p, 4).cells]
    assert sum("NBVAL_CHECK_OUTPUT" in source for source in sources) >= 3


def test_stored_figures_have_a_text_and_no_second_copy(lesson):
    figures = [
        output
        for cell in of_kind(lesson, "code")
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert figures
    for figure in figures:
        assert len(figure.metadata["image/png"]["alt"]) > 30
        assert "text/html" not in figure.data


def test_stored_results_are_those_of_the_default_profile(lesson):
    (entry,) = [
        output.data[MIME]
        for cell in of_kind(lesson, "code")
        for output in cell.outputs
        if MIME in output.get("data", {})
    ]
    assert entry["profile"] == "drawn"
