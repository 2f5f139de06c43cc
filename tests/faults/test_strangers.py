"""Weights, packs, heads and pictures from strangers: used whole, or refused in one sentence."""

import io
import random
import struct
import time
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from utils import backbones, bottleneck, datasets, features
from utils.base import pictures
from utils.base.framework import keras
from utils.sources import drawn_pets, efficientnet_lite
from utils.sources.weights import WeightsError

# -- weights

NETWORK = "efficientnet_lite0"  # the smallest: a file in the weights folder comes first


@pytest.fixture(scope="module")
def good_weights(tmp_path_factory):
    """A real weights file of a real network, with numbers as training leaves them."""
    path = tmp_path_factory.mktemp("weights") / f"{NETWORK}.weights.h5"
    keras.utils.set_random_seed(1)
    builder = backbones.entry(NETWORK).builder
    made = builder(include_top=False, weights=None, input_shape=(32, 32, 3))
    made.save_weights(path)
    return path.read_bytes()


def refused(home, content):
    """Whether `build` refuses a weights file in one sentence."""
    path = home / "weights" / f"{NETWORK}.weights.h5"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    try:
        backbones.build(NETWORK, 32)
    except WeightsError as error:
        assert "\n" not in str(error) and str(path) in str(error)
        return True
    return False


def test_good_weights_are_taken(home, good_weights):
    assert not refused(home, good_weights)


def test_truncated_weights(tally, home, good_weights):
    for share in (0.0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.9999):
        with tally.attempt("weights file truncated"):
            assert refused(home, good_weights[: int(share * len(good_weights))])


@pytest.mark.parametrize("offset", [0, 100, 500, 999])
def test_weights_with_every_thousandth_byte_flipped(tally, home, good_weights, offset):
    spoilt = np.frombuffer(good_weights, "uint8").copy()
    spoilt[offset::1000] ^= 0xFF
    with tally.attempt("weights file, every 1,000th byte flipped"):
        assert refused(home, spoilt.tobytes())


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_weights_that_no_training_gives(tally, home, tmp_path, value):
    builder = backbones.entry(NETWORK).builder
    made = builder(include_top=False, weights=None, input_shape=(32, 32, 3))
    arrays = made.get_weights()
    arrays[-5].flat[0] = value
    made.set_weights(arrays)
    made.save_weights(tmp_path / "a.weights.h5")
    with tally.attempt("weights that are no numbers, or absurd"):
        assert refused(home, (tmp_path / "a.weights.h5").read_bytes())


def test_the_packages_weights_cut_short_or_flipped(tally, tmp_path):
    good = efficientnet_lite.weights_path().read_bytes()
    model = efficientnet_lite.EfficientNetLite0(weights=None)
    flipped = np.frombuffer(good, "uint8").copy()
    flipped[500::1000] ^= 0xFF
    one = bytearray(good)
    one[len(one) // 2] ^= 1
    for fault, content in {
        "weights file truncated": good[:-1],
        "weights file, every 1,000th byte flipped": flipped.tobytes(),
        "weights file with a known digest, one bit flipped": bytes(one),
    }.items():
        (tmp_path / "a.pth").write_bytes(content)
        with tally.attempt(fault), pytest.raises(ValueError, match=r"a\.pth is damaged"):
            efficientnet_lite.load_weights(model, tmp_path / "a.pth")


def test_weights_of_another_network(tally, home, tmp_path, recwarn):
    for other in (keras.applications.MobileNet, keras.applications.VGG16):
        made = other(include_top=False, weights=None, input_shape=(32, 32, 3))
        made.save_weights(tmp_path / "other.weights.h5")
        with tally.attempt("weights of another network"):
            assert refused(home, (tmp_path / "other.weights.h5").read_bytes())
    assert not [w for w in recwarn if "Skipping nested container" in str(w.message)]


# -- things that would run


class Evil:
    """A pickle that leaves a file where it runs."""

    def __reduce__(self):
        import os

        return os.system, ("touch ran",)


@pytest.fixture
def nothing_ran(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / "ran").exists()


def test_a_pack_that_would_run_code(tally, tmp_path, nothing_ran):
    good = {"features": np.zeros((2, 1, 1, 3), "float32"), "labels": np.zeros(2, "int32")}
    good |= {name: np.array(["a", "b"]) for name in ("class_names", "file_names", "digests")}
    good["about"] = np.array("{}")
    for part in good:
        np.savez(tmp_path / "a.npz", **(good | {part: np.array([Evil()], object)}))
        with tally.attempt("a pickle that would run code"), pytest.raises(bottleneck.PackError):
            bottleneck.read(tmp_path / "a.npz")


def test_a_model_with_a_lambda_does_not_run_it(tally, tmp_path, nothing_ran):
    """Lessons load heads with Keras's own `load_model`, which refuses code by default."""
    evil = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Lambda(lambda x: __import__("os").system("touch ran") or x),
        ]
    )
    evil.save(tmp_path / "a.keras")
    (tmp_path / "ran").unlink(missing_ok=True)
    with tally.attempt("a pickle that would run code"), pytest.raises(ValueError, match="unsafe"):
        keras.models.load_model(tmp_path / "a.keras")


