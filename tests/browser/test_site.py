"""The site: built once, then read as its readers do: by eye, by key, on paper, from disk."""

import json
import re
import threading
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from axe_playwright_python.sync_playwright import Axe

from utils.results import MIME
from utils.running import copies, lessons, site
from utils.running.profiles import NOTEBOOKS

LESSONS = [f"notebooks/{lesson}" for lesson in lessons.lessons()]
NAMES = ["index", "search", "README", *(name.removesuffix(".md") for name in site.PAGES), *LESSONS]
# By day the start, the longest lesson, one with other outputs, and the page with the widest tables.
FOURTH = next(name for name in LESSONS if "/04_" in name)
BY_DAY = {"index", "search", FOURTH, "notebooks/results/README"}
PAGES = [pytest.param(name, marks=[] if name in BY_DAY else pytest.mark.nightly) for name in NAMES]
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}


class Page(HTMLParser):
    """What a page holds, read without a browser."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.loads, self.images, self.next = set(), [], [], [], None
        self.depth, self.solutions, self.shown, self.behind = 0, 0, [], []
        self.feed(path.read_text("utf-8"))
        self.text, self.solved = (squeezed("".join(part)) for part in (self.shown, self.behind))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids |= {attrs["id"]} if "id" in attrs else set()
        if tag == "a":
            self.links.append(attrs["href"])
            self.next = attrs["href"] if attrs.get("class") == "right-next" else self.next
        if tag in ("link", "script", "img", "iframe"):
            self.loads += [attrs[name] for name in ("src", "href") if name in attrs]
        if tag == "img":
            self.images.append(attrs.get("alt", ""))
        if tag == "details":
            assert "open" not in attrs
            self.solutions += attrs.get("class") == "solution"
            self.depth += attrs.get("class") == "solution" or self.depth > 0

    def handle_endtag(self, tag):
        self.depth -= tag == "details" and self.depth > 0

    def handle_data(self, data):
        (self.behind if self.depth else self.shown).append(data)


def squeezed(text):
    return re.sub(r"\s+", "", text)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return site.write(tmp_path_factory.mktemp("site") / "of the course").parent


@pytest.fixture(scope="module")
def read(built):
    """Every page, by its name without ending."""
    paths = built.rglob("*.html")
    return {path.relative_to(built).with_suffix("").as_posix(): Page(path) for path in paths}


# -- what can be seen without a browser


def test_it_has_every_page(read):
    assert set(NAMES) <= set(read)
    for name in set(NAMES) - {"index", "search"}:
        assert f"{name.rsplit('/', 1)[-1]}.html" in " ".join(read["index"].links), name


def test_every_link_leads_somewhere_and_nothing_is_loaded_from_elsewhere(built, read):
    for name, page in read.items():
        here = built / f"{name}.html"
        for target in page.links + page.loads:
            if target.startswith("https://") and target not in page.loads:
                continue  # a reference, which a reader may follow
            assert ":" not in target, (name, target)
            path, _, anchor = target.partition("#")
            there = (here.parent / path.split("?")[0]).resolve() if path else here
            assert there.is_file(), (name, target)
            if anchor:
                assert anchor in read[there.relative_to(built).with_suffix("").as_posix()].ids, (
                    name,
                    target,
                )
    for style in built.rglob("*.css"):
        loads = re.findall(r"(?:url\(|@import )[\"']?([\w.:/-]+)", style.read_text("utf-8"))
        assert not [target for target in loads if ":" in target and target[:5] != "data:"], style


def test_lessons_follow_one_another(read):
    name, order = "index", []
    while read[name].next:
        assert len(order) < len(NAMES)
        folder = name.rpartition("/")[0]
        parts = [part for part in folder.split("/") if part]
        for part in read[name].next.removesuffix(".html").split("/"):
            parts = parts[:-1] if part == ".." else [*parts, part]
        name = "/".join(parts)
        order.append(name)
    assert order[: len(LESSONS)] == LESSONS
    assert set(order) == set(NAMES) - {"index", "search"}


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_shows_what_is_stored_and_no_solution(read, lesson):
    """All prose code and outputs; a solution, and what it printed, only behind a click."""
    page, answers, alts = read[lesson], 0, []
    assert MIME not in page.text + page.solved
    for cell in json.loads((NOTEBOOKS.parent / f"{lesson}.ipynb").read_text("utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] != "code":
            continue
        solved = copies.SOLUTION.search(source)
        answers += solved is not None
        assert squeezed(copies.SOLUTION.sub("", source)) in page.text
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                alts.append(output["metadata"]["image/png"]["alt"])
            else:
                said = squeezed("".join(output.get("text") or data["text/plain"]))
                assert said in (page.solved if solved else page.text)
        if solved:
            inner = squeezed(site.MARKERS.sub("", solved[0]))
            assert inner in page.solved and inner not in page.text
    assert answers == page.solutions >= 2
    assert [alt for alt in page.images if alt] == alts and len(alts) >= 1


def test_the_start_page_has_the_result_and_the_way(read):
    readme = (NOTEBOOKS.parent / "README.md").read_text("utf-8")
    table = readme.split("<!-- result -->")[1].split("<!-- /result -->")[0]
    for cell in re.findall(r"[^|\n]+", table.replace("|---|---|", "")):
        assert squeezed(cell.replace("'", "’")) in read["index"].text.replace("'", "’")
    (way,) = [alt for alt in read["index"].images if "in Colab" not in alt]  # badges, once there
    assert "fine-tuned" in way


def test_it_is_small(built):
    sizes = [path.stat().st_size for path in built.rglob("*") if path.is_file()]
    assert sum(sizes) < 25e6
    assert not [*built.rglob("*.map"), *built.rglob("fontawesome*"), *built.rglob("*.ipynb")]


# -- in a browser, from disk


def open_page(chromium, url, **options):
    options = {"offline": True, "reduced_motion": "reduce"} | options
    options = {"viewport": {"width": 1280, "height": 800}} | options
    page = chromium.new_context(**options).new_page()
    page.trouble = []
    page.on("console", lambda m: page.trouble.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: page.trouble.append(str(error)))
    page.on(
        "request",
        lambda r: None if r.url.startswith(("file:", "data:")) else page.trouble.append(r.url),
    )
    page.goto(url)
    return page


@pytest.fixture(params=PAGES, scope="module")
def opened(request, chromium, built):
    page = open_page(chromium, (built / f"{request.param}.html").as_uri())
    page.name = request.param.replace("/", "_")
    yield page
    page.context.close()


def test_it_needs_no_network_and_says_no_error(opened):
    opened.wait_for_timeout(200)
    assert opened.trouble == []
    for image in opened.locator("img").all():
        assert image.evaluate("i => i.complete && i.naturalWidth > 0")
        assert len(image.get_attribute("alt")) > 30


def test_nothing_is_wider_than_the_screen(opened, shots):
    for width in (320, 768, 1366):
        opened.set_viewport_size({"width": width, "height": 800})
        assert opened.evaluate("document.documentElement.scrollWidth") <= width
        if width != 768 and opened.name in {name.replace("/", "_") for name in BY_DAY}:
            opened.wait_for_timeout(500)  # until bars at the sides have gone
            opened.screenshot(path=shots / f"site_{opened.name}_{width}.png")


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_everybody_can_read_it(opened, mode, shots):
    """Contrast, names, headings, focus: axe-core's rules of WCAG 2.1, levels A and AA."""
    opened.emulate_media(color_scheme=mode)
    opened.wait_for_function("mode => document.documentElement.dataset.theme === mode", arg=mode)
    # Answers are open, so that they are looked at, too.
    opened.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = Axe().run(opened, options=RULES).response["violations"]
    assert [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found] == []
    for image in opened.locator("article img").all():  # figures are drawn for white paper
        assert image.evaluate("i => getComputedStyle(i).backgroundColor") == "rgb(255, 255, 255)"
    opened.evaluate("document.querySelectorAll('details').forEach(d => d.open = false)")
    if mode == "dark":
        opened.screenshot(path=shots / f"site_{opened.name}_dark.png")


