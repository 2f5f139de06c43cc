"""Traffic signs that need no download: twelve kinds, drawn, in tracks.

A *track* is one physical sign, filmed while a car comes nearer: its frames share the sign, its
colours, dirt, tilt and background, and differ in size, place, sharpness and light, as in real data
sets of signs. Lesson 10 uses them because they are far from ImageNet, lesson 12 for their tracks.
"""

import itertools
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from utils.sources import drawing

CLASS_NAMES = ["ahead", "bend_left", "bend_right", "bump", "crossing", "left", "limit_30"]
CLASS_NAMES += ["limit_50", "limit_80", "no_entry", "right", "stop"]
SIZE = 64  # side of a picture in pixels
FRAMES = 4  # pictures of one track
SPLIT_TRACKS = {"train": 20, "validation": 10, "test": 10}  # physical signs of each class
SEED = 7  # of the course's own set
# Of its test split, drawn when every setting of the lessons was final: nothing was tuned on it.
TEST_SEED = 2026
FIRST_TEST = "test/ahead/00100_00000.png"  # older sets have none

_RED, _BLUE, _WHITE, _BLACK = (196, 30, 44), (24, 84, 170), (240, 240, 236), (24, 24, 28)
_TIP = [(0.1, -0.4), (0.65, 0), (0.1, 0.4)]
_ARROW = [(-0.6, -0.13), (0.1, -0.13), *_TIP, (0.1, 0.13), (-0.6, 0.13)]
_BENT = [(0.28, 0.42), (0.28, 0.05), (-0.05, -0.1), (-0.05, -0.38)]
# A digit as strokes in a box of width 1 and height 2.
_DIGITS = {
    "0": [[(0, 0), (1, 0), (1, 2), (0, 2), (0, 0)]],
    "3": [[(0, 0), (1, 0), (1, 2), (0, 2)], [(0.2, 1), (1, 1)]],
    "5": [[(1, 0), (0, 0), (0, 1), (1, 1), (1, 2), (0, 2)]],
    "8": [[(0, 0), (1, 0), (1, 2), (0, 2), (0, 0)], [(0, 1), (1, 1)]],
}


def _ring(count, radius, turn=0.0):
    steps = [math.tau * (i + turn) / count for i in range(count)]
    return [(radius * math.cos(a), radius * math.sin(a)) for a in steps]


def _sign(pen, class_name, red, blue, white, black):
    if class_name.startswith("limit"):
        pen.blob(0, 0, 1, 1, red)
        pen.blob(0, 0, 0.78, 0.78, white)
        for place, digit in zip((-0.48, 0.1), class_name[-2:], strict=True):
            for stroke in _DIGITS[digit]:
                points = [(place + 0.38 * x, -0.38 + 0.38 * y) for x, y in stroke]
                pen.line(points, black, 0.13)
    elif class_name in ("bend_left", "bend_right", "bump", "crossing"):
        for radius, colour in ((1.15, red), (0.78, white)):
            pen.polygon([(radius * x, radius * y + 0.25) for x, y in _ring(3, 1, -0.75)], colour)
        if class_name == "bump":
            pen.blob(0, 0.45, 0.36, 0.2, black)
        elif class_name == "crossing":
            for side in (-1, 1):
                pen.line([(side * -0.25, -0.05), (side * 0.25, 0.5)], black, 0.12)
        else:
            side = 1 if class_name == "bend_left" else -1
            pen.line([(side * x, y + 0.15) for x, y in _BENT], black, 0.14)
    elif class_name in ("ahead", "left", "right"):
        pen.blob(0, 0, 1, 1, white)
        pen.blob(0, 0, 0.92, 0.92, blue)
        turn = {"ahead": -0.25, "left": 0.5, "right": 0.0}[class_name]
        pen.polygon(drawing.turned(_ARROW, math.tau * turn), white)
    elif class_name == "no_entry":
        pen.blob(0, 0, 1, 1, red)
        pen.polygon([(-0.68, -0.17), (0.68, -0.17), (0.68, 0.17), (-0.68, 0.17)], white)
    else:
        pen.polygon(_ring(8, 1.05, 0.5), white)
        pen.polygon(_ring(8, 0.96, 0.5), red)
        for x in (-0.48, -0.16, 0.16, 0.48):  # four letters, as a drop of rain would leave them
            pen.line([(x, -0.24), (x, 0.24)], white, 0.15)


