import hashlib
import http.server
import io
import shutil
import stat
import tarfile
import threading
import time
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import write_classes
from utils import datasets
from utils.base import pictures
from utils.sources import downloads, drawn_pets, registry
from utils.sources.downloads import Archive, DownloadError, download, unpack

pytestmark = pytest.mark.check
CONTENT = b"pictures" * 1000
LONG = bytes(range(250)) * 4000  # more than what is read at once


@pytest.fixture
def server():
    """A real server on loopback; what it says is set by the test."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked += 1
            if self.server.answers:
                self.server.answer = self.server.answers.pop(0)
            status, headers, body = self.server.answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.answers = 0, []
    server.answer = (200, {"Content-Type": "application/zip"}, CONTENT)
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
def test_a_bad_answer_is_refused_and_leaves_nothing(tally, server, tmp_path, answer, reason):
    server.answer = answer
    (tmp_path / "other.zip").write_bytes(CONTENT)
    with tally.attempt("a server that answers wrongly"):
        with pytest.raises(DownloadError, match=reason) as caught:
            download(archive(server), tmp_path / "pets.zip", "use the drawn pets")
        assert str(caught.value).endswith("use the drawn pets")
        assert [path.name for path in tmp_path.iterdir()] == ["other.zip"]
        assert (tmp_path / "other.zip").read_bytes() == CONTENT


@pytest.fixture
def breaking():
    """A server that breaks off after `gives` bytes, and may or may not know parts of files."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            start = 0
            if self.server.knows_parts and "Range" in self.headers:
                start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            self.server.starts.append(start)
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(LONG) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(LONG) - 1}/{len(LONG)}")
            self.end_headers()
            self.wfile.write(LONG[start : start + self.server.gives])
            time.sleep(self.server.pause)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.starts, server.knows_parts, server.gives, server.pause = [], True, 400_000, 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_broken_connection_is_taken_up_where_it_broke(tally, breaking, tmp_path):
    with tally.attempt("a download that breaks off half-way"):
        path = download(archive(breaking, LONG), tmp_path / "pets.zip", "")
        assert path.read_bytes() == LONG
        first, second, third = breaking.starts
        assert first == 0 and 300_000 < second <= 400_000 < third <= second + 400_000


def test_a_server_without_parts_is_not_asked_for_ever(tally, breaking, tmp_path):
    breaking.knows_parts = False
    with tally.attempt("a download that breaks off half-way"):
        with pytest.raises(DownloadError, match="could not be reached"):
            download(archive(breaking, LONG), tmp_path / "pets.zip", "")
        assert breaking.starts == [0, 0] and list(tmp_path.iterdir()) == []


def test_a_server_that_falls_silent_is_not_waited_for(tally, breaking, tmp_path, monkeypatch):
    """It keeps the connection and says no more; asked again, it goes on."""
    monkeypatch.setattr(downloads, "TIMEOUT", (5, 0.5))
    breaking.pause = 60
    begun = time.monotonic()
    with tally.attempt("a slow or busy server"):
        path = download(archive(breaking, LONG), tmp_path / "pets.zip", "")
        assert path.read_bytes() == LONG and len(breaking.starts) == 3
        assert time.monotonic() - begun < 30


def test_a_slow_server_is_waited_for(tally, breaking, tmp_path):
    breaking.gives, breaking.pause = len(LONG), 0.5
    with tally.attempt("a slow or busy server"):
        assert download(archive(breaking, LONG), tmp_path / "pets.zip", "").read_bytes() == LONG


@pytest.mark.parametrize(("failures", "asked"), [(1, 2), (2, 3)])
def test_a_busy_server_is_asked_again(tally, server, tmp_path, failures, asked):
    good = server.answer
    server.answers = [(500, {}, b"")] * failures + [good]
    with tally.attempt("a slow or busy server"):
        assert download(archive(server), tmp_path / "pets.zip", "").read_bytes() == CONTENT
        assert server.asked == asked


def test_without_a_network_one_sentence_and_a_way_out(tmp_path):
    gone = Archive("http://127.0.0.1:9/pets.zip", 10, None, "CC BY 4.0")
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
    unpack(path, tmp_path / "out")
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
def test_a_member_that_reaches_outside_is_refused(tally, tmp_path, member, reason):
    path = make_zip(tmp_path / "a.zip", {"good.txt": b"1", member: b"/etc"})
    with tally.attempt("an archive that reaches outside its folder"):
        with pytest.raises(DownloadError, match=reason):
            unpack(path, tmp_path / "sub" / "out")
        assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["a.zip"]


def test_an_archive_that_grows_is_refused(tally, tmp_path):
    path = make_zip(tmp_path / "bomb.zip", {"zeros": b"\0" * 5_000_000})
    assert path.stat().st_size < 10_000
    with tally.attempt("an archive that grows"):
        with pytest.raises(DownloadError, match="more than 1 MB"):
            unpack(path, tmp_path / "out")
        assert [p.name for p in tmp_path.iterdir()] == ["bomb.zip"]


