"""The page for one's own photograph: pictures read as the course reads them, its answers."""

import importlib.util
import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests import shipped
from tests.faults import test_strangers as strangers
from utils.base import pictures
from utils.base.folders import ROOT
from utils.running import cli

pytestmark = pytest.mark.check

spec = importlib.util.spec_from_file_location("app", ROOT / "notebooks" / "page" / "app.py")
app = importlib.util.module_from_spec(spec)
spec.loader.exec_module(app)


@pytest.fixture(scope="module")
def classifier(shipped_folder):
    return app.Classifier(shipped_folder)


def as_file(image, kind="PNG", **options):
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


@pytest.mark.parametrize("number", range(len(strangers.FORMATS)))
def test_a_picture_is_read_as_the_course_reads_it(number, tmp_path):
    ending, content = strangers.encoded(number)
    if ending.startswith(".tif"):
        pytest.skip("not a kind that browsers offer")
    (tmp_path / f"a{ending}").write_bytes(content)
    wanted = pictures.read(tmp_path / f"a{ending}", (32, 32))
    np.testing.assert_array_equal(app.read_picture(content, 32)[0], wanted)


def test_a_large_photograph_held_sideways_is_read_the_same(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3), "uint8")
    image = Image.fromarray(noise).resize((1200, 900))
    exif = Image.Exif()
    exif[0x0112] = 6
    content = as_file(image, "JPEG", exif=exif)
    (tmp_path / "a.jpg").write_bytes(content)
    read, shown = app.read_picture(content, 64)
    np.testing.assert_array_equal(read, pictures.read(tmp_path / "a.jpg", (64, 64)))
    assert shown.height > shown.width
    assert max(shown.size) <= app.SHOWN


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b"", 400, "choose one first"),
        (b"<html>", 415, "no whole picture"),
        (b"GIF89a" + bytes(30), 415, "no whole picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "no whole picture"),
        (b"\0\0\0\x18ftypheic" + bytes(40), 415, "save it as JPEG"),
        (strangers.bomb(9_000), 413, "64 million pixels"),
        (strangers.bomb(2_000_000), 413, "64 million pixels"),
    ],
)
def test_what_is_no_picture_is_refused_in_a_sentence(content, status, said):
    with pytest.raises(app.Refused, match=said) as caught:
        app.read_picture(content, 32)
    assert caught.value.status == status


def test_a_picture_cut_short_is_refused():
    whole = as_file(Image.effect_noise((300, 300), 50).convert("RGB"), "JPEG")
    with pytest.raises(app.Refused, match="no whole picture"):
        app.read_picture(whole[: len(whole) // 2], 32)


def test_its_probabilities_are_the_models_and_its_map_lies_between_0_and_1(classifier):
    for kind in shipped.CLASSES:
        picture = np.asarray(shipped.drawn(kind, 500))
        probabilities, distance, heat = classifier(picture)
        wanted = classifier.model.predict(picture[None].astype("float32"), verbose=0)[0]
        np.testing.assert_allclose(probabilities, wanted, atol=1e-5)
        assert heat.shape == classifier.base.output_shape[1:3]
        assert heat.min() >= 0 and heat.max() == pytest.approx(1)
        assert 0 < distance < 1


def test_the_map_is_the_gradient_of_the_likeliest_class(classifier):
    """A map's weight is the slope of the logarithm: tried by changing one map a little."""
    picture = np.asarray(shipped.drawn("cat", 501))
    maps = classifier.base(picture[None].astype("float32"), training=False).numpy()

    def score(maps):
        for layer in classifier.after:
            maps = layer(maps)
        return np.log(maps.numpy().max())

    slopes = []
    for channel in range(40):
        step = np.zeros_like(maps)
        step[..., channel] = 0.05
        slopes.append((score(maps + step) - score(maps - step)) / 0.1 / maps[0, :, :, 0].size)
    with app.tf.GradientTape() as tape:
        watched = app.tf.constant(maps)
        tape.watch(watched)
        values = watched
        for layer in classifier.after:
            values = layer(values)
        top = app.tf.math.log(app.tf.reduce_max(values))
    weights = tape.gradient(top, watched).numpy().mean((0, 1, 2))
    np.testing.assert_allclose(slopes, weights[:40], rtol=0.05, atol=1e-5)
    heat = np.maximum((maps[0] * weights).sum(-1), 0)
    np.testing.assert_allclose(classifier(picture)[2], heat / heat.max(), atol=1e-4)


def test_a_strange_picture_is_called_strange_and_a_training_picture_is_not(classifier):
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), "uint8")
    strange = app.answer(classifier, as_file(Image.fromarray(noise)))
    assert "like none of the training pictures" in strange
    known = app.answer(classifier, as_file(shipped.drawn("dog", 1)))
    assert "like none of the training pictures" not in known
    assert "<p class='said'>dog</p>" in known


def test_class_names_are_text_and_nothing_else(classifier, monkeypatch):
    names = {"class_names": ["<script>alert(1)</script>", "<b>"]}
    monkeypatch.setattr(classifier, "settings", classifier.settings | names)
    said = app.answer(classifier, as_file(shipped.drawn("cat", 2)))
    assert "<script" not in said and "<b>" not in said


def test_the_first_file_of_a_form_is_taken_whole():
    content = b"\r\n--x\r\n" + bytes(range(256)) + b"\r\n"
    body = b'--b\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\n%b\r\n--b--\r\n'
    assert app.uploaded(body % content, "multipart/form-data; boundary=b") == content
    for kind in ("text/plain", "multipart/form-data", "multipart/form-data; boundary=c"):
        with pytest.raises(app.Refused):
            app.uploaded(body % content, kind)


def test_without_lesson_21_the_command_says_what_to_run(home, capsys):
    assert cli.main(["page", "--profile", "mine"]) == 2
    assert "`python -m utils.course run 21 --profile mine`" in capsys.readouterr().err


def test_a_port_that_is_taken_is_said_in_one_sentence(shipped_folder):
    with shipped.running(shipped_folder) as address:
        port = address.rstrip("/").rsplit(":", 1)[1]
        command = [sys.executable, "-I", "app.py", "--port", port, "--no-browser"]
        done = subprocess.run(command, cwd=shipped_folder, capture_output=True, text=True)
    assert done.returncode == 2
    assert "name another with --port" in done.stderr.splitlines()[-1]


def test_nothing_of_the_course_is_imported(shipped_folder):
    code = "import sys; sys.argv = ['app.py', '--port', '-1']; import runpy\n"
    code += "try: runpy.run_path('app.py', run_name='__main__')\n"
    code += "except SystemExit: print('utils' in sys.modules)"
    command = [sys.executable, "-I", "-c", code]
    done = subprocess.run(command, cwd=shipped_folder, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
