"""Archives made on the spot, and a web server on this machine that can misbehave."""

from __future__ import annotations

import io
import socket
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from isocenter.data.archives._shared import Errand
from isocenter.data.unpacked import RECORD

Make = Callable[..., Path]


class Heard:
    """A progress that remembers what it was told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.steps = 0

    def start(self, what: str, total: int | None = None) -> None:
        self.said.append(what)

    def advance(self, steps: int = 1) -> None:
        self.steps += steps

    def say(self, message: str) -> None:
        self.said.append(message)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def errand(tmp_path: Path, heard: Heard) -> Callable[[Path | str], Errand]:
    def made(source: Path | str, mirror: str | None = None) -> Errand:
        return Errand(source=str(source), into=tmp_path / "into", progress=heard, mirror=mirror)

    return made


@pytest.fixture
def make_zip(tmp_path: Path) -> Make:
    """A zip of names and contents; a `ZipInfo` may stand for a name."""

    def made(*members: tuple[str | zipfile.ZipInfo, bytes], name: str = "scans.zip") -> Path:
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for member, content in members:
                file.writestr(member, content)
        return path

    return made


@pytest.fixture
def make_tar(tmp_path: Path) -> Make:
    """A tar of names and contents; a `TarInfo` may stand for a name. The compression follows from the file's name."""

    def made(*members: tuple[str | tarfile.TarInfo, bytes], name: str = "scans.tar", mode: str = "w") -> Path:
        path = tmp_path / name
        with tarfile.open(path, mode) as file:
            for member, content in members:
                info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
                if info.isreg():
                    info.size = len(content)
                file.addfile(info, io.BytesIO(content))
        return path

    return made


@pytest.fixture
def below() -> Callable[[Path], dict[str, bytes]]:
    """Every file under a folder with its content, our own note left out."""

    def files(root: Path) -> dict[str, bytes]:
        found = sorted(path for path in root.rglob("*") if path.is_file() and path.name != RECORD)
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}

    return files


class Server:
    """A web server with one file, and a list of misdeeds to do before it behaves."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.misdeeds: list[str] = []
        self.ranges: list[str | None] = []
        self.paths: list[str] = []
        self.understands_ranges = True
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"site": self}))
        self.thread = Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


class _Handler(BaseHTTPRequestHandler):
    """Serves the one file of `site`, or does its next misdeed."""

    site: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.site.ranges.append(asked)
        self.site.paths.append(self.path)
        misdeed = self.site.misdeeds.pop(0) if self.site.misdeeds else ""
        if misdeed.isdigit():
            self.send_response(int(misdeed))
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if misdeed.startswith("to:"):
            self.send_response(302)
            self.send_header("Location", misdeed[3:])
            self.end_headers()
            return
        self._send(asked, misdeed)

    def _send(self, asked: str | None, misdeed: str) -> None:
        start = int(asked[6:-1]) if asked and self.site.understands_ranges else 0
        if start and start >= len(self.site.content):
            self.send_response(416)
            self.end_headers()
            return
        body = self.site.content[start:]
        if misdeed == "corrupt":
            body = body[:-1] + bytes([body[-1] ^ 0xFF])
        self.send_response(206 if start else 200)
        if start:
            first = start + 1 if misdeed == "shifted" else start
            self.send_header("Content-Range", f"bytes {first}-{len(self.site.content) - 1}/{len(self.site.content)}")
        if misdeed != "no length":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if misdeed in {"break", "reset"} else body)
        if misdeed == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, *words: object) -> None:
        """Quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The server; the pauses between tries are left out."""
    monkeypatch.setattr("isocenter.data.download.PAUSES_SECONDS", (0.0, 0.0))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Server(bytes(range(256)) * 40)
    yield running
    running.close()
