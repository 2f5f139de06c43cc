"""The page for one's own photograph, in a real browser: by keyboard, small, enlarged, by camera."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests import shipped

RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}
SIZES = {
    "desk": {"viewport": {"width": 1000, "height": 800}},
    "phone": {"viewport": {"width": 320, "height": 640}},
    # A window of 1,000 pixels at 200 %: half as many, each twice as large.
    "enlarged": {"viewport": {"width": 500, "height": 400}, "device_scale_factor": 2},
    "dark": {"viewport": {"width": 1000, "height": 800}, "color_scheme": "dark"},
}


@pytest.fixture(scope="module")
def address(shipped_folder):
    with shipped.running(shipped_folder) as address:
        yield address


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("photo") / "my dog.png"
    shipped.drawn("dog", 1).save(path)
    return path


def must_be_for_everybody(page):
    found = Axe().run(page, options=RULES).response["violations"]
    assert [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("size", SIZES)
def test_a_picture_is_answered_by_keyboard_alone(chromium, address, picture, size, shots):
    context = chromium.new_context(**SIZES[size])
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    must_be_for_everybody(page)
    page.locator("#picture").set_input_files(picture)
    page.locator("#picture").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "What does it show?"
    page.keyboard.press("Enter")
    answer = page.locator("#answer")
    expect(answer.locator(".said")).to_have_text("dog", timeout=20_000)
    expect(answer).to_be_focused()
    assert answer.locator("img").evaluate("e => e.naturalWidth") == shipped.SIZE
    assert "red over what raised the answer dog" in answer.locator("img").get_attribute("alt")
    must_be_for_everybody(page)
    page.screenshot(path=shots / f"photo_{size}.png", full_page=True)
    assert all(url.startswith((address, "data:")) for url in asked)
    context.close()


def test_what_is_no_picture_is_said_and_the_page_goes_on(chromium, address, picture, tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    page = chromium.new_page()
    page.goto(address)
    page.locator("#picture").set_input_files(tmp_path / "a.png")
    page.locator("form button").click()
    expect(page.locator("#answer [role=alert]")).to_contain_text("no whole picture")
    must_be_for_everybody(page)
    page.locator("#picture").set_input_files(picture)
    page.locator("form button").click()
    expect(page.locator("#answer .said")).to_have_text("dog")
    page.close()


def test_it_works_without_scripts(chromium, address, picture):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    page.locator("#picture").set_input_files(picture)
    page.locator("form button").click()
    assert page.locator("#answer .said").inner_text() == "dog"
    assert page.locator("#camera").is_hidden()
    context.close()


def test_a_picture_is_taken_with_the_camera(chromium, address, shots):
    """Chromium's own false camera: a green field with a moving dial, which is no pet."""
    context = chromium.new_context(permissions=["camera"])
    page = context.new_page()
    page.goto(address)
    page.get_by_role("button", name="Use the camera").click()
    take = page.get_by_role("button", name="Take the picture")
    expect(take).to_be_focused(timeout=20_000)
    must_be_for_everybody(page)
    page.keyboard.press("Enter")
    expect(page.locator("#answer .unknown")).to_be_visible(timeout=20_000)
    page.screenshot(path=shots / "photo_camera.png", full_page=True)
    assert page.locator("#view").is_hidden()
    context.close()


def test_a_camera_that_is_not_allowed_is_said(chromium, address):
    context = chromium.new_context(permissions=[])
    page = context.new_page()
    page.add_init_script(
        "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no'))"
    )
    page.goto(address)
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator("#wait")).to_contain_text("cannot be used")
    context.close()


def test_the_card_is_one_click_away(chromium, address):
    page = chromium.new_page()
    page.goto(address)
    page.get_by_role("link", name="How good is it").click()
    assert "A card." in page.content()
    page.close()