def test_a_damaged_archive_is_refused(tally, tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 no zip")
    with tally.attempt("an archive cut short or damaged"):
        with pytest.raises(DownloadError, match="refused"):
            unpack(tmp_path / "a.zip", tmp_path / "out")
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
    small = replace(small, url=small.url.replace("pets", "cats_and_dogs_filtered"))
    monkeypatch.setitem(registry.ARCHIVES, "cats_vs_dogs", [small])
    few = {"train": 8, "validation": 4, "test": 4}
    monkeypatch.setitem(registry.COUNTS, "cats_vs_dogs", few)
    data = datasets.load("cats_vs_dogs")
    assert [len(split) for split in data.splits] == [8, 4, 4]
    datasets.load("cats_vs_dogs")
    assert server.asked == 1
    monkeypatch.setitem(registry.COUNTS, "cats_vs_dogs", few | {"train": 2000})
    shutil.rmtree(data.folder)
    with pytest.raises(datasets.DataSetError, match="gives 8 train pictures and not 2000"):
        datasets.load("cats_vs_dogs")
    assert not data.folder.exists()


def test_the_full_archive_skips_and_counts_unreadable_files(server, home, monkeypatch, capsys):
    from utils.sources.drawn_pets import draw

    picture = io.BytesIO()
    draw(1, 0, "cat", 16).save(picture, "JPEG")
    files = {}
    for original in ("Cat", "Dog"):
        for i in range(2003):
            good = i not in (7, 1500, 2002)
            different = f"{original}{i}".encode()  # readers of JPEG stop before it
            content = picture.getvalue() + different if good else b"broken"
            files[f"PetImages/{original}/{i}.jpg"] = content
    content = make_zip(home / "full.zip", files).read_bytes()
    server.answer = (200, {}, content)
    small = archive(server, content)
    monkeypatch.setitem(registry.ARCHIVES, "cats_vs_dogs_full", [small])
    data = datasets.load("cats_vs_dogs_full")
    assert [len(split) for split in data.splits] == [2000, 1000, 1000]
    assert "4 unreadable files were skipped" in capsys.readouterr().out
    assert "7.jpg" not in {p.name for p in data.train.paths}


@pytest.fixture
def several(server):
    """A server that gives each path its own content."""
    server.files = {}

    def answer(handler):
        body = server.files[handler.path]
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(body)

    server.RequestHandlerClass.do_GET = answer
    return server


def serve(several, monkeypatch, data_set, *archives, kind="zip"):
    """Put archives on the server in place of the registry's."""
    small = []
    for number, path in enumerate(archives):
        content = path.read_bytes()
        several.files[f"/{number}.{kind}"] = content
        url = f"http://127.0.0.1:{several.server_port}/{number}.{kind}"
        small.append(archive(several, content, url=url))
    monkeypatch.setitem(registry.ARCHIVES, data_set, small)


def picture(index, kind="PNG", size=16):
    file = io.BytesIO()
    drawn_pets.draw(1, index, "cat", size).save(file, kind)
    return file.getvalue()


def test_german_signs_become_png_and_are_split_by_track(several, home, monkeypatch):
    index, train = 0, {}
    for class_name in ("00000", "00001"):
        train[f"GTSRB/Final_Training/Images/{class_name}/GT-{class_name}.csv"] = b"a;b"
        for track in range(6):
            for frame in range(2):
                name = f"{class_name}/{track:05d}_{frame:05d}.ppm"
                train[f"GTSRB/Final_Training/Images/{name}"] = picture(index, "PPM")
                index += 1
    test = {f"GTSRB/Final_Test/Images/{i:05d}.ppm": picture(100 + i, "PPM") for i in range(3)}
    labels = "Filename;Width;ClassId\n" + "".join(f"{i:05d}.ppm;9;{i % 2}\n" for i in range(3))
    parts = (train, test, {"GT-final_test.csv": labels})
    zips = [make_zip(home / f"{i}.zip", part) for i, part in enumerate(parts)]
    serve(several, monkeypatch, "gtsrb", *zips)
    data = datasets.load("gtsrb")
    assert [len(split) for split in data.splits] == [16, 8, 3]
    assert data.test.labels.tolist() == [0, 0, 1]
    assert set(data.validation.tracks()) == {f"{c}/{t}" for c in ("00000", "00001")
                                             for t in ("00000", "00005")}  # fmt: skip
    assert not set(data.validation.tracks()) & set(data.train.tracks())
    assert {path.suffix for split in data.splits for path in split.paths} == {".png"}
    assert np.array_equal(data.train.pixels(16)[0], pictures.read(io.BytesIO(picture(2))))
    assert sorted(p.suffix for p in (home / "data" / "downloads").iterdir()) == [".zip"] * 3


def make_tar(path, members):
    with tarfile.open(path, "w:gz") as file:
        for name, content in members.items():
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content) if info.isreg() else 0
            file.addfile(info, io.BytesIO(content))
    return path


