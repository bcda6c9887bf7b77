"""The user's own image: resumed, checked, never half-used."""

import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from farswitch.errors import ConfigError
from farswitch.image.fetch import DownloadError, fetch

CONTENT = bytes(range(256)) * 12_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Site:
    """A server on loopback and how it misbehaves."""

    content: bytes = CONTENT
    cuts: int = 0
    """Answers that break off half-way."""
    ranges: bool = True
    length: bool = True
    """Whether it says how long its answer is."""
    status: int = 0
    asked: list[str | None] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            site.asked.append(wanted)
            if site.status:
                self.send_error(site.status)
                return
            first = int(re.findall(r"\d+", wanted)[0]) if wanted and site.ranges else 0
            if first >= len(site.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(site.content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = site.content[first:]
            self.send_response(206 if wanted and site.ranges else 200)
            if wanted and site.ranges:
                last = len(site.content) - 1
                self.send_header("Content-Range", f"bytes {first}-{last}/{last + 1}")
            if site.length:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if site.cuts:
                site.cuts -= 1
                body = body[: len(body) // 2]
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        site.url = f"http://127.0.0.1:{server.server_port}/image.qcow2"
        yield site
        server.shutdown()
        thread.join()


def test_image_is_named_by_its_digest_and_fetched_once(site: Site, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    path = fetch(site.url, SHA256.upper(), tmp_path, progress=lambda *both: seen.append(both))
    assert (path.name, path.read_bytes()) == (f"{SHA256}.img", CONTENT)
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert fetch(site.url, SHA256, tmp_path) == path
    assert len(site.asked) == 1


@pytest.mark.parametrize("damage", [CONTENT[:-1], b"x" + CONTENT[1:]])
def test_image_that_was_damaged_since_is_fetched_again(
    site: Site, tmp_path: Path, damage: bytes
) -> None:
    path = fetch(site.url, SHA256, tmp_path)
    path.write_bytes(damage)
    assert fetch(site.url, SHA256, tmp_path).read_bytes() == CONTENT
    assert site.asked == [None, None]


def test_broken_download_goes_on_where_it_stopped(site: Site, tmp_path: Path) -> None:
    site.cuts = 2
    assert fetch(site.url, SHA256, tmp_path, pause=0).read_bytes() == CONTENT
    half, quarter = len(CONTENT) // 2, len(CONTENT) * 3 // 4
    assert site.asked == [None, f"bytes={half}-", f"bytes={quarter}-"]


def test_later_run_goes_on_with_what_is_there(site: Site, tmp_path: Path) -> None:
    (tmp_path / f"{SHA256}.partial").write_bytes(CONTENT[:1000])
    assert fetch(site.url, SHA256, tmp_path).read_bytes() == CONTENT
    assert site.asked == ["bytes=1000-"]


def test_complete_leftover_is_only_checked(site: Site, tmp_path: Path) -> None:
    (tmp_path / f"{SHA256}.partial").write_bytes(CONTENT)
    assert fetch(site.url, SHA256, tmp_path).read_bytes() == CONTENT


def test_leftover_longer_than_the_image_is_thrown_away(site: Site, tmp_path: Path) -> None:
    (tmp_path / f"{SHA256}.partial").write_bytes(CONTENT + b"more")
    assert fetch(site.url, SHA256, tmp_path, pause=0).read_bytes() == CONTENT


def test_leftover_of_other_bytes_is_thrown_away(site: Site, tmp_path: Path) -> None:
    (tmp_path / f"{SHA256}.partial").write_bytes(b"x" * 1000)
    assert fetch(site.url, SHA256, tmp_path, pause=0).read_bytes() == CONTENT
    assert site.asked == ["bytes=1000-", None]


def test_server_without_ranges_starts_over(site: Site, tmp_path: Path) -> None:
    site.ranges, site.cuts = False, 1
    assert fetch(site.url, SHA256, tmp_path, pause=0).read_bytes() == CONTENT
    assert len(site.asked) == 2


def test_wrong_bytes_are_refused_and_removed(site: Site, tmp_path: Path) -> None:
    site.content = CONTENT[:-1] + b"x"
    found = hashlib.sha256(site.content).hexdigest()
    with pytest.raises(ConfigError, match=f"{found}: wanted {SHA256}"):
        fetch(site.url, SHA256, tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".lock"]


def test_endless_trouble_is_an_error_that_keeps_what_came(site: Site, tmp_path: Path) -> None:
    site.status = 503
    (tmp_path / f"{SHA256}.partial").write_bytes(CONTENT[:1000])
    with pytest.raises(DownloadError, match="answered 503 after 1000 bytes"):
        fetch(site.url, SHA256, tmp_path, pause=0)
    assert len(site.asked) == 5
    assert (tmp_path / f"{SHA256}.partial").read_bytes() == CONTENT[:1000]


@pytest.mark.parametrize("told", [True, False])
def test_more_bytes_than_wanted_are_refused_and_not_kept(
    site: Site, tmp_path: Path, *, told: bool
) -> None:
    site.length = told
    with pytest.raises(ConfigError, match="has more than 2 MiB"):
        fetch(site.url, SHA256, tmp_path, pause=0, most=2 << 20)
    assert len(site.asked) == 1
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".lock"]
    assert fetch(site.url, SHA256, tmp_path, most=len(CONTENT)).read_bytes() == CONTENT


def test_missing_image_is_not_asked_for_again(site: Site, tmp_path: Path) -> None:
    site.status = 404
    with pytest.raises(DownloadError, match="answered 404"):
        fetch(site.url, SHA256, tmp_path, pause=0)
    assert len(site.asked) == 1


def test_unreachable_server_is_named(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:1/x.*refused"):
        fetch("http://127.0.0.1:1/x", SHA256, tmp_path, pause=0)


def test_local_image_is_checked_and_used_where_it_is(tmp_path: Path) -> None:
    image = tmp_path / "my.img"
    image.write_bytes(CONTENT)
    assert fetch(str(image), SHA256, tmp_path / "cache") == image
    with pytest.raises(ConfigError, match=SHA256):
        fetch(str(image), "0" * 64, tmp_path / "cache")
    assert image.exists()


@pytest.mark.parametrize(
    ("source", "sha256", "message"),
    [
        ("/nowhere/image", SHA256, "does not exist"),
        ("/etc", SHA256, "'/etc' is no file"),
        ("/etc/hostname/x", SHA256, "does not exist|cannot be read: Not a directory"),
        ("ftp://server/image", SHA256, "neither a path nor"),
        ("/etc/hostname", "abc", "64 hexadecimal digits"),
    ],
)
def test_senseless_source_is_refused(
    source: str, sha256: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        fetch(source, sha256, tmp_path)