WANTED = "a[href], button, summary, input"


def test_it_is_reached_by_the_keyboard(opened):
    """Whatever leads somewhere or does something gets the focus by Tab."""
    opened.reload()
    wanted = opened.eval_on_selector_all(
        WANTED,
        "all => all.filter(e => e.checkVisibility({visibilityProperty: true}) && e.tabIndex >= 0)"
        ".map(e => [...document.querySelectorAll('*')].indexOf(e))",
    )
    seen = set()
    for _ in range(2 * len(wanted) + 200):
        opened.keyboard.press("Tab")
        place = opened.evaluate(
            "() => { const e = document.activeElement;"
            " return e === document.body ? null : [...document.querySelectorAll('*')].indexOf(e) }"
        )
        if place in seen:
            break
        seen.add(place)
    assert set(wanted) <= seen


def test_it_can_be_printed(opened, tmp_path):
    """On paper: no bars, all answers open, no code cut off."""
    opened.emulate_media(media="print", color_scheme="light")
    hidden = "all => all.filter(e => !e.checkVisibility()).map(e => e.outerHTML.slice(0, 99))"
    assert opened.eval_on_selector_all("article p, article pre, article img", hidden) == []
    for bar in (".bd-sidebar-primary", ".bd-sidebar-secondary", ".prev-next-footer"):
        assert not opened.locator(bar).first.is_visible()
    opened.set_viewport_size({"width": 700, "height": 900})  # about a page of A4
    cut = "all => all.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent)"
    assert opened.eval_on_selector_all("article pre", cut) == []
    paper = opened.pdf(format="A4")
    assert paper.startswith(b"%PDF") and len(paper) > 10_000
    opened.emulate_media(media="screen")
    opened.set_viewport_size({"width": 1280, "height": 800})


