"""Every exercise accepts right answers of more than one kind, and rejects those learners give."""

import importlib
import itertools
import json

import pytest

from utils import exercises
from utils.base.folders import ROOT
from utils.exercises import checking
from utils.running import copies, lessons

pytestmark = pytest.mark.check

IN_CELL = copies.EXERCISE
SOURCES = {
    lesson: [
        "".join(cell["source"])
        for cell in json.loads((ROOT / "notebooks" / f"{lesson}.ipynb").read_text("utf-8"))["cells"]
    ]
    for lesson in lessons.lessons()
}
NAMES = [name for sources in SOURCES.values() for s in sources for name in IN_CELL.findall(s)]


def answers(name, kind):
    """The stored answers to an exercise; made when first asked for, for some train a little."""
    module = importlib.import_module(f"tests.exercises.answers_{name[:2]}")
    return getattr(module, kind)[name]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def told(capsys, name, answer):
    exercises.check(name, *(answer if isinstance(answer, tuple) else (answer,)))
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 88  # longer ones break in the middle of a word
    return one_line(said)


def one_line(text):
    return " ".join(text.split())


MODULES = {path.stem[-2:] for path in (ROOT / "utils" / "exercises").glob("lesson_*.py")}


def test_the_exercises_of_a_lesson_are_two_to_four_in_order():
    assert {lesson[:2] for lesson in SOURCES} == MODULES
    for lesson, sources in SOURCES.items():
        found = [name for source in sources for name in IN_CELL.findall(source)]
        assert found == [f"{lesson[:2]}-{i + 1}" for i in range(len(found))]
        # Lessons 04 and 15 end with tasks for all of the core, and for all that goes deeper.
        most = 6 if lesson[:2] in ("04", "15") else 4
        assert 2 <= len(found) <= most
        checking.find(f"{lesson[:2]}-1")
        assert [name for name in checking.EXERCISES if name[:2] == lesson[:2]] == found


@pytest.mark.parametrize("lesson", SOURCES)
def test_the_solution_that_is_stored_was_found_right(lesson):
    text = (ROOT / "notebooks" / f"{lesson}.ipynb").read_text("utf-8")
    for cell in json.loads(text)["cells"]:
        for name in IN_CELL.findall("".join(cell["source"])):
            said = "".join("".join(output.get("text", "")) for output in cell["outputs"])
            assert one_line(said).endswith(one_line(f"Right. {checking.find(name).right}")), name


@pytest.mark.parametrize("name", NAMES)
def test_right_answers_of_another_kind_than_the_solution_are_accepted(name, capsys):
    assert answers(name, "RIGHT")
    for answer in answers(name, "RIGHT"):
        assert told(capsys, name, answer).startswith("Right. ")


@pytest.mark.parametrize("name", NAMES)
def test_wrong_answers_are_rejected_each_with_its_own_message(name, capsys):
    wrong = answers(name, "WRONG")
    assert len({message for _, message in wrong if message != "waits"}) >= 3
    assert "waits" in [message for _, message in wrong]
    for answer, message in wrong:
        said = told(capsys, name, answer)
        assert message in said and "Right" not in said, said
        assert said.startswith(f"Exercise {name} waits" if message == "waits" else "Not yet. ")


@pytest.mark.parametrize("name", NAMES)
def test_a_second_hint_is_another_one(name, capsys):
    one = checking.find(name)
    exercises.hint(name)
    assert one_line(capsys.readouterr().out) == one_line(one.hint)
    for answer, message in answers(name, "WRONG"):
        assert one_line(one.hint) not in told(capsys, name, answer), message


def test_an_unknown_name_is_said(capsys):
    for name in ("00-9", "77-1", "x"):
        exercises.check(name, 1)
        exercises.hint(name)
        assert capsys.readouterr().out.count("There is no exercise") == 2


def test_a_solved_exercise_is_remembered_and_shown_on_the_start_page(tmp_path, capsys):
    page = "| [00 · Pictures](00_pictures_and_splits.ipynb) | what? | 1 minute |  | ☐1 ☐2 ☐3 |\n"
    (tmp_path / copies.START).write_text(page + page.replace("00_", "01_"), "utf-8")
    for answer, shown in ((100, "☐1 ☐2 ☐3"), (864, "☐1 ☐2 ✓3"), (100, "☐1 ☐2 ✓3")):
        told(capsys, "00-3", answer)
        lines = (tmp_path / copies.START).read_text("utf-8").splitlines()
        assert lines[0].endswith(f"| 1 minute |  | {shown} |")
        assert lines[1].endswith("| ☐1 ☐2 ☐3 |")


def test_a_lesson_that_is_run_where_no_copies_are_marks_nothing(tmp_path, capsys):
    """`make course` runs the stored lessons, whose exercises are solved."""
    assert told(capsys, "00-3", 864).startswith("Right. ")
    assert list(tmp_path.iterdir()) == []


def test_what_was_solved_is_on_the_next_start_page_and_not_on_that_of_the_solutions(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("COURSE_LAB_DIR", str(tmp_path / "lab"))
    folder, _ = copies.prepare("drawn")
    monkeypatch.chdir(folder)
    told(capsys, "03-4", ["stays", "moves", "stays", "moves"])
    for solutions, shown in ((False, "☐1 ☐2 ☐3 ✓4"), (True, "☐1 ☐2 ☐3 ☐4")):
        page = (copies.prepare("drawn", solutions)[0] / copies.START).read_text("utf-8")
        (row,) = [line for line in page.splitlines() if "](03_" in line]
        assert row.endswith(f"| {shown} |")


@pytest.mark.parametrize("lesson", SOURCES)
def test_a_copy_holds_no_solution_and_one_with_solutions_does(lesson):
    fresh, solved = (copies._fresh(lesson, {}, solutions) for solutions in (False, True))
    stubs, sources = (["".join(c["source"]) for c in n["cells"]] for n in (fresh, solved))
    assert not [source for source in stubs if "SOLUTION" in source]
    for stub, source in zip(stubs, sources, strict=True):
        if IN_CELL.search(source):
            assert source.count("### BEGIN SOLUTION\n") == source.count("### END SOLUTION") == 1
            assert stub != source
            compile(stub, "stub", "exec")
        else:
            assert stub == source


def test_each_exercise_is_announced_by_name():
    for sources in SOURCES.values():
        for before, source in itertools.pairwise(sources):
            for name in IN_CELL.findall(source):
                assert f"**Your turn ({name}).**" in before
