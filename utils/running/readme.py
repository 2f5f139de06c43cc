"""README, INSTRUCTORS and the page of results, filled from the record: they cannot drift from it.

The prose stands in the pages: the first two hold markers, between which something is made anew;
`notebooks/results/page.md` is a Jinja template, which becomes the README.md beside it.
"""

import json

import jinja2
import matplotlib

from utils import plots, results, statistics
from utils.base.folders import ROOT
from utils.running import copies
from utils.running.pages import minutes

README, INSTRUCTORS, NOTEBOOKS = ROOT / "README.md", ROOT / "INSTRUCTORS.md", ROOT / "notebooks"
TEMPLATE, PAGE, ARC = (results.STORED / name for name in ("page.md", "README.md", "arc.svg"))
MISSING, BADGE = "–", "notebooks/site/colab.svg"
WORDS, MINUTES = 150, 8  # read in a minute, code and figures between them; for an exercise

BANDS = {"0": "lessons 00 to 04", "1": "lessons 10 to 15", "2": "lessons 20 to 22"}

# What the book prints after its last step, on 1,000 test pictures: F. Chollet, Deep Learning with
# Python, first edition (2017), notebook 5.3.
BOOK = statistics.with_interval(0.968, 1000)


def write() -> None:
    """Bring README, INSTRUCTORS, the page of results and the figure up to date."""
    for path in (README, INSTRUCTORS):
        path.write_text(fill(path.read_text("utf-8"), path.name), "utf-8")
    PAGE.write_text(page(TEMPLATE.read_text("utf-8")), "utf-8")
    with matplotlib.rc_context({"svg.hashsalt": "course", "svg.fonttype": "none"}):
        arc().savefig(ARC, format="svg", metadata={"Date": None})  # same numbers, same bytes


def fill(text: str, name: str = "README.md") -> str:
    """Give the text of README or INSTRUCTORS with what stands between its markers made anew."""
    made = {"result": result_table, "lessons": lessons_table, "minutes": core_minutes}
    made |= {"colab": colab_badges}
    for marker, maker in (made if name == README.name else {"plan": plan_table}).items():
        start, end = f"<!-- {marker} -->", f"<!-- /{marker} -->"
        if (text.count(start), text.count(end)) != (1, 1):
            raise ValueError(f"{name} must hold the markers {start} and {end} exactly once")
        text = text.split(start)[0] + start + maker() + end + text.split(end)[1]
    return text


def page(template: str) -> str:
    """Give the page of results: its template, filled from the record."""
    strict = {"undefined": jinja2.StrictUndefined}  # a number that a record has not is an error
    environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, **strict)
    environment.filters["duration"] = duration
    known = {"stored": results.load_stored, "numbers": numbers, "value": value}
    known |= {"accuracy": accuracy, "lesson": lesson_link, "book": BOOK}
    return environment.from_string(template).render(known)


def numbers(record: str, start: str) -> dict:
    """Give the numbers of the record's entry whose name begins so; {} if it has none."""
    stored = results.load_stored(record)
    return next((stored[name]["numbers"] for name in stored if name.startswith(start)), {})


def value(record: str, start: str, name: str, form: str = ".3f") -> str:
    """Write one number of the record, or a dash where it has not been measured."""
    found = numbers(record, start)
    return format(found[name], form) if name in found else MISSING


def accuracy(record: str, start: str, name: str, pictures: str = "") -> str:
    """Write an accuracy with its interval (of `pictures`, or those of its split), or a dash."""
    found = numbers(record, start)
    if name not in found:
        return MISSING
    split = "test" if "test" in name else "validation"
    return statistics.with_interval(found[name], found[pictures or f"{split}_pictures"])


def lesson_link(start: str) -> str:
    """Write the link from the page of results to a lesson."""
    (path,) = NOTEBOOKS.glob(f"{start}_*.ipynb")
    return f"[{start}](../{path.name})"


def duration(seconds: float) -> str:
    """Write seconds as a person would say them."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def result_table() -> str:
    """Write README's one result: the same step, the book's way and the course's, on photographs."""
    repeated = accuracy("book", "02", "divided_by_255_instead_validation_accuracy")
    ours = accuracy("book", "02", "validation_accuracy")
    return _table(
        ["a dense head on VGG16's features", "validation accuracy, 95 % interval"],
        ["the book prints", "0.903"],
        ["the book's way, pixels divided by 255, repeated here", repeated],
        ["pixels scaled as VGG16 was trained on them", ours],
    )


def lessons_table() -> str:
    """Write the table of lessons: name, question, minutes of the default profile."""
    stored, rows = results.load_stored("drawn"), []
    for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        title, answer, _ = copies.opening(json.loads(path.read_text("utf-8")))
        link = f"[{title}](notebooks/{path.name})"
        rows.append([link, answer, str(minutes(stored[path.stem]))])
    return _table(["lesson", "what it answers", "minutes on two cores"], *rows)


def colab_badges() -> str:
    """Write a badge for each copy that the command `colab` made; none if there are no copies."""
    badges = []
    for path in sorted((NOTEBOOKS / "colab").glob("*.ipynb")):
        address = json.loads(path.read_text("utf-8"))["metadata"]["opened_at"]
        image = f"![Open lesson {path.stem} in Colab]({BADGE})"
        badges.append(f"{path.stem[:2]}\N{NO-BREAK SPACE}[{image}]({address})\n")
    return "\n" + "".join(badges)


def plan_table() -> str:
    """Write the instructors' table: minutes of reading, running and exercises of each lesson."""
    stored, rows, sums = results.load_stored("drawn"), [], {}
    for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        notebook = json.loads(path.read_text("utf-8"))
        cells = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]
        words = sum(len(source.split()) for kind, source in cells if kind == "markdown")
        exercises = sum(len(copies.EXERCISE.findall(source)) for _, source in cells)
        spent = -(-words // WORDS), minutes(stored[path.stem]), MINUTES * exercises
        title, _, _ = copies.opening(notebook)
        rows.append([f"[{title}](notebooks/{path.name})", *spent, sum(spent)])
        band = BANDS[path.name[0]]
        sums[band] = [a + b for a, b in zip(sums.get(band, [0] * 4), rows[-1][1:], strict=True)]
    rows += [[band, *numbers] for band, numbers in sums.items()]
    head = ["lesson", "reading", "running", "exercises", "together"]
    return _table(head, *(map(str, row) for row in rows))


def core_minutes() -> str:
    """Write how many minutes lessons 00 to 04 took together."""
    core = [one for name, one in results.load_stored("drawn").items() if name.startswith("0")]
    return str(minutes({"seconds": sum(one["seconds"] for one in core)}))


def _table(head, *rows):
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join(["", lines[0], "|---" * len(head) + "|", *lines[1:], ""])


def arc() -> plots.Picture:
    """Draw the way from guessing to fine-tuning, from the record of the default profile."""
    steps = {"00": "small network from scratch", "02": "dense head"}
    steps |= {"03": "frozen base with augmentation", "04": "last blocks fine-tuned"}
    accuracies, pictures = {"guessing": 0.5}, [500]
    for start, text in steps.items():
        found = numbers("drawn", start)
        accuracies[f"{start} · {text}"] = found["test_accuracy"]
        pictures.append(found["test_pictures"])
    title = "Test accuracy on drawn pets, from guessing to fine-tuning, with 95 % intervals"
    return plots.accuracies(accuracies, pictures, title, "test accuracy")
