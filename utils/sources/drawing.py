"""What the drawn data sets share: a pen, backgrounds, clutter, and drawing on all cores at once."""

import itertools
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from utils.base import pictures, progress


@dataclass
class Pen:
    """Draws polygons given in the coordinates of a thing: centre (0, 0), radius about 1, y down."""

    draw: ImageDraw.ImageDraw
    x: float
    y: float
    scale: float
    tilt: float
    squeeze: float = 1.0  # width over height, for what is seen from the side

    def _place(self, points):
        wide, high = self.scale * self.squeeze, self.scale
        return [(self.x + wide * x, self.y + high * y) for x, y in turned(points, self.tilt)]

    def polygon(self, points, fill):
        """Fill a polygon."""
        self.draw.polygon(self._place(points), fill=fill)

    def line(self, points, fill, width):
        """Draw a line of a width in the thing's own units, at least one pixel."""
        pixels = max(1, round(width * self.scale))
        self.draw.line(self._place(points), fill=fill, width=pixels, joint="curve")

    def blob(self, x, y, radius_x, radius_y, fill, tilt=0.0):
        """Fill an ellipse."""
        cos, sin = math.cos(tilt), math.sin(tilt)
        angles = [step * math.tau / 36 for step in range(36)]
        ring = [(radius_x * math.cos(a), radius_y * math.sin(a)) for a in angles]
        self.polygon([(x + cos * px - sin * py, y + sin * px + cos * py) for px, py in ring], fill)


def turned(points, angle):
    """Turn points around (0, 0)."""
    cos, sin = math.cos(angle), math.sin(angle)
    return [(cos * x - sin * y, sin * x + cos * y) for x, y in points]


def shade(colour, factor):
    """Make a colour darker (below 1) or lighter."""
    return tuple(int(min(255, max(0, channel * factor))) for channel in colour)


def any_colour(rng):
    """Choose a colour that is neither black nor white."""
    return tuple(int(channel) for channel in rng.integers(30, 235, 3))


def background(draw, side, rng):
    """A two-colour gradient with stripes, dots or nothing on it, and a few loose shapes."""
    top, bottom = np.array(any_colour(rng)), np.array(any_colour(rng))
    for row in range(side):
        mix = row / side
        colour = tuple((top * (1 - mix) + bottom * mix).astype(int).tolist())
        draw.line([(0, row), (side, row)], fill=colour)
    pattern, colour = rng.integers(4), any_colour(rng)
    pitch = int(rng.integers(side // 10, side // 4))
    if pattern == 1:
        slant = int(rng.integers(-side // 2, side // 2))
        for x in range(-side, 2 * side, pitch):
            draw.line([(x, 0), (x + slant, side)], fill=colour, width=max(2, pitch // 4))
    elif pattern == 2:
        for x, y in itertools.product(range(0, side, pitch), repeat=2):
            draw.ellipse([x, y, x + pitch // 3, y + pitch // 3], fill=colour)
    for _ in range(rng.integers(2, 7)):
        loose_shape(draw, side, rng, rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.04, 0.16))


def loose_shape(draw, side, rng, x, y, radius):
    """A ball, a box, a triangle (as pointed as an ear) or a drop (as round as one)."""
    pen = Pen(draw, x * side, y * side, radius * side, rng.uniform(0, math.tau))
    colour, kind = any_colour(rng), rng.integers(4)
    if kind == 0:
        pen.blob(0, 0, 1, 1, colour)
    elif kind == 1:
        pen.polygon([(-1, -0.7), (1, -0.7), (1, 0.7), (-1, 0.7)], colour)
    elif kind == 2:
        pen.polygon([(-0.8, 0.7), (0, -1.1), (0.8, 0.7)], colour)
    else:
        pen.blob(0, 0, 0.5, 1.1, colour)


def photographed(image, size, blur, lights, noise, rng):
    """Reduce a large drawing to `size`, which smooths edges, blurred and noisy as by a camera."""
    image = image.resize((size, size), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(blur))
    pixels = math.prod(lights, start=np.asarray(image, "float32"))  # in turn: each one rounds
    pixels += rng.normal(0, noise, pixels.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype("uint8"))


def draw_set(draw: Callable, folder: Path, splits: dict[str, tuple[int, list[tuple]]]) -> None:
    """Draw a data set into a folder that appears when it is complete; a killed run is continued.

    For each split `splits` gives the seed, and of each picture class, file name, and what `draw`
    wants besides the seed.
    """
    seeds = "-".join(str(seed) for seed, _ in splits.values())
    partial = folder.with_name(f".{folder.name}.seeds{seeds}")
    try:
        for split, (seed, wanted) in splits.items():
            place = partial / split
            jobs = [[str(place / kind / name), seed, *rest] for kind, name, *rest in wanted]
            draw_files(draw, jobs, f"Drawing {split} pictures")
        partial.rename(folder)
    except OSError:
        # Another lesson may finish at any time, and takes away the folder that both draw into.
        if not folder.is_dir():
            raise
        shutil.rmtree(partial, ignore_errors=True)


def draw_files(draw: Callable, jobs: list[list], description: str) -> None:
    """Draw pictures, [path, *arguments of `draw`], on all cores, keeping those that are there."""
    # Here, for listing files needs none of it. Joblib and not `multiprocessing`: a forked copy of a
    # process that runs TensorFlow can hang, and a spawned one runs the caller's script again.
    from joblib import Parallel, delayed

    jobs = [job for job in jobs if not Path(job[0]).exists()]
    # Seconds after which its idle processes end, also those of a run that was killed.
    pool = Parallel(-1, backend="loky", return_as="generator_unordered", idle_worker_timeout=5)
    with progress.bar(total=len(jobs), desc=description) as bar:
        for _ in pool(delayed(_draw_file)(draw, *job) for job in jobs):
            bar.update()


def _draw_file(draw, path, *arguments):
    pictures.write(Path(path), draw(*arguments))
