"""Pictures that need no download: cats and dogs, drawn; lesson 00 shows them.

Every picture is a pure function of (seed, index, class name), and comes out the same anywhere.
What tells a cat from a dog here is shape: ears, muzzle, whiskers, pupils, nose, tongue, stripes.
Each cue is likely, none is certain. Colours, background, size, place, tilt, clutter, blur and noise
come from the same distributions for both classes, so that they tell nothing.
"""

import itertools
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from utils.sources.drawing import Pen, background, draw_set, loose_shape, photographed, shade

CLASS_NAMES = ["cat", "dog"]
SIZE = 192  # side of a picture in pixels
SPLIT_COUNTS = {"train": 1000, "validation": 500, "test": 500}
SEED = 5  # of the course's own set; another seed draws another set
# Of its test split, drawn when every setting of the lessons was final: nothing was tuned on it.
TEST_SEED = 2026
FIRST_TEST = "test/cat/cat_1000.jpg"  # older sets, whose test pictures were tuned on, have none

_FUR = [(232, 226, 214), (236, 170, 96), (146, 98, 62), (92, 84, 82), (170, 166, 164)]
_FUR += [(214, 178, 128), (66, 60, 64), (200, 130, 84), (120, 112, 122), (242, 210, 164)]
_NOSE = [(48, 38, 40), (222, 138, 140), (112, 70, 62), (30, 28, 32)]
_IRIS = [(122, 168, 74), (222, 176, 54), (92, 58, 34), (84, 140, 190), (160, 110, 50)]

# How often a class shows a cue: (cat, dog).
_CUES = {
    "floppy_ears": (0.08, 0.85),
    "long_muzzle": (0.06, 0.88),
    "whiskers": (0.88, 0.10),
    "slit_pupils": (0.80, 0.04),
    "stripes": (0.45, 0.06),
    "eye_patch": (0.12, 0.35),
    "tongue": (0.03, 0.45),
    "big_nose": (0.05, 0.88),
}


def _pick(rng, choices):
    colour = np.array(choices[rng.integers(len(choices))]) + rng.normal(0, 9, 3)
    return shade(colour, rng.uniform(0.85, 1.1))


def _ears(pen, rng, floppy, fur, inner):
    spread, height = rng.uniform(0.9, 1.1), rng.uniform(0.85, 1.15)
    for side in (-1, 1):
        jitter = rng.uniform(0.92, 1.08)
        if floppy:
            pen.blob(side * 0.92 * spread, 0.05, 0.3 * jitter, 0.72 * height, fur, side * -0.28)
            pen.blob(side * 0.95 * spread, 0.15, 0.16, 0.5 * height, inner, side * -0.28)
        else:
            tip = (side * 0.78 * spread * jitter, -1.4 * height)
            pen.polygon([(side * 0.12, -0.8), tip, (side * 0.97, -0.2)], fur)
            middle = (side * 0.74 * spread * jitter, -1.18 * height)
            pen.polygon([(side * 0.33, -0.78), middle, (side * 0.84, -0.42)], inner)


def _markings(pen, rng, cues, fur, look):
    dark = shade(fur, rng.uniform(0.5, 0.68))
    if cues["stripes"]:
        for x in (-0.3, 0.0, 0.3):
            pen.line([(x, -0.86), (x * 0.7, -0.5)], dark, 0.09)
        for side, y in itertools.product((-1, 1), (0.05, 0.27)):
            pen.line([(side * 0.92, y), (side * 0.62, y + 0.06)], dark, 0.07)
    if cues["eye_patch"]:
        side = rng.choice([-1, 1])
        pen.blob(side * 0.36 + look, -0.18, 0.33, 0.4, dark, side * 0.3)


