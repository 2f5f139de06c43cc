"""A real Chromium, driven as a person would; without one these tests are skipped, and say so."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.conftest import CHROMIUM
from utils.base.folders import ROOT, data_dir

# Where pictures of the screen are kept to be looked at.
SHOTS = Path(os.environ.get("COURSE_SHOTS_DIR") or ROOT / "data" / "shots")


# Not for the whole session: Playwright keeps an event loop, which must not meet the notebooks' own.
@pytest.fixture(scope="package")
def chromium():
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        options = ["--disable-gpu", "--disable-background-networking", "--no-first-run"]
        # A camera that is none, for the page that takes a photograph.
        options += ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.append("--no-sandbox")  # Chromium refuses to run as root otherwise
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def shots():
    SHOTS.mkdir(parents=True, exist_ok=True)
    return SHOTS


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab as `make lab PROFILE=smoke` starts it, for a learner with an empty home.

    Gives what Jupyter says of the server (url, token, …), the home, and the folder of the copies.
    """
    home = tmp_path_factory.mktemp("home of a learner")
    (home / "data").mkdir()
    for name in ("drawn_pets", "drawn_signs"):  # drawn once for all tests
        if (data_dir() / name).is_dir():
            (home / "data" / name).symlink_to(data_dir() / name)
    # Counting the lines that kernels reach would take a quarter longer.
    others = ("COVERAGE", "JUPYTER", "XDG")
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(others)},
        **{f"COURSE_{name}_DIR": str(home / name.lower()) for name in ("DATA", "CACHE", "LAB")},
        "HOME": str(home),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
    }
    options = ["--no-browser", "--port=0", "--ip=127.0.0.1"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")
    command = [sys.executable, "-m", "utils.course", "lab", "--profile", "smoke", "--", *options]
    said = home / "server.log"
    with open(said, "w", encoding="utf-8") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    deadline = time.monotonic() + 120
    while not (found := list((home / "runtime").glob("jpserver-*.json"))):
        assert server.poll() is None and time.monotonic() < deadline, said.read_text("utf-8")
        time.sleep(0.2)
    time.sleep(0.5)
    about = json.loads(found[0].read_text("utf-8"))
    assert about["token"] and about["hostname"] == "127.0.0.1"
    yield about | {"home": home, "folder": home / "lab" / "smoke"}
    stop = [sys.executable, "-m", "jupyter", "server", "stop", str(about["port"])]
    subprocess.run(stop, env=environment, capture_output=True)
    server.wait(30)
    assert "http" in said.read_text("utf-8") and "without encryption" not in said.read_text("utf-8")
