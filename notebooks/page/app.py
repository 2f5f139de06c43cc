"""A page that says what a classifier sees in a photograph, on the computer it runs on; lesson 21.

    python app.py [--port 8765] [--no-browser]

Runs in a folder with model.keras, known.npz, settings.json and README.md, and needs TensorFlow,
Pillow and NumPy: nothing of the course. What a photograph shows is kept nowhere.
"""

import argparse
import base64
import html
import io
import json
import os
import re
import secrets
import string
import sys
import threading
import time
import webbrowser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

FOLDER = Path(__file__).resolve().parent
LARGEST = 20_000_000  # bytes of an upload
MOST_PIXELS = 64_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
TOO_MANY = f"The picture has more than {MOST_PIXELS / 1e6:.0f} million pixels: make it smaller."
NO_PICTURE = f"This is no whole picture of a kind that is read here ({', '.join(FORMATS)})."
SHOWN = 480  # longest side of the picture that is shown, in pixels
PATIENCE = 30  # seconds in which an upload has to arrive


class Refused(Exception):
    """Something that is not answered: the status for the browser, and a sentence for a person."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


def read_picture(content: bytes, image_size: int) -> tuple[np.ndarray, Image.Image]:
    """Read an uploaded picture as the course reads its pictures.

    Returns uint8 (image_size, image_size, 3), RGB, and a small picture of its own shape to show.
    Raises Refused, with a sentence, for what is no picture, is damaged, or has too many pixels.
    """
    if not content:
        raise Refused(400, "No picture was chosen: choose one first.")
    if content[4:8] == b"ftyp":
        raise Refused(415, "HEIC and AVIF pictures are not read here: save it as JPEG.")
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        if image.width * image.height > MOST_PIXELS:
            raise Refused(413, TOO_MANY)
        image = upright_rgb(image, 2 * image_size)
    except Refused:
        raise
    except Image.DecompressionBombError as error:
        raise Refused(413, TOO_MANY) from error
    except Exception as error:  # a damaged picture can raise nearly anything
        raise Refused(415, NO_PICTURE) from error
    squeezed = image.resize((image_size, image_size), Image.Resampling.BILINEAR)
    image.thumbnail((SHOWN, SHOWN))
    return np.asarray(squeezed), image


def upright_rgb(image: Image.Image, side: int) -> Image.Image:
    """Turn a picture as its camera was held, and make RGB of it; a JPEG shrinks to about `side`."""
    if image.format == "JPEG":
        image.draft("RGB", (side, side))
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, "float32")
        values = values / 257 if values.max(initial=0) > 255 else values  # 16 bits to 8
        image = Image.fromarray(np.clip(values, 0, 255).astype("uint8"))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


class Classifier:
    """The model of a folder, and what is needed to explain and to doubt its answers."""

    def __init__(self, folder: Path = FOLDER):
        self.settings = json.loads((folder / "settings.json").read_text("utf-8"))
        self.model = keras.models.load_model(folder / "model.keras")
        self.base = self.model.get_layer("base")
        self.after = self.model.layers[self.model.layers.index(self.base) + 1 :]
        with np.load(folder / "known.npz") as known:
            self.known = known["features"]
        self(np.zeros((self.settings["image_size"],) * 2 + (3,), "uint8"))  # the first call is slow

    def __call__(self, picture: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
        """Give probabilities (classes,), the distance, and a map of where the answer comes from.

        The map is Grad-CAM's (Selvaraju et al., 2017), (h, w), 0–1: the base's last maps, each
        weighted by how much it raises the logarithm of the likeliest class's probability.
        """
        maps = self.base(tf.cast(picture[None], "float32"), training=False)
        with tf.GradientTape() as tape:
            tape.watch(maps)
            values = maps
            for layer in self.after:
                values = layer(values, training=False)
            score = tf.math.log(tf.reduce_max(values))
        weights = tf.reduce_mean(tape.gradient(score, maps), axis=(0, 1, 2))
        heat = tf.nn.relu(tf.reduce_sum(maps[0] * weights, axis=-1)).numpy()
        features = maps.numpy().mean((0, 1, 2))
        alike = np.sort(self.known @ (features / np.linalg.norm(features)))
        distance = 1 - alike[-self.settings["neighbours"] :].mean()
        return values.numpy()[0], float(distance), heat / max(heat.max(), 1e-9)


def overlay(picture: Image.Image, heat: np.ndarray) -> tuple[str, str]:
    """Lay a map in red over a picture; gives it as a data URL, and in words where it is reddest."""
    mask = Image.fromarray((150 * heat).astype("uint8"))
    mask = mask.resize(picture.size, Image.Resampling.BICUBIC)
    red = Image.composite(Image.new("RGB", picture.size, (220, 20, 20)), picture, mask)
    content = io.BytesIO()
    red.save(content, "JPEG", quality=85)
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    down, across = 3 * row // heat.shape[0], 3 * column // heat.shape[1]
    where = f"{('top', 'middle', 'bottom')[down]} {('left', 'centre', 'right')[across]}"
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode(), where


def answer(classifier: Classifier, content: bytes) -> str:
    """Answer for an uploaded picture with a piece of HTML; Refused if it cannot be read."""
    settings = classifier.settings
    picture, shown = read_picture(content, settings["image_size"])
    probabilities, distance, heat = classifier(picture)
    order = np.argsort(-probabilities)
    names = [html.escape(settings["class_names"][i]) for i in order]
    rows = "".join(
        f"<tr><th scope='row'>{name}</th><td>{probabilities[i]:.3f}</td></tr>"
        for name, i in zip(names, order, strict=True)
    )
    url, where = overlay(shown, heat)
    if distance > settings["threshold"]:
        said = "<p class='unknown'>This looks like none of the training pictures.</p>"
        said += f"<p>If it had to choose, the classifier would say {names[0]}:</p>"
    else:
        said = f"<p class='said'>{names[0]}</p>"
    alt = f"Your picture, with red over what raised the answer {names[0]}, most at the {where}"
    return f"""<h2>The answer</h2>{said}