def _face(pen, rng, cues, fur):
    look = rng.uniform(-0.14, 0.14)  # the whole face turns a little to one side
    _markings(pen, rng, cues, fur, look)
    pale, nose, iris = shade(fur, rng.uniform(1.12, 1.4)), _pick(rng, _NOSE), _pick(rng, _IRIS)
    dark, gap = shade(nose, 0.55), rng.uniform(0.34, 0.42)
    eye = rng.uniform(0.15, 0.21)
    for side in (-1, 1):
        x, y = side * gap + look, -0.18
        pen.blob(x, y, eye, eye * rng.uniform(0.85, 1.1), iris)
        pupil = (0.28, 0.9) if cues["slit_pupils"] else (0.68, 0.68)
        pen.blob(x + look * 0.2, y, eye * pupil[0], eye * pupil[1], (18, 16, 20))
        pen.blob(x - eye * 0.3, y - eye * 0.35, eye * 0.2, eye * 0.2, (250, 250, 250))
    wide, tall, drop = (0.44, 0.52, 0.46) if cues["long_muzzle"] else (0.36, 0.24, 0.36)
    if cues["long_muzzle"]:
        pen.blob(look, 0.12, 0.27, 0.55, pale)  # the bridge between the eyes
    if cues["tongue"]:
        pen.blob(look + 0.05, drop + tall * 0.95, 0.15, 0.3, (226, 96, 112))
    for side in (-1, 1):
        pen.blob(look + side * wide * 0.45, drop, wide * 0.62, tall * 0.8, pale)
    top = drop - tall * 0.6
    if cues["big_nose"]:
        pen.blob(look, top, 0.21, 0.15, nose)
        pen.blob(look - 0.06, top - 0.05, 0.05, 0.03, shade(nose, 1.8))
    else:
        pen.polygon([(look - 0.12, top - 0.05), (look + 0.12, top - 0.05), (look, top + 0.1)], nose)
    pen.line([(look, top + 0.05), (look, drop + tall * 0.25)], dark, 0.03)
    smile = [(-0.24, 0.12), (-0.14, 0.26), (0, 0.2), (0.14, 0.26), (0.24, 0.12)]
    pen.line([(look + x, drop + tall * 0.1 + y * 0.6) for x, y in smile], dark, 0.035)
    if cues["whiskers"]:
        colour = (250, 250, 248) if sum(fur) < 420 else (52, 46, 48)
        for side, y in itertools.product((-1, 1), (-0.12, 0.0, 0.12)):
            start = (look + side * 0.3, drop + y * 0.5)
            end = (look + side * rng.uniform(0.95, 1.2), drop + y * 2)
            pen.line([start, end], colour, 0.022)


def draw(seed: int, index: int, class_name: str, size: int = SIZE) -> Image.Image:
    """Draw one picture; the same arguments always give the same pixels.

    Sets of different seeds share no picture; `index`, 0 or more, is that of the picture in its
    class; `size` is the side in pixels, 16 or more. Taught in lesson 00.
    """
    if class_name not in CLASS_NAMES:
        raise ValueError(f"cannot draw a {class_name!r}; the classes are {', '.join(CLASS_NAMES)}")
    label = CLASS_NAMES.index(class_name)
    rng = np.random.default_rng([seed, index, label])
    side = 2 * size  # drawn at twice the size, then reduced: smooth edges
    image = Image.new("RGB", (side, side))
    canvas = ImageDraw.Draw(image)
    background(canvas, side, rng)

    cues = {name: bool(rng.random() < likely[label]) for name, likely in _CUES.items()}
    fur, scale = _pick(rng, _FUR), side * rng.uniform(0.2, 0.33)
    reach = scale * 1.15 / side
    x, y = rng.uniform(reach, 1 - reach) * side, rng.uniform(reach, 1 - reach) * side
    pen = Pen(canvas, x, y, scale, rng.uniform(-0.45, 0.45))
    ear, inner = shade(fur, rng.uniform(0.7, 0.98)), shade(fur, rng.uniform(0.5, 1.25))
    pen.blob(0, 1.75, rng.uniform(0.75, 1.05), 1.25, shade(fur, rng.uniform(0.8, 0.98)))
    if not cues["floppy_ears"]:
        _ears(pen, rng, False, ear, inner)
    pen.blob(0, 0, rng.uniform(0.92, 1.05), rng.uniform(0.8, 0.98), fur)
    _face(pen, rng, cues, fur)
    if cues["floppy_ears"]:
        _ears(pen, rng, True, ear, inner)

    for _ in range(rng.integers(0, 4)):  # clutter in front may hide a cue, seldom all of them
        angle, away = rng.uniform(0, math.tau), scale * rng.uniform(0.8, 1.6) / side
        at = (x / side + away * math.cos(angle), y / side + away * math.sin(angle))
        loose_shape(canvas, side, rng, *at, rng.uniform(0.03, 0.09))
    blur, light = rng.uniform(0, 1.3) * size / SIZE, rng.uniform(0.75, 1.15)
    return photographed(image, size, blur, [light], rng.uniform(2, 14), rng)


def draw_all(folder: Path, seed: int = SEED, test_seed: int = TEST_SEED) -> None:
    """Draw the course's set: 1,000 / 500 / 500 pictures; lesson 00."""
    splits, first = {}, 0
    for split, count in SPLIT_COUNTS.items():
        first = 1000 if split == "test" else first
        chosen = itertools.product(CLASS_NAMES, range(first, first + count // len(CLASS_NAMES)))
        wanted = [(name, f"{name}_{i:04d}.jpg", i, name) for name, i in chosen]
        splits[split] = (test_seed if split == "test" else seed, wanted)
        first += count // len(CLASS_NAMES)
    draw_set(draw, folder, splits)
