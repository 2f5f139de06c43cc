import numpy as np
import pytest
from PIL import Image

from tests.conftest import save
from utils.base import pictures

pytestmark = pytest.mark.check


@pytest.mark.parametrize(
    ("mode", "color", "name", "expected"),
    [
        ("RGB", (10, 200, 30), "a b ü.png", (10, 200, 30)),
        ("L", 77, "grey.png", (77, 77, 77)),
        ("RGBA", (0, 0, 0, 0), "clear.png", (255, 255, 255)),
        ("RGBA", (10, 200, 30, 255), "solid.png", (10, 200, 30)),
        ("LA", (50, 255), "la.png", (50, 50, 50)),
        ("P", 0, "palette.gif", (0, 0, 0)),
        ("CMYK", (0, 0, 0, 0), "cmyk.jpg", (255, 255, 255)),
        ("CMYK", (0, 0, 0, 255), "black.jpg", (0, 0, 0)),
        ("I;16", 65535, "16bit.png", (255, 255, 255)),
        ("I;16", 257 * 100, "16bit-grey.png", (100, 100, 100)),
    ],
)
def test_every_kind_becomes_rgb(tmp_path, mode, color, name, expected):
    read = pictures.read(save(tmp_path / name, mode, color=color), (16, 24))
    assert read.shape == (16, 24, 3)
    assert read.dtype == np.uint8
    np.testing.assert_allclose(read[8, 12], expected, atol=2)


def test_of_an_animation_the_first_frame(tmp_path):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    assert pictures.read(tmp_path / "moving.gif")[5, 5].tolist() == [255, 0, 0]


def test_a_picture_of_10000_pixels(tmp_path):
    path = save(tmp_path / "large.jpg", size=(10_000, 10_000), color=(200, 0, 0))
    read = pictures.read(path, (32, 32))
    np.testing.assert_allclose(read[16, 16], (200, 0, 0), atol=3)


def test_size_is_kept_without_a_wish(tmp_path):
    assert pictures.read(save(tmp_path / "a.png")).shape == (30, 40, 3)


def broken(path, kind):
    if kind == "text":
        path.write_text("this is no picture")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "cut short":
        Image.effect_noise((200, 200), 50).convert("RGB").save(path, "JPEG")
        path.write_bytes(path.read_bytes()[:2000])
    elif kind == "from a phone":
        path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99))
    elif kind == "bomb":
        Image.new("1", (20_000, 20_000)).save(path, "PNG")
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("text", "not a picture"),
        ("empty", "not a picture, but an empty file"),
        (
            "from a phone",
            "HEIC picture, as phones write them, is not read here: convert it to JPEG",
        ),
        ("cut short", "truncated"),
        ("bomb", "decompression bomb"),
        ("missing", "No such file"),
    ],
)
def test_a_bad_file_is_named_with_the_reason(tmp_path, kind, reason):
    path = broken(tmp_path / f"{kind}.jpg", kind)
    with pytest.raises(pictures.PictureError, match=reason) as caught:
        pictures.read(path, (16, 16))
    assert path.name in str(caught.value)


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_a_written_picture_is_read_again(tmp_path, ending):
    image = Image.fromarray(np.arange(16 * 16 * 3, dtype="uint8").reshape(16, 16, 3))
    pictures.write(tmp_path / f"a{ending}", image)
    error = np.abs(pictures.read(tmp_path / f"a{ending}").astype(int) - np.asarray(image))
    assert error.mean() < (40 if ending == ".jpg" else 1e-9)
    assert [p.name for p in tmp_path.iterdir()] == [f"a{ending}"]
