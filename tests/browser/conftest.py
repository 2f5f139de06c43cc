"""A real Chromium, driven as a person would; without one these tests are skipped, and say so."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.conftest import CHROMIUM
from utils.base.folders import ROOT

# Where pictures of the screen are kept to be looked at.
SHOTS = Path(os.environ.get("COURSE_SHOTS_DIR") or ROOT / "data" / "shots")


# Not for the whole session: Playwright keeps an event loop, which must not meet the notebooks' own.
@pytest.fixture(scope="package")
def chromium():
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        options = ["--disable-gpu", "--disable-background-networking", "--no-first-run"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.append("--no-sandbox")  # Chromium refuses to run as root otherwise
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def shots():
    SHOTS.mkdir(parents=True, exist_ok=True)
    return SHOTS
