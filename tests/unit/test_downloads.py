import hashlib
import http.server
import io
import shutil
import stat
import threading
import zipfile
from dataclasses import replace

import pytest

from tests.conftest import write_classes
from utils import datasets, downloads, sources
from utils.downloads import Archive, DownloadError, download, unpack

pytestmark = pytest.mark.check
CONTENT = b"pictures" * 1000


@pytest.fixture
def server():
    """A real server on loopback; what it says is set by the test."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked += 1
            status, headers, body = self.server.answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.answer = 0, (200, {"Content-Type": "application/zip"}, CONTENT)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def archive(server, content=CONTENT, **changes):
    fields = {
        "url": f"http://127.0.0.1:{server.server_port}/pets.zip",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "licence": "CC BY 4.0",
        "unpacked_size": 10**6,
    }
    return Archive(**(fields | changes))


def test_announced_verified_and_fetched_once(server, tmp_path, capsys):
    path = download(archive(server), tmp_path / "pets.zip", "way out")
    assert path.read_bytes() == CONTENT
    said = capsys.readouterr().out
    assert "127.0.0.1" in said and "CC BY 4.0" in said and str(tmp_path) in said and "MB" in said
    download(archive(server), tmp_path / "pets.zip", "way out")
    assert server.asked == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((404, {}, b""), "status 404"),
        ((500, {}, b""), "status 500"),
        ((200, {}, CONTENT[:-1]), "7,999 bytes and not the expected 8,000"),
        ((200, {}, CONTENT + b"x"), "longer than the expected 8,000 bytes"),
        ((200, {"Content-Length": "8000"}, CONTENT[:100]), "could not be reached|not the expected"),
        ((200, {}, CONTENT[::-1]), "sha256"),
        ((200, {"Content-Type": "text/html; charset=utf-8"}, b"<p>log in"), "web page"),
        ((302, {"Location": "/again"}, b""), "TooManyRedirects"),
    ],
)
def test_a_bad_answer_is_refused_and_leaves_nothing(server, tmp_path, answer, reason):
    server.answer = answer
    with pytest.raises(DownloadError, match=reason) as caught:
        download(archive(server), tmp_path / "pets.zip", "use the drawn pets")
    assert str(caught.value).endswith("use the drawn pets")
    assert list(tmp_path.iterdir()) == []


def test_without_a_network_one_sentence_and_a_way_out(tmp_path):
    gone = Archive("http://127.0.0.1:9/pets.zip", 10, None, "CC BY 4.0", 10)
    with pytest.raises(DownloadError, match=r"could not be reached.*use the drawn pets"):
        download(gone, tmp_path / "pets.zip", "use the drawn pets")
    assert list(tmp_path.iterdir()) == []


def test_without_a_known_digest_the_size_decides(server, tmp_path):
    server.answer = (200, {}, CONTENT[::-1])
    assert download(archive(server, sha256=None), tmp_path / "a.zip", "").stat().st_size == 8000


def make_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def link(name, mode=stat.S_IFLNK):
    info = zipfile.ZipInfo(name)
    info.external_attr = (mode | 0o777) << 16
    return info


def test_unpacks_into_a_folder(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"pets/cat/ü 1.jpg": b"1", "pets/dog/2.jpg": b"2"})
    unpack(path, tmp_path / "out", 100)
    assert (tmp_path / "out/pets/cat/ü 1.jpg").read_bytes() == b"1"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "out"]


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        ("../outside.txt", "outside the folder"),
        ("pets/../../outside.txt", "outside the folder"),
        ("/etc/outside.txt", "outside the folder"),
        ("C:/outside.txt", "outside the folder"),
        ("..\\outside.txt", "outside the folder"),
        (link("pets/link"), "link or a device"),
        (link("pets/device", stat.S_IFBLK), "link or a device"),
    ],
)
def test_a_member_that_reaches_outside_is_refused(tmp_path, member, reason):
    path = make_zip(tmp_path / "a.zip", {"good.txt": b"1", member: b"/etc"})
    with pytest.raises(DownloadError, match=reason):
        unpack(path, tmp_path / "sub" / "out", 1000)
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["a.zip"]


def test_an_archive_that_grows_is_refused(tmp_path):
    path = make_zip(tmp_path / "bomb.zip", {"zeros": b"\0" * 5_000_000})
    assert path.stat().st_size < 10_000
    with pytest.raises(DownloadError, match="more than 1 MB"):
        unpack(path, tmp_path / "out", 1_000_000)


def test_a_damaged_archive_is_refused(tmp_path):
    (tmp_path / "a.zip").write_bytes(io.BytesIO(b"PK\x03\x04 no zip").read())
    with pytest.raises(DownloadError, match="refused"):
        unpack(tmp_path / "a.zip", tmp_path / "out", 100)
    assert not (tmp_path / "out").exists()


def test_the_registry_from_archive_to_splits(server, home, monkeypatch):
    """The whole way of cats_vs_dogs, against a real server with a small archive."""

    for split, count in (("train", 4), ("validation", 4)):
        write_classes(home / "made" / split, count, ("cats", "dogs"), first=len(split))
    root = home / "made"
    files = {
        f"cats_and_dogs_filtered/{p.relative_to(root)}": p.read_bytes() for p in root.rglob("*.png")
    }
    content = make_zip(home / "a.zip", files).read_bytes()
    server.answer = (200, {}, content)
    small = archive(server, content, sha256=None)
    small = Archive(small.url.replace("pets", "cats_and_dogs_filtered"), *_rest(small))
    monkeypatch.setattr(sources, "_FILTERED", small)
    source = sources.SOURCES["cats_vs_dogs"]
    monkeypatch.setitem(sources.SOURCES, "cats_vs_dogs", replace(source, counts=(8, 4, 4)))
    data = datasets.load("cats_vs_dogs")
    assert [len(split) for split in data.splits] == [8, 4, 4]
    datasets.load("cats_vs_dogs")
    assert server.asked == 1
    monkeypatch.setitem(sources.SOURCES, "cats_vs_dogs", replace(source))
    shutil.rmtree(data.folder)
    with pytest.raises(datasets.DataSetError, match="gives 8 train pictures and not 2000"):
        datasets.load("cats_vs_dogs")
    assert not data.folder.exists()


def _rest(a):
    return a.size, a.sha256, a.licence, a.unpacked_size


def test_the_full_archive_skips_and_counts_unreadable_files(server, home, monkeypatch, capsys):
    from utils.drawn_pets import draw

    picture = io.BytesIO()
    draw(1, 0, "cat", 16).save(picture, "JPEG")
    files = {}
    for original in ("Cat", "Dog"):
        for i in range(2003):
            good = i not in (7, 1500, 2002)
            files[f"PetImages/{original}/{i}.jpg"] = picture.getvalue() if good else b"broken"
    content = make_zip(home / "full.zip", files).read_bytes()
    server.answer = (200, {}, content)
    small = archive(server, content, unpacked_size=10**8)
    monkeypatch.setattr(sources, "_FULL", small)
    data = datasets.load("cats_vs_dogs_full")
    assert [len(split) for split in data.splits] == [2000, 1000, 1000]
    assert "4 unreadable files were skipped" in capsys.readouterr().out
    assert "7.jpg" not in {p.name for p in data.train.paths}


def test_what_the_registry_promises_is_complete():

    for known in (sources._FILTERED, sources._FULL):
        assert known.url.startswith("https://")
        assert known.size < known.unpacked_size
        assert known.licence
    assert isinstance(downloads.DownloadError("x"), RuntimeError)
