"""Every lesson has the shape that CONTRIBUTING.md describes. Lessons are found, never listed."""

import ast
import re
import statistics

import nbformat
import pytest

from utils.base import ranges
from utils.base.folders import ROOT
from utils.running import lessons, pages, profiles

pytestmark = pytest.mark.check

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LESSONS = [path.stem for path in PATHS]
CORE = {path.stem for path in PATHS if path.stem < "1"}
HEADER = ["What you will be able to do", "What you need", "Time on two cores"]
# Lessons 10 to 15 still open and close in the older form.
CLOSING = "## What you have seen"
OLD = ["ImageDataGenerator", "fit_generator", "predict_generator", "RMSprop(lr=", "set_session"]
NOISE = re.compile(r"/home/|/root/|/work/|/tmp/|C:\\|Traceback|Warning|I0000|oneDNN")


@pytest.fixture(params=PATHS, ids=LESSONS)
def lesson(request):
    return nbformat.read(request.param, 4)


@pytest.fixture(params=sorted(CORE))
def core_lesson(request):
    return nbformat.read(ROOT / "notebooks" / f"{request.param}.ipynb", 4)


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


@pytest.mark.parametrize("name", LESSONS)
def test_book_and_photos_differ_in_their_data_only(name):
    book, photos = (profiles.parameters(name, profile) for profile in ("book", "photos"))
    changed = {key for key in book | photos if book.get(key) != photos.get(key)}
    assert changed <= {"PROFILE", "DATASET"}
    assert photos.get("DATASET") != "cats_vs_dogs_full"


def test_it_opens_and_closes_as_agreed(lesson):
    first, last = lesson.cells[0].source, lesson.cells[-1].source
    assert re.match(r"# \d\d · [A-Z]", first)
    places = [first.find(f"**{heading}**") for heading in HEADER]
    assert -1 not in places and places == sorted(places)
    assert "## What next" in last
    promised = first.split(f"**{HEADER[0]}**")[1].split("**What")[0].count("\n- ")
    assert "?" in first[: places[0]], "the opening cell asks no question"
    assert promised >= 2
    assert len(last.split(CLOSING)[1].split("## What next")[0].split()) >= 20
    assert sum(cell.source.count("\n# ") for cell in of_kind(lesson, "markdown")) == 0


def parameter_names(lesson):
    (cell,) = [c for c in lesson.cells if "parameters" in c.metadata.get("tags", [])]
    return [statement.targets[0].id for statement in ast.parse(cell.source).body]


def names_from_utils(lesson):
    """What a reader has to look up: `module.attribute`, for each module of utils it imports.

    Not the one line that is the same in every lesson, and is explained in the first.
    """
    tree = ast.parse("\n".join(cell.source for cell in of_kind(lesson, "code")))
    modules, names = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "utils":
            modules |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("utils."):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names |= {f"{node.value.id}.{node.attr}"} if node.value.id in modules else set()
    return names - {"checks.parameters"}


def test_parameters_are_checked_before_anything_uses_them(lesson):
    names = set(parameter_names(lesson))
    for cell in of_kind(lesson, "code")[1:]:
        before, found, _ = cell.source.partition("\nchecks.parameters(globals())")
        assert not names & {
            word.id for word in ast.walk(ast.parse(before)) if isinstance(word, ast.Name)
        }
        if found:
            return
    raise AssertionError("no cell checks the parameters")


def test_every_parameter_has_a_range_that_its_own_value_keeps(lesson):
    (cell,) = [c for c in lesson.cells if "parameters" in c.metadata.get("tags", [])]
    for statement in ast.parse(cell.source).body:
        name, value = statement.targets[0].id, ast.literal_eval(statement.value)
        assert ranges.misfit(name, value) == ""
        assert ranges.misfit(name, None) and ranges.misfit(name, [None])


def test_a_core_lesson_is_small(core_lesson):
    told = [c for c in core_lesson.cells if not re.search(r"-(task|answer|questions)$", c.id)]
    assert len(told) <= 28
    assert len(parameter_names(core_lesson)) <= 10
    names = names_from_utils(core_lesson) - {"exercises.check", "exercises.hint"}
    assert len(names) <= 12, sorted(names)