<table><caption>Probabilities, calibrated on validation pictures</caption>{rows}</table>
<figure><img src="{url}" alt="{alt}"><figcaption>Red: what raised the answer {names[0]}</figcaption>
</figure><p>Distance to the most similar training pictures: {distance:.3f}. Above
{settings["threshold"]:.3f} a picture counts as unlike them. Neither number is a proof.</p>"""


def uploaded(body: bytes, content_type: str) -> bytes:
    """Take the first file out of a form that a browser has sent."""
    found = re.fullmatch(r'multipart/form-data; *boundary="?([^";\s]{1,70})"?', content_type)
    if not found:
        raise Refused(415, "A picture is expected as a form sends it.")
    parts = (b"\r\n" + body).split(b"\r\n--" + found[1].encode("latin-1"))
    for part in parts[1:-1]:
        head, blank, content = part.partition(b"\r\n\r\n")
        if blank and b"filename=" in head:
            return content
    raise Refused(400, "The form holds no file.")


class Page(BaseHTTPRequestHandler):
    """Answers a browser on this computer; one object for each request."""

    timeout = PATIENCE
    server_version, sys_version = "page", ""

    def do_GET(self):
        """Give the page, or the model card."""
        self._respond(lambda: self._page() if self.path == "/" else self._card())

    def do_POST(self):
        """Answer for a picture."""
        self._respond(self._answer)

    def log_message(self, *_):
        """Keep no log."""

    def _respond(self, make):
        self.nonce = secrets.token_urlsafe(16)  # style and script of this very page, no other
        try:
            self._must_be_from_here()
            status, content, kind = 200, make(), "text/html"
        except Refused as error:
            status, kind = error.status, "text/html"
            said = f"<p class='problem' role='alert'>{html.escape(str(error))}</p>"
            content = self._page(f"<h2>No answer</h2>{said}")
        except (TimeoutError, ConnectionError):
            return
        if isinstance(content, tuple):
            content, kind = content
        body = content.encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": len(body),
            "Content-Security-Policy": "default-src 'none'; img-src data:; connect-src 'self'; "
            f"script-src 'nonce-{self.nonce}'; style-src 'nonce-{self.nonce}'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            "Cache-Control": "no-store",
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "Connection": "close",
        }.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def _must_be_from_here(self):
        """A page of somebody else, open in the same browser, must not ask in the user's name."""
        port = self.server.server_address[1]
        here = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        origin = self.headers.get("Origin")
        if self.headers.get("Host") not in here or (
            origin is not None and origin.removeprefix("http://") not in here
        ):
            raise Refused(403, "This page answers to itself only.")

    def _page(self, said=""):
        settings = self.server.classifier.settings
        filled = {
            "title": html.escape(settings["title"]),
            "classes": html.escape(", ".join(settings["class_names"])),
            "answer": said,
            "nonce": self.nonce,
        }
        return string.Template((FOLDER / "page.html").read_text("utf-8")).substitute(filled)

    def _card(self):
        if self.path != "/card":
            raise Refused(404, "There is no such page here.")
        return (FOLDER / "README.md").read_text("utf-8"), "text/plain"

    def _answer(self):
        if self.path != "/answer":
            raise Refused(404, "There is no such page here.")
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            raise Refused(411, "The browser did not say how large the picture is.")
        if int(length) > LARGEST:
            raise Refused(413, f"The file has more than {LARGEST / 1e6:.0f} million bytes.")
        body, until = io.BytesIO(), time.monotonic() + PATIENCE
        while body.tell() < int(length):
            part = self.rfile.read1(min(65_536, int(length) - body.tell()))
            if not part or time.monotonic() > until:
                raise Refused(408, "The picture did not arrive in time: try again.")
            body.write(part)
        content = uploaded(body.getvalue(), self.headers.get("Content-Type", ""))
        with self.server.one_at_a_time:
            return self._page(answer(self.server.classifier, content))


class Server(ThreadingHTTPServer):
    """Listens on this computer only."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, classifier: Classifier):
        super().__init__(("127.0.0.1", port), Page)
        self.classifier = classifier
        self.one_at_a_time = threading.Lock()  # an unpacked picture may take 200 MB


def main(arguments: list[str] | None = None) -> int:
    """Serve until Ctrl-C; returns 2, with a sentence, if that cannot begin."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    options = parser.parse_args(arguments)
    try:
        server = Server(options.port, Classifier())
    except (OSError, OverflowError) as error:
        print(f"error: {error}: name another with --port, or look into {FOLDER}", file=sys.stderr)
        return 2
    address = f"http://127.0.0.1:{server.server_address[1]}/"
    print(f"{address} (only this computer can open it; Ctrl-C ends it)", flush=True)
    if not options.no_browser:
        webbrowser.open(address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("ended")
    return 0


if __name__ == "__main__":
    sys.exit(main())