def draw(seed: int, track: int, frame: int, class_name: str, size: int = SIZE) -> Image.Image:
    """Draw one frame of a track; the same arguments always give the same pixels.

    Sets of different seeds share no picture; `track` (0 or more) is the physical sign of its class,
    `frame` the picture of it, 0 (far) to `FRAMES` − 1 (near); `size` is the side in pixels, 16 or
    more. Taught in lesson 10.
    """
    if class_name not in CLASS_NAMES:
        raise ValueError(f"cannot draw a {class_name!r}; the classes are {', '.join(CLASS_NAMES)}")
    label = CLASS_NAMES.index(class_name)
    own = np.random.default_rng([seed, track, label])  # the sign and its surroundings
    now = np.random.default_rng([seed, track, label, frame])  # this moment
    side = 4 * size
    image = Image.new("RGB", (side, side))
    canvas = ImageDraw.Draw(image)
    drawing.background(canvas, side, own)

    near = frame / (FRAMES - 1)
    x, y = side * (0.5 + own.uniform(-0.05, 0.05)), side * (0.5 + own.uniform(-0.05, 0.05))
    x, y = x + side * now.uniform(-0.05, 0.05), y + side * now.uniform(-0.05, 0.05)
    scale = side * own.uniform(0.32, 0.37) * (1 + 0.15 * near)
    tilt = own.uniform(-0.2, 0.2) + now.uniform(-0.03, 0.03)
    pen = drawing.Pen(canvas, x, y, scale, tilt, own.uniform(0.75, 1.0))
    pen.line([(0, 0.5), (0, 5)], drawing.any_colour(own), 0.16)  # its post
    fade, grey = own.uniform(0, 0.4), own.uniform(90, 190)
    light = own.uniform(0.7, 1.15)
    paint = [
        drawing.shade([(1 - fade) * c + fade * grey + own.normal(0, 14) for c in colour], light)
        for colour in (_RED, _BLUE, _WHITE, _BLACK)
    ]
    _sign(pen, class_name, *paint)
    for _ in range(own.integers(0, 3)):  # dirt and stickers stay where they are on the sign
        angle, away = own.uniform(0, math.tau), own.uniform(0.3, 0.95)
        place = (away * math.cos(angle), away * math.sin(angle))
        pen.blob(*place, own.uniform(0.05, 0.18), own.uniform(0.05, 0.15), drawing.any_colour(own))
    for _ in range(own.integers(0, 2)):  # leaves and posts in front of it
        at = own.uniform(0.2, 0.8, 2)
        drawing.loose_shape(canvas, side, own, *at, own.uniform(0.03, 0.09))

    blur = own.uniform(0.2, 0.8) * (1.5 - near) * size / SIZE
    light = [own.uniform(0.55, 1.15), now.uniform(0.9, 1.1)]
    return drawing.photographed(image, size, blur, light, own.uniform(2, 12), now)


def draw_all(folder: Path, seed: int = SEED, test_seed: int = TEST_SEED) -> None:
    """Draw the course's set: 960 / 480 / 480 pictures; no track stands in two splits; lesson 10."""
    splits, first = {}, 0
    for split, tracks in SPLIT_TRACKS.items():
        first = 100 if split == "test" else first
        chosen = itertools.product(CLASS_NAMES, range(first, first + tracks), range(FRAMES))
        # Files have names as those of the German traffic signs.
        wanted = [(name, f"{t:05d}_{f:05d}.png", t, f, name) for name, t, f in chosen]
        splits[split] = (test_seed if split == "test" else seed, wanted)
        first += tracks
    drawing.draw_set(draw, folder, splits)