def test_questions_are_three_to_five_and_every_choice_is_explained(lesson):
    *_, questions, _ = lesson.cells  # before the closing cell
    if not questions.source.startswith("## Questions\n"):
        module = f"lesson_{lesson.cells[0].source[2:4]}.py"
        assert not (ROOT / "utils" / "exercises" / module).exists()
        return
    parts = re.split(r"\n(?=\*\*\d\. )", questions.source)[1:]
    assert 3 <= len(parts) <= 5
    for number, part in enumerate(parts, 1):
        assert part.startswith(f"**{number}. ") and part.split("**")[1].endswith("?")
        choices = part.split("<details><summary>")[1:]
        assert 3 <= len(choices) <= 4 and part.count("</details>") == len(choices)
        right = [c for c in choices if c.split("</summary>\n\n")[1].startswith("Yes")]
        assert len(right) == 1
        assert all(len(c.split("</summary>\n\n")[1].split()) >= 10 for c in choices)


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
    number = lesson.cells[0].source[2:4] if lesson.cells else ""
    # In the core plain Keras is written out, and in what follows lesson 15 all it is about.
    longest = 20 if number >= "1" else 15
    usual = 6 if number[:1] == "1" else 10
    assert max(lengths) <= longest
    assert statistics.median(lengths) <= usual
    in_a_row = longest = 0
    for cell in lesson.cells:
        in_a_row = in_a_row + 1 if cell.cell_type == "code" else 0
        longest = max(longest, in_a_row)
    assert longest <= 3
    assert len(of_kind(lesson, "markdown")) >= len(of_kind(lesson, "code")) / 2


def test_it_predicts_checks_and_records(lesson):
    code = "\n".join(cell.source for cell in of_kind(lesson, "code"))
    text = "\n".join(cell.source for cell in of_kind(lesson, "markdown"))
    assert re.search(r"\*Before you run|\*\*Predict\.\*\*", text)
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


SOFTMAX = re.compile(r'classes, activation="softmax"(?!, dtype="float32"|, \*\*new)')


def test_probabilities_are_written_with_32_bits_whatever_policy_a_learner_sets(lesson):
    cells = [c.source for c in of_kind(lesson, "code") if "exercises.check(" not in c.source]
    assert SOFTMAX.findall("\n".join(cells)) == []


GOOD = """# 00 · Pictures

How do we know?

**What you will be able to do**

- one
- two

**What you need** nothing. **Time on two cores**: 1 minute."""
END = f"{CLOSING}\n\n{'word ' * 20}\n\n## What next"


def made(*sources):
    """A notebook: what begins with # is prose."""
    new = {True: nbformat.v4.new_markdown_cell, False: nbformat.v4.new_code_cell}
    return nbformat.v4.new_notebook(cells=[new[s.startswith("#")](s) for s in sources])


@pytest.mark.parametrize(
    ("taken", "put"),
    [
        ("we know?", "we know."),
        ("- two", "two"),
        ("**What you need**", "What you need"),
        ("# 00 · ", "# Lesson 0: "),
        ("## What next", "## Next"),
        (CLOSING, "## What you have done"),
        ("word ", ""),
    ],
)
def test_an_opening_or_a_closing_of_another_form_is_noticed(taken, put):
    test_it_opens_and_closes_as_agreed(made(GOOD, END))
    with pytest.raises((AssertionError, IndexError)):
        test_it_opens_and_closes_as_agreed(made(GOOD.replace(taken, put), END.replace(taken, put)))


def test_a_core_lesson_that_grows_is_noticed():
    def course(cells=5, parameters=10, names=12):
        first = made("\n".join(f"P{n} = 1" for n in range(parameters)))
        first.cells[0].metadata["tags"] = ["parameters"]
        used = "from utils import checks as c\n" + "\n".join(f"c.f{n}()" for n in range(names))
        first.cells += made(used, *["1"] * (cells - 2)).cells
        return first

    test_a_core_lesson_is_small(course(cells=28))
    for more in ({"cells": 29}, {"parameters": 11}, {"names": 13}):
        with pytest.raises(AssertionError):
            test_a_core_lesson_is_small(course(**more))
    imported = made("from utils.base.framework import keras, tf\nkeras.Input\nnp.array")
    assert names_from_utils(imported) == {f"utils.base.framework.{n}" for n in ("keras", "tf")}