def test_cifar_records_become_png(several, home, monkeypatch):
    rng, root = np.random.default_rng(0), "cifar-10-batches-bin"
    members = {f"{root}/batches.meta.txt": b"airplane\nbird\n\n"}
    first = rng.integers(0, 256, (32, 32, 3)).astype("uint8")
    for i, stem in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        records = b""
        for label in (0, 1, 0):
            image = rng.integers(0, 256, (32, 32, 3)).astype("uint8")
            image = first if i == 0 and not records else image
            records += bytes([label]) + image.transpose(2, 0, 1).tobytes()
        members[f"{root}/{stem}.bin"] = records
    path = make_tar(home / "a.tar.gz", members)
    serve(several, monkeypatch, "cifar10", path, kind="tar.gz")
    data = datasets.load("cifar10")
    assert [len(split) for split in data.splits] == [12, 3, 3]
    assert data.class_names == ("airplane", "bird")
    assert np.bincount(data.train.labels).tolist() == [8, 4]
    assert np.array_equal(data.train.pixels(32)[0], first)
    assert [p.name for p in (home / "data" / "downloads").iterdir()] == ["0.tar.gz"]


def test_flowers_are_split_in_every_class(several, home, monkeypatch):
    members = {"flower_photos/LICENSE.txt": b"by the photographers"}
    for k, class_name in enumerate(("daisy", "roses")):
        for i in range(20):
            members[f"flower_photos/{class_name}/{i:03d}.png"] = picture(20 * k + i)
    serve(several, monkeypatch, "flowers", make_tar(home / "a.tgz", members), kind="tgz")
    data = datasets.load("flowers")
    assert [len(split) for split in data.splits] == [28, 6, 6]
    assert data.class_names == ("daisy", "roses")


def test_copies_in_an_archive_stay_in_one_split(several, home, monkeypatch, capsys):
    """Number 18 is for testing, 1 and 15 are for training and validation, and are the same."""
    members = {
        f"flower_photos/{class_name}/{i:03d}.png": picture(
            18 if i in (1, 15) and not k else 20 * k + i
        )
        for k, class_name in enumerate(("daisy", "roses"))
        for i in range(20)
    }
    serve(several, monkeypatch, "flowers", make_tar(home / "a.tgz", members), kind="tgz")
    data = datasets.load("flowers")
    assert [len(split) for split in data.splits] == [27, 5, 6]
    assert "flowers: 2 copies of pictures of other splits were left out" in capsys.readouterr().out


def tar_member(name, kind):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        ("../outside.txt", "outside the folder"),
        ("/etc/outside.txt", "outside the folder"),
        (tar_member("pets/link", tarfile.SYMTYPE), "link or a device"),
        (tar_member("pets/hard", tarfile.LNKTYPE), "link or a device"),
        (tar_member("pets/device", tarfile.CHRTYPE), "link or a device"),
    ],
)
def test_a_tar_member_that_reaches_outside_is_refused(tally, tmp_path, member, reason):
    path = make_tar(tmp_path / "a.tgz", {"good.txt": b"1", member: b"/etc"})
    with tally.attempt("an archive that reaches outside its folder"):
        with pytest.raises(DownloadError, match=reason):
            unpack(path, tmp_path / "sub" / "out")
        assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["a.tgz"]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_tar_is_refused(tally, tmp_path, share):
    path = make_tar(tmp_path / "a.tgz", {"a": np.random.default_rng(0).bytes(30_000)})
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with tally.attempt("an archive cut short or damaged"):
        with pytest.raises(DownloadError, match="refused"):
            unpack(path, tmp_path / "out")
        assert [p.name for p in tmp_path.iterdir()] == ["a.tgz"]


def test_a_tar_that_grows_is_refused(tally, tmp_path):
    path = make_tar(tmp_path / "bomb.tgz", {"zeros": b"\0" * 5_000_000})
    with tally.attempt("an archive that grows"):
        with pytest.raises(DownloadError, match="more than 1 MB"):
            unpack(path, tmp_path / "out")
        assert [p.name for p in tmp_path.iterdir()] == ["bomb.tgz"]


def test_what_the_registry_promises_is_complete():
    archives = [one for several in registry.ARCHIVES.values() for one in several]
    assert registry.LICENCES.keys() == registry.SOURCES.keys() > registry.ARCHIVES.keys()
    for known in archives:
        assert known.url.startswith("https://")
        assert known.licence
        assert known.sha256 or "cats_and_dogs_filtered" in known.url
