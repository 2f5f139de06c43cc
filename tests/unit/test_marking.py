"""Lessons written as nbgrader's sources: what may be changed, and what gives a point."""

import nbformat
import pytest

from utils import exercises
from utils.running import cli, copies, lessons, marking

pytestmark = pytest.mark.check


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course")
    return folder, marking.write(folder)


def about(notebook):
    return [(c, c.metadata["nbgrader"]) for c in notebook.cells if "nbgrader" in c.metadata]


def test_every_answer_has_a_point_in_the_cell_after_it(course):
    folder, written = course
    assert len(written) >= 6
    for lesson in written:
        stored = nbformat.read(lessons.NOTEBOOKS / f"{lesson}.ipynb", 4)
        names = copies.EXERCISE.findall("\n".join(cell.source for cell in stored.cells))
        notebook = nbformat.read(folder / "source" / lesson / f"{lesson}.ipynb", 4)
        nbformat.validate(notebook)
        marked = about(notebook)
        for name, (answer, its), (points, locked) in zip(
            names, marked[::2], marked[1::2], strict=True
        ):
            assert (its["grade_id"], its["solution"], its["grade"]) == (name, True, False)
            assert (locked["grade_id"], locked["points"]) == (f"{name}-points", 1)
            assert locked["grade"] and locked["locked"] and not locked["solution"]
            end = answer.source.split("exercises.check(", 1)[1]
            assert points.source == f"assert exercises.right({end}"
            compile(points.source, name, "exec")
            assert "raises-exception" in points.metadata["tags"]
        assert not [cell for cell in notebook.cells if cell.get("outputs")]
        assert len(notebook.cells) == len(stored.cells) + len(names)


def test_a_point_is_given_for_a_right_answer_only(capsys):
    assert exercises.right("00-3", 864)
    for wrong in (..., 100, "many"):
        assert not exercises.right("00-3", wrong)
    assert not exercises.right("00-9", 1)
    assert capsys.readouterr().out == ""


def test_the_command_keeps_settings_that_are_there(course, capsys):
    folder, written = course
    config = folder / "nbgrader_config.py"
    assert 'code_stub = {"python": "# your answer"}' in config.read_text("utf-8")
    config.write_text("c = get_config()  # an instructor's own\n")
    assert cli.main(["nbgrader", str(folder)]) == 0
    assert "an instructor's own" in config.read_text()
    assert written[0] in capsys.readouterr().out
