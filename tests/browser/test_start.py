"""The first screen: what `make lab` opens, a lesson started from it, and what is left behind."""

import re
import time

import nbformat
import pytest
from playwright.sync_api import expect

from tests.notebooks.test_smoke import git_status
from utils.running import copies, lessons

LESSON = "01_feature_extraction"
LAPTOP = {"width": 1366, "height": 768}
PREVIEW = ".jp-MarkdownViewer:not(.lm-mod-hidden)"
CUT_OFF = """() => [...document.querySelectorAll('.jp-DirListing-itemText')]
  .filter(e => e.scrollWidth > e.clientWidth).map(e => e.textContent)"""


@pytest.fixture(scope="module")
def desk(chromium, lab):
    """A browser at the address that `make lab` prints."""
    context = chromium.new_context(viewport=LAPTOP)
    page = context.new_page()
    page.goto(f"{lab['url']}?token={lab['token']}")
    page.wait_for_selector(f"{PREVIEW} h1", timeout=60_000)
    page.wait_for_timeout(2000)
    yield page
    context.close()


def test_the_start_page_is_in_front_rendered_and_alone(desk, shots):
    tabs = desk.locator(".lm-DockPanel .lm-TabBar-tab").all_inner_texts()
    assert tabs == [copies.START]
    assert desk.locator(".Toastify__toast, .jp-Dialog").count() == 0, "a question at the start"
    links = desk.locator(f"{PREVIEW} td a").all_inner_texts()
    assert [text[:2] for text in links] == [lesson[:2] for lesson in lessons.lessons()]
    for place, name in ((0, "top"), (700, "middle"), (5000, "end")):
        desk.locator(PREVIEW).evaluate(
            "(e, y) => [e, ...e.querySelectorAll('*')].forEach(part => part.scrollTop = y)", place
        )
        desk.wait_for_timeout(300)
        desk.screenshot(path=shots / f"start_{name}.png")


def test_the_file_browser_shows_lessons_only_with_their_whole_names(desk):
    names = desk.locator(".jp-DirListing-itemText").all_inner_texts()
    copied = [f"{lesson}.ipynb" for lesson in lessons.lessons()]
    assert names == [*copied, copies.GLOSSARY, copies.START]
    assert desk.evaluate(CUT_OFF) == []


def test_a_lesson_is_started_from_the_page_run_and_saved(desk, lab, shots, monkeypatch):
    before = git_status()
    desk.locator(f"{PREVIEW} a", has_text="01 · ").click()
    tab = desk.locator(".lm-DockPanel .lm-TabBar-tab.lm-mod-current", has_text=LESSON)
    expect(tab).to_be_visible(timeout=30_000)
    status = desk.locator("#jp-main-statusbar")
    idle = re.compile(r"Python 3 \(ipykernel\) \| Idle")
    expect(status).to_contain_text(idle, timeout=60_000)  # and no question which kernel
    desk.screenshot(path=shots / "start_lesson.png")
    desk.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Run$")).click()
    desk.locator(".lm-Menu-itemLabel", has_text=re.compile("^Run All Cells")).first.click()
    deadline = time.monotonic() + 240
    while True:
        desk.wait_for_timeout(2000)
        desk.keyboard.press("Control+s")
        desk.wait_for_timeout(500)
        cells = nbformat.read(lab["folder"] / f"{LESSON}.ipynb", 4).cells
        code = [cell for cell in cells if cell.cell_type == "code" and cell.source.strip()]
        assert [o for c in code for o in c.outputs if o.output_type == "error"] == []
        if all(cell.execution_count for cell in code):
            break
        assert time.monotonic() < deadline, "not all cells have run"
    expect(status).to_contain_text(idle, timeout=60_000)
    assert git_status() == before
    # What `make lab` does when it is started again: the work stays, and the page says what is done.
    for name in ("DATA", "CACHE", "LAB"):
        monkeypatch.setenv(f"COURSE_{name}_DIR", str(lab["home"] / name.lower()))
    mine = (lab["folder"] / f"{LESSON}.ipynb").read_text("utf-8")
    assert copies.prepare("smoke") == (lab["folder"], [])
    assert (lab["folder"] / f"{LESSON}.ipynb").read_text("utf-8") == mine
    desk.goto(f"{lab['url']}?token={lab['token']}")
    row = desk.locator(f"{PREVIEW} tr", has_text="01 · ")
    expect(row).to_contain_text(re.compile(r"✓ .*accuracy 0\.\d{3}|✓ .*accuracy 1\.000"),
                                timeout=60_000)  # fmt: skip
    current = desk.locator(".lm-DockPanel .lm-TabBar-tab.lm-mod-current")
    expect(current).to_have_text([copies.START], timeout=30_000)  # after the lesson is back, too
    desk.screenshot(path=shots / "start_done.png")
