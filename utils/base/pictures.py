"""One way to read a picture, whatever its kind: upright, RGB, of the wanted size."""

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from utils.base.folders import whole_file

# Pillow warns of large pictures and odd EXIF that it reads all the same. Set once and for all:
# pictures are read in several threads, where changing warnings back and forth is not safe.
warnings.filterwarnings("ignore", module="PIL")

HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


class PictureError(ValueError):
    """A file that is not a usable picture, with its name and the reason."""


def read(path: str | Path, image_size: tuple[int, int] | None = None) -> np.ndarray:
    """Read a picture as the whole course sees it.

    Grey, CMYK, transparent (on white), 16-bit and palette pictures become RGB; of an animation the
    first frame is taken; the camera's rotation mark (EXIF) is applied. Resizing squeezes to the
    wanted size, bilinear with antialiasing, as the sources of this course do.

    `image_size` is (height, width) in pixels, or None to keep the picture's own. Returns a uint8
    array (height, width, 3), RGB, 0–255. Raises PictureError: the file is missing, not a picture,
    cut short, or above Pillow's 179 megapixels. Taught in lesson 00.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(_convert(image, image_size))
    except Exception as error:  # a damaged picture can raise nearly anything
        reason = _what_it_is(path) if "cannot identify" in str(error) else str(error)
        raise PictureError(f"{path}: {reason}") from error


def _what_it_is(path):
    with open(path, "rb") as file:
        start = file.read(12)
    if start[4:8] == b"ftyp" and start[8:12] in HEIC:
        wrong = "a HEIC picture, as phones write them, is not read here"
        return f"{wrong}: convert it to JPEG, for example with `magick mogrify -format jpg *.heic`"
    return "not a picture" if start else "not a picture, but an empty file"


def _convert(image, image_size):
    if image_size and image.format == "JPEG":
        side = 2 * max(image_size)  # a JPEG can be decoded at a half, a quarter or an eighth
        image.draft("RGB", (side, side))
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        values = np.asarray(image, "float32")
        if values.max(initial=0) > 255:
            values = values / 257  # 16 bits to 8: 65,535 becomes 255
        image = Image.fromarray(np.clip(values, 0, 255).astype("uint8"))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB")
    if image_size and image.size != (image_size[1], image_size[0]):
        image = image.resize((image_size[1], image_size[0]), Image.Resampling.BILINEAR)
    return image


def write(path: Path, image: Image.Image) -> None:
    """Write a picture as JPEG or PNG, by its ending, whole or not at all; lesson 00."""
    content = io.BytesIO()  # Pillow itself does not notice when only a part fits on a disk
    kind, options = {".jpg": ("JPEG", {"quality": 92}), ".png": ("PNG", {})}[path.suffix]
    image.save(content, kind, **options)
    with whole_file(path) as partial:
        partial.write_bytes(content.getvalue())