# -- pictures


def spoil(content, kind, rng):
    """Give the bytes of a picture file a fault of one kind."""
    if kind == "cut short":
        return content[: rng.randrange(len(content))]
    if kind == "bits flipped":
        spoilt = bytearray(content)
        for _ in range(rng.randrange(1, 40)):
            spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
        return bytes(spoilt)
    if kind == "header overwritten":
        spoilt = bytearray(content)
        for place in range(rng.randrange(4, 20), min(60, len(spoilt))):
            spoilt[place] = rng.randrange(256)
        return bytes(spoilt)
    if kind == "empty":
        return b""
    if kind == "noise":
        return rng.randbytes(rng.randrange(1, 3000))
    if kind == "not a picture":
        return rng.choice([b"<html>log in</html>", b"%PDF-1.4\n", b"PK\x03\x04" + bytes(99)])
    assert kind == "nothing"
    return content


def bomb(side):
    """A PNG of a few kilobytes that says it has side × side pixels."""

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(10_000_000), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


FORMATS = {
    ".jpg": {},
    ".png": {},
    ".gif": {},
    ".webp": {},
    ".bmp": {},
    ".tif": {},
    ".jpeg": {"mode": "CMYK"},
    ".JPG": {"mode": "L"},
    ".tiff": {"mode": "I;16"},
    ".PNG": {"mode": "RGBA"},
}
KINDS = ("nothing", "cut short", "bits flipped", "header overwritten")
RARE = ("empty", "noise", "not a picture")


def encoded(number):
    """A drawn picture as a file of one of the formats: its ending and its bytes."""
    ending, options = list(FORMATS.items())[number % len(FORMATS)]
    image = drawn_pets.draw(1, number, "cat", 48)
    if options.get("mode") == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype("uint16") * 257)
    elif options:
        image = image.convert(options["mode"])
    file = io.BytesIO()
    image.save(file, Image.registered_extensions()[ending.lower()])
    return ending, file.getvalue()


def corpus(folder, count, rng):
    """Write `count` files of two classes, and two bombs; returns those that are sure to be good."""
    good = set()
    for number in range(count):
        ending, content = encoded(number)
        kind = KINDS[number // len(FORMATS) % len(KINDS)] if number % 17 else rng.choice(RARE)
        if number % 13 == 5:
            ending = rng.choice([".txt", ".png", ".jpg"])  # the name says another kind
        path = folder / ("cat", "dog")[number % 2] / f"{number:03d}{ending}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(spoil(content, kind, rng))
        if kind == "nothing":
            good.add(path)
    (folder / "cat" / "bomb.png").write_bytes(bomb(30_000))
    (folder / "dog" / "bomb.png").write_bytes(bomb(2_000_000))
    return good


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_five_hundred_mutated_pictures(tally, home, toy):
    folder = home / "pictures"
    folder.mkdir()
    good = corpus(folder, 500, random.Random(1))
    begun = time.monotonic()
    data = datasets.load(folder)
    used = {path for split in data.splits for path in split.paths}
    assert good <= used
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with tally.attempt("damaged or odd pictures (each file)"):
            name = str(path.relative_to(folder))
            reasons = [line for line in data.left_out if name in line or path.stem + "." in line]
            if path in used:
                assert pictures.read(path, (32, 32)).shape == (32, 32, 3)
            else:
                assert [line for line in reasons if "\n" not in line], name
    for split in data.splits:
        values = features.extract(toy, split).values
        assert np.isfinite(values).all() and len(values) == len(split)
    assert time.monotonic() - begun < 120


def test_flipped_pictures_are_upright(tally, home, tmp_path):
    """The camera's mark, all eight of them: what is used is what a viewer shows."""
    marked = Image.fromarray(np.arange(12 * 8 * 3, dtype="uint8").reshape(8, 12, 3))
    upright = np.asarray(marked)
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }
    for orientation, stored in turned.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = tmp_path / f"{orientation}.png"
        Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)
        with tally.attempt("pictures with the camera's rotation mark"):
            assert np.array_equal(pictures.read(path), upright)


def test_a_zip_that_calls_itself_a_pack(tally, tmp_path):
    for name, content in {"../evil.npy": b"x", "features.npy": b"\x93NUMPY\x01\x00"}.items():
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
            file.writestr(name, content)
        with tally.attempt("a pack that is none"), pytest.raises(bottleneck.PackError):
            bottleneck.read(tmp_path / "a.npz")
