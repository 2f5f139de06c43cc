"""The page for one's own photograph, asked by strangers: no wrong answer, and none lost."""

import http.client
import io
import random
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import requests

from tests import shipped
from tests.faults import test_strangers as strangers

pytestmark = pytest.mark.check


@pytest.fixture(scope="module")
def address(shipped_folder):
    with shipped.running(shipped_folder) as address:
        yield address


def encoded(image):
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def ask(address, content, **options):
    """Send a picture as a form does."""
    files = {"picture": ("a.png", content)}
    return requests.post(f"{address}answer", files=files, timeout=60, **options)


def must_still_answer(address):
    good = ask(address, encoded(shipped.drawn("dog", 1)))
    assert good.status_code == 200
    assert "<p class='said'>dog</p>" in good.text


@pytest.mark.parametrize("number", range(60))
def test_a_damaged_picture_is_refused_in_a_sentence_or_read(address, number):
    rng = random.Random(number)
    _, content = strangers.encoded(number)
    kinds = strangers.KINDS[1:] + strangers.RARE
    reply = ask(address, strangers.spoil(content, kinds[number % len(kinds)], rng))
    assert reply.status_code in (200, 400, 413, 415)
    if reply.status_code != 200:
        assert reply.text.count("role='alert'") == 1
        assert "Traceback" not in reply.text


@pytest.mark.parametrize("side", [30_000, 8_100])  # Pillow refuses the first by itself
def test_a_bomb_is_refused_quickly(address, side):
    start = time.monotonic()
    reply = ask(address, strangers.bomb(side))
    assert reply.status_code == 413 and "64 million pixels" in reply.text
    assert time.monotonic() - start < 5
    must_still_answer(address)


def test_too_large_a_body_is_refused_before_it_is_read(address):
    where = urlsplit(address)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=20)
    connection.putrequest("POST", "/answer")
    connection.putheader("Content-Length", "3000000000")
    connection.endheaders()
    reply = connection.getresponse()
    assert reply.status == 413
    assert "20 million bytes" in reply.read().decode()
    must_still_answer(address)


@pytest.mark.parametrize("length", [None, "many", "-1"])
def test_a_body_of_unknown_length_is_refused(address, length):
    where = urlsplit(address)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=20)
    connection.putrequest("POST", "/answer")
    if length:
        connection.putheader("Content-Length", length)
    connection.endheaders()
    assert connection.getresponse().status == 411


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1:1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ],
)
def test_a_page_of_somebody_else_gets_no_answer(address, headers):
    reply = ask(address, encoded(shipped.drawn("cat", 0)), headers=headers)
    assert reply.status_code == 403
    assert "Probabilities" not in reply.text
    assert requests.get(address, headers=headers, timeout=20).status_code == 403


@pytest.mark.parametrize(
    "path", ["/../settings.json", "/model.keras", "/%2e%2e/%2e%2e/etc/passwd", "/card/.."]
)
def test_no_other_file_is_given(address, path):
    where = urlsplit(address)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=20)
    connection.request("GET", path)
    assert connection.getresponse().status == 404


def test_what_is_not_a_form_is_refused(address):
    for kind in ("application/json", "multipart/form-data", "multipart/form-data; boundary="):
        reply = requests.post(f"{address}answer", b"{}", headers={"Content-Type": kind}, timeout=20)
        assert reply.status_code == 415
    must_still_answer(address)


def test_slow_clients_do_not_keep_others_waiting(address):
    where = urlsplit(address)
    slow = []
    for _ in range(20):
        one = socket.create_connection((where.hostname, where.port))
        head = f"POST /answer HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: 1000\r\n\r\n"
        one.sendall(head.encode() + b"a")
        slow.append(one)
    start = time.monotonic()
    must_still_answer(address)
    assert time.monotonic() - start < 10
    for one in slow:
        one.close()
    must_still_answer(address)


def test_two_hundred_requests_of_ten_clients_get_each_its_own_answer(address):
    """Each of 20 pictures has an answer of its own, which is known before."""
    contents = [encoded(shipped.drawn(shipped.CLASSES[i % 2], 600 + i)) for i in range(20)]

    def told(content):
        reply = ask(address, content)
        assert reply.status_code == 200
        _, said = reply.text.split("<h2>")
        return said[: said.index("</section>")]

    wanted = [told(content) for content in contents]
    assert len({*wanted}) == 20
    with ThreadPoolExecutor(10) as clients:
        found = list(clients.map(told, contents * 10))
    assert found == wanted * 10


def test_the_page_forbids_what_it_does_not_need(address):
    reply = requests.get(address, timeout=20)
    policy = reply.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert reply.headers["Cache-Control"] == "no-store"
    again = requests.get(address, timeout=20).headers["Content-Security-Policy"]
    assert policy != again  # another nonce each time
