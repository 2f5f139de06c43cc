"""The HTML copies of the lessons: no network, no errors, for everybody's eyes and keys."""

import re

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe

from utils.running import lessons, pages

# By day the first lesson, the longest, and one of those that go deeper.
BY_DAY = lessons.choose(["00", "04", "14"])
LESSONS = [
    pytest.param(lesson, marks=[] if lesson in BY_DAY else pytest.mark.nightly)
    for lesson in lessons.lessons()
]
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}


@pytest.fixture(params=LESSONS, scope="module")
def opened(request, chromium, tmp_path_factory):
    """A lesson's stored run as the page that `make course` writes, opened from disk, offline."""
    notebook = nbformat.read(lessons.NOTEBOOKS / f"{request.param}.ipynb", 4)
    path = tmp_path_factory.mktemp("pages") / f"{request.param}.html"
    path.write_text(pages.to_html(notebook, request.param), "utf-8")
    context = chromium.new_context(offline=True, viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.trouble = []
    page.on("console", lambda m: page.trouble.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: page.trouble.append(str(error)))
    page.on(
        "request",
        lambda r: None if r.url.startswith(("file:", "data:")) else page.trouble.append(r.url),
    )
    page.goto(path.as_uri())
    yield page
    context.close()


def test_it_needs_no_network_and_says_no_error(opened):
    opened.wait_for_timeout(200)
    assert opened.trouble == []
    images = opened.locator("img")
    assert images.count() > 0
    for image in images.all():
        assert image.evaluate("i => i.complete && i.naturalWidth > 0")
        assert len(image.get_attribute("alt")) > 30


def test_nothing_is_wider_than_the_screen(opened, shots):
    for width, height in ((1366, 768), (1024, 768)):
        opened.set_viewport_size({"width": width, "height": height})
        assert opened.evaluate("document.documentElement.scrollWidth") <= width
    name = opened.url.rsplit("/", 1)[1].removesuffix(".html")
    opened.screenshot(path=shots / f"page_{name}.png", full_page=True)


def test_its_links_work(opened):
    targets = opened.eval_on_selector_all(
        "a[href]", "links => links.map(a => a.getAttribute('href'))"
    )
    for target in targets:
        if target.startswith("#"):
            assert opened.evaluate("id => document.getElementById(id) !== null", target[1:]), target
        else:
            assert re.match(r"https://[\w.-]+/?", target), target


def test_everybody_can_read_it(opened):
    """Contrast, names, headings, focus: axe-core's rules of WCAG 2.1, levels A and AA."""
    found = Axe().run(opened, options=RULES).response["violations"]
    assert [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found] == []


def test_it_is_reached_by_the_keyboard(opened):
    """What scrolls or leads somewhere gets the focus by Tab, in the order of the page."""
    wanted = opened.locator("a[href]:visible").count()
    seen = set()
    for _ in range(wanted + 50):
        opened.keyboard.press("Tab")
        place = opened.evaluate(
            "() => { const e = document.activeElement;"
            " return e === document.body ? null : [...document.querySelectorAll('*')].indexOf(e) }"
        )
        if place is None or place in seen:
            break
        seen.add(place)
    links = opened.eval_on_selector_all(
        "a[href]",
        "links => links.filter(a => a.offsetParent !== null)"
        ".map(a => [...document.querySelectorAll('*')].indexOf(a))",
    )
    assert set(links) <= seen
