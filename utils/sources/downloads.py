"""A download is announced, whole, verified, and unpacked without trusting it."""

import hashlib
import stat
import tarfile
import time
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import requests

from utils.base import progress
from utils.base.folders import remove_stale_partials, whole_file

TIMEOUT = (10, 60)  # seconds: to connect, and of silence between two pieces
ATTEMPTS = 3  # at a server that says it is busy (status 500 and above)


@dataclass(frozen=True)
class Archive:
    """A file on the web: where, how big (bytes), which digest, under which licence."""

    url: str
    size: int
    sha256: str | None  # None: no digest could be verified, so size and counts are
    licence: str


class DownloadError(RuntimeError):
    """A download that cannot be used, with the reason and the way out in one sentence."""


def download(archive: Archive, path: Path, way_out: str) -> Path:
    """Fetch an archive, after saying its size, host, licence and destination.

    A broken connection is taken up again where it broke, if the server can do that. If `path` is
    there already nothing is fetched. Raises DownloadError (no network, an error status, too few or
    too many bytes, wrong digest), which ends with the `way_out`. Taught in lesson 00.
    """
    if path.exists():
        return path
    remove_stale_partials(path.parent)
    host, size = urlsplit(archive.url).hostname, f"{archive.size / 1e6:,.0f} MB"
    print(f"Downloading {size} from {host} to {path.parent} (licence: {archive.licence})")
    try:
        with whole_file(path) as partial:
            _stream(archive, partial)
            _verify(archive, partial)
    except requests.RequestException as error:
        reason = f"could not be reached ({type(error).__name__})"
        if error.response is not None and not error.response.ok:
            reason = f"answered with status {error.response.status_code}"
        raise DownloadError(f"{host} {reason}: {way_out}") from error
    except ValueError as error:
        raise DownloadError(f"the file from {host} was refused, {error}: {way_out}") from error
    return path


def _stream(archive, partial):
    """Fetch all bytes; when the connection breaks, go on from there, as long as that helps."""
    size, attempt = 0, 1
    with (
        open(partial, "wb") as file,
        progress.bar(total=archive.size, unit="B", unit_scale=True, desc=partial.name[1:20]) as bar,
    ):
        while True:
            try:
                return _fetch(archive, file, bar)
            except requests.HTTPError as error:
                if error.response.status_code < 500 or attempt == ATTEMPTS:
                    raise
                time.sleep(attempt / 2)  # a busy server: seconds may be enough
                attempt += 1
            except requests.RequestException:
                if file.tell() <= size:  # no byte more than the last time
                    raise
                size = file.tell()


def _fetch(archive, file, bar):
    """Ask for what is missing; a server that cannot give a part gives the whole file again."""
    headers = {"Accept-Encoding": "identity"}  # bytes as they are, so that they can be counted
    if file.tell():
        headers["Range"] = f"bytes={file.tell()}-"
    with requests.get(archive.url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        response.raise_for_status()
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise ValueError("for it is a web page, perhaps a login page")
        if not response.headers.get("Content-Range", "").startswith(f"bytes {file.tell()}-"):
            file.seek(0)
            file.truncate()
        bar.n = file.tell()
        for block in response.iter_content(1 << 16):
            file.write(block)
            bar.update(len(block))
            if file.tell() > archive.size:
                raise ValueError(f"for it is longer than the expected {archive.size:,} bytes")


def _verify(archive, partial):
    size = partial.stat().st_size
    if size != archive.size:
        raise ValueError(f"for it has {size:,} bytes and not the expected {archive.size:,}")
    if archive.sha256 is not None:
        with open(partial, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != archive.sha256:
            raise ValueError(f"for its sha256 is {digest[:12]}… and not {archive.sha256[:12]}…")


def unpack(path: Path, folder: Path) -> None:
    """Unpack a zip or tar file into a folder that appears only when it is complete; lesson 00.

    Raises DownloadError: it is damaged, unpacks to more than twice its size, or has a member that
    would land outside the folder or is not a plain file.
    """
    limit = 2 * path.stat().st_size + 1_000_000  # pictures are compressed already
    try:
        with whole_file(folder) as partial, _open(path) as (archive, members):
            if sum(size for _, _, size, _ in members) > limit:
                raise ValueError(f"it would unpack to more than {limit / 1e6:,.0f} MB")
            for _, name, _, plain in members:
                _check_member(name, plain)
            for member, *_ in progress.bar(members, desc=f"Unpacking {path.name}"):
                archive.extract(member, partial)
    except (ValueError, zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        way_out = "delete it, then run again to fetch it anew"
        raise DownloadError(f"{path} was refused, {error}: {way_out}") from error


@contextmanager
def _open(path):
    """An archive and its members, as (member, name, bytes, whether a plain file or folder)."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            kinds = ((m, stat.S_IFMT(m.external_attr >> 16)) for m in archive.infolist())
            plain = (0, stat.S_IFREG, stat.S_IFDIR)
            yield archive, [(m, m.filename, m.file_size, kind in plain) for m, kind in kinds]
    else:
        with tarfile.open(path) as archive:
            archive.extraction_filter = tarfile.data_filter
            yield archive, [(m, m.name, m.size, m.isreg() or m.isdir()) for m in archive]


def _check_member(name, plain):
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and ":" in path.parts[0]):
        raise ValueError(f"its member {name!r} would land outside the folder")
    if not plain:
        raise ValueError(f"its member {name!r} is a link or a device, not a file")
