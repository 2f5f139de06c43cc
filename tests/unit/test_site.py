"""What becomes of cells, links and README before Sphinx reads them, and what stops a build."""

import pytest

from utils import course
from utils.running import site

pytestmark = pytest.mark.check

SOLVED = """answer = ...
### BEGIN SOLUTION
answer = 42
### END SOLUTION
exercises.check("00-1", answer)"""


def code(source):
    outputs = [{"output_type": "stream", "name": "stdout", "text": "Right."}]
    return {"cell_type": "code", "id": "a", "metadata": {}, "source": source, "outputs": outputs}


def test_a_solution_is_behind_a_click():
    task, opens, solution, closes = site.hidden(code(SOLVED))
    assert "42" not in task["source"] and "exercises.check" in task["source"]
    assert task["outputs"] == []  # what a right answer is told is of the solution
    assert opens["source"].startswith("<details") and closes["source"] == "</details>"
    assert "answer = 42" in solution["source"] and "SOLUTION" not in solution["source"]
    assert solution["outputs"][0]["text"] == "Right."
    assert len({cell["id"] for cell in (task, opens, solution, closes)}) == 4


def test_other_cells_stay_as_they_are():
    assert site.hidden(code("1 + 1")) == [code("1 + 1")]
    text = {"cell_type": "markdown", "source": SOLVED}
    assert site.hidden(text) == [text]


def test_links_to_files_that_are_no_pages_become_text():
    pages = {"data/README.md", "notebooks/a.ipynb"}
    text = "[x](../data/README.md#y) [code](../utils/plots.py) [w](https://w.org/a.py) [h](#here)"
    kept = "[x](../data/README.md#y) code [w](https://w.org/a.py) [h](#here)"
    assert site.linked(text, "notebooks/b.md", pages) == kept


def test_readme_becomes_the_start_page_and_the_page_on_running():
    readme = "# Title\n\nTop.\n\n## Commands\n\nmake\n\n## Lessons\n\n| a |\n\n## Licence\n\nMIT\n"
    pages = site.start_and_setup(readme)
    assert pages["index.md"].startswith("# Title\n\nTop.") and "| a |" in pages["index.md"]
    assert "notebooks/04_fine_tuning" in pages["index.md"] and "make\n" not in pages["index.md"]
    assert "## Commands" in pages["README.md"] and "## Licence" in pages["README.md"]
    assert "| a |" not in pages["README.md"]


def test_a_folder_of_somebody_else_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    assert course.main(["site", "--folder", str(tmp_path)]) == 2
    assert "somebody's own" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_link_that_leads_nowhere_stops_the_build(tmp_path, monkeypatch, capsys):
    def stage(folder):
        folder.mkdir()
        (folder / "index.md").write_text("# Start\n\n[gone](#nowhere)\n")

    monkeypatch.setattr(site, "stage", stage)
    assert course.main(["site", "--folder", str(tmp_path / "site")]) == 2
    said = capsys.readouterr().err
    assert "index.md:3" in said and "nowhere" in said
    assert not (tmp_path / "site").exists()
