"""The page of causal claims: what it names as support stands in the lessons and records, and holds.

A row is | claim | [NN](../NN_name.ipynb) | support |, and its support is one or more of

    `# Check: …`                the first line of a cell of that lesson, which ran as it was stored
    `record: a < b`             numbers of that lesson's entry in notebooks/results/record.json
    `record/entry: a + 0.1 < b` of the entry whose name begins so; a and b may be plain numbers

Where the text holds a backtick, two of them stand around it.
"""

import re
from functools import cache

import nbformat
import pytest

from utils import results
from utils.base.folders import ROOT
from utils.running import lessons, readme

pytestmark = pytest.mark.check

PAGE = results.STORED / "claims.md"
LESSON = re.compile(r"\[(\d\d)\]\(\.\./(\1_\w+)\.ipynb\)")
SUPPORT = re.compile(r"(``?)((?:# Check: |[\w/]+: ).+?)\1(?= `|$)")
COMPARED = re.compile(r"(\w+)(?:/([\w ]+))?: (.+) < (.+)")


def rows(text):
    """(claim, lesson, support) of each line of the table."""
    lines = [line for line in text.splitlines() if line.startswith("| ")][1:]
    return [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in lines]


@cache
def checks_that_ran(lesson):
    """The first lines of a stored lesson's checks that ran and did not fail."""
    cells = nbformat.read(ROOT / "notebooks" / f"{lesson}.ipynb", 4).cells
    ran = [c for c in cells if c.cell_type == "code" and c.execution_count is not None]
    whole = [c for c in ran if all(o.output_type != "error" for o in c.outputs)]
    return {c.source.splitlines()[0] for c in whole if c.source.startswith("# Check: ")}


def term(text, numbers):
    """The value of "name", "0.1", or two of these with + or − between them."""
    first, sign, second = [*text.split(), "+", "0"][:3]
    assert sign in "+-", text
    one, other = (
        numbers[part] if part in numbers else float(part) if re.match(r"\d", part) else None
        for part in (first, second)
    )
    assert None not in (one, other), f"{text} is not in the record"
    return one + other if sign == "+" else one - other


def must_hold(claim, link, support):
    """Raise an AssertionError unless everything that a row names is there, and true."""
    found = LESSON.fullmatch(link)
    assert found and found[2] in lessons.lessons(), f"{link} is no lesson"
    named = [text for _, text in SUPPORT.findall(support)]
    assert named and re.sub(SUPPORT, "", support).strip() == "", f"{claim}: no support: {support}"
    for one in named:
        if one.startswith("# Check: "):
            assert one in checks_that_ran(found[2]), f"lesson {found[1]} has no {one}"
            continue
        compared = COMPARED.fullmatch(one)
        assert compared, f"neither a check nor a comparison: {one}"
        record, entry, low, high = compared.groups()
        numbers = readme.numbers(record, entry or found[1])
        assert numbers, f"no such record: {one}"
        assert term(low, numbers) < term(high, numbers), f"not so: {one}"


CLAIMS = rows(PAGE.read_text("utf-8"))


@pytest.mark.parametrize("row", CLAIMS, ids=[f"{row[1][1:3]} {row[0][:40]}" for row in CLAIMS])
def test_a_claim_is_supported_by_what_it_names(row):
    must_hold(*row)


def test_every_lesson_has_a_claim_and_no_figure_is_typed():
    assert len(CLAIMS) >= 15
    assert {LESSON.fullmatch(row[1])[2] for row in CLAIMS} == set(lessons.lessons())
    assert not [row[0] for row in CLAIMS if re.search(r"\d\.\d", row[0])]


LINK = "[00](../00_pictures_and_splits.ipynb)"
CHECK = "`# Check: the reported accuracy is what the predictions, picture by picture, say.`"
TRUE = "`drawn: 0.5 < test_accuracy`"


@pytest.mark.parametrize(
    ("link", "support"),
    [
        ("[00](../00_pictures.ipynb)", TRUE),  # no such lesson
        ("[01](../00_pictures_and_splits.ipynb)", TRUE),  # another's number
        (LINK, "`# Check: the moon is round.`"),
        ("[12](../12_bottleneck_lab.ipynb)", CHECK),  # of another lesson
        (LINK, f"{TRUE} `# Check: the moon is round.`"),  # one of two
        (LINK, "`drawn: test_accuracy < 0.5`"),
        (LINK, "`drawn: test_accuracy + 0.9 < 1`"),
        (LINK, "`drawn: best_accuracy < 1`"),
        (LINK, "`drown: test_accuracy < 1`"),
        (LINK, "`drawn/77: test_accuracy < 1`"),
        (LINK, "`drawn: test_accuracy = 1`"),
        (LINK, "see the lesson"),
        (LINK, f"{TRUE} and the lesson"),
        (LINK, ""),
    ],
)
def test_a_wrong_row_is_noticed(link, support):
    for right in (TRUE, CHECK, f"{CHECK} {TRUE}", "`bench/growth: 1 - 0.5 < seconds_8_views`"):
        must_hold("true", LINK, right)
    with pytest.raises(AssertionError):
        must_hold("wrong", link, support)


def test_a_check_that_did_not_run_or_failed_does_not_count(tmp_path, monkeypatch):
    new = nbformat.v4.new_code_cell
    error = nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])
    cells = [new("# Check: ran.\n1", execution_count=1), new("# Check: did not.\n1")]
    cells += [new("# Check: failed.\n1", execution_count=3, outputs=[error]), new("1")]
    (tmp_path / "notebooks").mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "notebooks" / "77_toy.ipynb")
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert checks_that_ran("77_toy") == {"# Check: ran."}