def test_a_long_cell_is_noticed():
    for opening, lines in (("# 00 · Core", 15), ("# 10 · Deeper", 20)):
        short = "\n".join("x" * 2)
        test_cells_are_short_and_say_why(
            made(opening, "\n".join("x" * lines), "# why", short, "# why", short)
        )
        with pytest.raises(AssertionError):
            test_cells_are_short_and_say_why(
                made(opening, "\n".join("x" * (lines + 1)), "# why", short, "# why", short)
            )


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


def figures_of(lesson):
    return [
        output
        for cell in of_kind(lesson, "code")
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]


def sentences(text):
    return len(re.findall(r"[.!?](?=\s|$)", text.rstrip(".") + "."))


def test_figures_of_the_core_are_described_in_a_sentence_or_two(core_lesson):
    for figure in figures_of(core_lesson):
        text = figure.metadata["image/png"]["alt"]
        assert len(text) <= 300 and sentences(text) <= 2, text


def test_sentences_are_counted():
    assert [sentences(t) for t in ("One", "At 0.93, one.", "One. Two", "A? B! C.")] == [1, 1, 2, 3]


def test_stored_figures_have_a_text_and_no_second_copy(lesson):
    figures = figures_of(lesson)
    assert figures
    for figure in figures:
        assert len(figure.metadata["image/png"]["alt"]) > 30
        assert "text/html" not in figure.data


def test_stored_results_are_those_of_the_default_profile(lesson):
    (entry,) = pages.recorded(lesson)
    assert entry["profile"] == "drawn"


# -- the glossary names the lesson that introduces a term

GLOSSARY = (ROOT / "notebooks" / "glossary.md").read_text("utf-8")
ENTRIES = re.findall(r"^### (.+)\n(.+)$", GLOSSARY, re.MULTILINE)


def introduces(name, term):
    """Whether a lesson's prose has the term's first word in italics."""
    lesson = nbformat.read(ROOT / "notebooks" / name, 4)
    prose = " ".join(" ".join(c.source for c in of_kind(lesson, "markdown")).split())
    italics = re.findall(r"(?<!\*)\*([^*]{2,60})\*(?!\*)", prose.lower())
    return any(term.split()[0][:6] in words for words in italics)  # overfits, overfitting


@pytest.mark.parametrize(("term", "said"), ENTRIES, ids=[term for term, _ in ENTRIES])
def test_a_term_of_the_glossary_is_introduced_where_it_says(term, said):
    (lesson,) = re.findall(r"Introduced in \[lesson (\d\d)\]\(\1_\w+\.ipynb\)\.$", said)
    (name,) = [path.name for path in PATHS if path.stem.startswith(lesson)]
    assert f"({name})" in said
    assert introduces(name, term) or term == "accuracy"  # a word that needs no introduction there
    assert links(nbformat.read(ROOT / "notebooks" / name, 4)).count(anchor(term)) == 1


def anchor(term):
    """What a heading is called in an address, on the Git host and in JupyterLab."""
    return term.replace(" ", "-")


def links(lesson):
    prose = "\n".join(cell.source for cell in of_kind(lesson, "markdown"))
    return re.findall(r"\]\(glossary\.md#([^)]+)\)", prose)


def test_links_to_the_glossary_lead_to_its_terms(lesson):
    assert {*links(lesson)} <= {anchor(term) for term, _ in ENTRIES}


def test_the_glossary_is_in_order_and_a_wrong_lesson_is_noticed():
    terms = [term for term, _ in ENTRIES]
    assert terms == sorted(terms) and len(terms) >= 40
    assert not introduces("00_pictures_and_splits.ipynb", "weight decay")
