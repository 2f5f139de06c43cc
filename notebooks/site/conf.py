"""Sphinx's settings for the site; `utils/running/site.py` prepares what it reads."""

import re
import shutil

from sphinx.search import en

project = "Transfer learning, checked"
author = ""
copyright = "the authors; code MIT, prose and figures CC BY 4.0"
language = "en"
extensions = ["myst_nb"]
nb_execution_mode = "off"  # outputs are those stored in the lessons
nb_render_text_lexer = "text"
myst_heading_anchors = 4  # links to headings, as the Git host makes them
html_theme = "sphinx_book_theme"
html_title = project
html_favicon = "static/icon.svg"
html_copy_source = False
html_show_sphinx = False
html_use_index = False
templates_path = ["templates"]
html_static_path = ["static"]
html_css_files = ["course.css"]
html_js_files = [("course.js", {"defer": "defer"})]
html_context = {"default_mode": "auto"}
html_theme_options = {
    "use_download_button": False,
    "use_fullscreen_button": False,
    "navbar_persistent": [],
    "show_toc_level": 2,
    "toc_title": "On this page",
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "github-dark-high-contrast",
}


class Search(en.SearchEnglish):
    """English, in which "normalization" finds what the lessons spell "normalisation"."""

    def split(self, text):
        """Give the words of a page, those on -isation in both spellings."""
        words = super().split(text)
        return words + [word.replace("isation", "ization") for word in words if "isation" in word]


# What the theme brings along and no page uses, and classes that its scripts alone set.
NEEDLESS = ("**/*.map", "locales", "vendor", "images", "scripts/fontawesome*", "*.html")
SET_BY_SCRIPTS = {"show", "active", "fade", "tooltip-inner", "tooltip-arrow"}


def lighten(app, error):
    """Leave out what the theme brings along and no page uses: nine tenths of what a page loads."""
    static = app.outdir / "_static"
    for path in [path for pattern in NEEDLESS for path in static.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    pages = " ".join(path.read_text("utf-8") for path in app.outdir.rglob("*.html"))
    named = re.findall(r'(?:class|id)="([^"]*)"', pages)
    named += [path.read_text("utf-8") for path in static.rglob("*.js") if path.stem != "bootstrap"]
    used = {*re.findall(r"[\w-]+", " ".join(named))} | SET_BY_SCRIPTS
    for css in static.rglob("*.css"):
        text = re.sub(r"(?s)/\*.*?\*/|\s+", " ", css.read_text("utf-8"))
        # Light is what is not dark: before scripts have chosen a mode, and where there are none.
        text = re.sub(r'html\[data-theme="?light"?\]', 'html:not([data-theme="dark"])', text)
        css.write_text(pruned(text, used) or text, "utf-8")


def pruned(css, used):
    """Keep the rules of a style sheet whose classes and ids are among those that are used."""
    kept = []
    for head, body in re.findall(r"([^{}]+)\{((?:[^{}]|\{[^{}]*\})*)\}", css):
        if head.lstrip().startswith("@media"):
            body = pruned(body, used)
        elif head.lstrip()[0] != "@":
            selectors = re.split(r",(?![^(]*\))", head)
            named = [re.sub(r':not\([^)]*\)|"[^"]*"', "", selector) for selector in selectors]
            named = [{*re.findall(r"[.#]([A-Za-z_-][\w-]*)", selector)} for selector in named]
            head = ",".join(s for s, names in zip(selectors, named, strict=True) if names <= used)
        if head and body and "font-face" not in head:
            kept.append(f"{head}{{{body}}}")
    return "".join(kept)


def setup(app):
    """Have Sphinx index the pages so, and lighten them."""
    app.add_search_language(Search)
    app.connect("build-finished", lighten)