# -- single things


@pytest.fixture(scope="module")
def served(built):
    """Its address on this computer, as any web server would give it out."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=built))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def results_of(page, words):
    page.goto(page.url.split("?")[0] + "?q=" + words.replace(" ", "+"))
    page.get_by_text(re.compile("Search finished")).wait_for()
    return page.locator("ul.search > li > a").all_inner_texts()


@pytest.mark.parametrize("words", ["batch normalization", "batch normalisation"])
def test_a_search_finds_the_lesson(chromium, served, built, words):
    """From a server with excerpts, from disk without: there pages may not read one another."""
    page = open_page(chromium, f"{served}search.html", offline=False)
    found = results_of(page, words)
    # Each lesson once, the best place in it first.
    in_lessons = [*dict.fromkeys(title[:2] for title in found if re.match(r"\d\d ·", title))]
    assert in_lessons[:3] == ["04", "11", "14"]
    page.locator("ul.search p.context").first.wait_for()
    assert all(line.startswith(served) for line in page.trouble)
    page.context.close()
    page = open_page(chromium, (built / "search.html").as_uri())
    assert results_of(page, words) == found and page.trouble == []
    page.context.close()


def test_the_first_page_is_light(chromium, served):
    page = open_page(chromium, "about:blank", offline=False)
    sizes = {}
    page.on("response", lambda response: sizes.update({response.url: len(response.body())}))
    page.goto(served, wait_until="networkidle")
    assert len(sizes) > 5 and all(url.startswith(served) for url in sizes)
    assert sum(sizes.values()) < 300_000, sizes
    page.context.close()


def test_it_is_read_without_scripts(chromium, built):
    page = open_page(chromium, (built / f"{FOURTH}.html").as_uri(), java_script_enabled=False)
    assert "What you have seen" in page.locator("main").inner_text()
    solution = page.locator("details.solution").first
    assert not solution.locator("pre").first.is_visible()
    solution.locator("summary").click()
    assert solution.locator("pre").first.is_visible()
    assert page.locator(".bd-sidebar-primary a", has_text="Glossary").is_visible()
    assert not page.get_by_role("button", name="Copy this code").count()
    page.context.close()


def test_a_mode_is_chosen_and_stays(chromium, served):
    page = open_page(chromium, served, offline=False, color_scheme="light")
    page.get_by_role("button", name="Color mode").click()
    page.get_by_role("button", name="Dark").click()
    page.locator(".bd-sidebar-primary a", has_text="Glossary").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.context.close()


def test_code_is_copied_by_a_button(chromium, served):
    page = open_page(chromium, f"{served}{FOURTH}.html", offline=False)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    box = page.locator(".cell_input div.highlight").nth(2)
    box.hover()
    box.get_by_role("button", name="Copy").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    sources = json.loads((NOTEBOOKS.parent / f"{FOURTH}.ipynb").read_text("utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in sources if cell["cell_type"] == "code"]
    assert copied == sources[2] + "\n"
    page.context.close()
