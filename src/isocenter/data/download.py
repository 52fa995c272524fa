"""Files from the web: resumed where they broke off, checked before they are believed."""

from __future__ import annotations

import hashlib
import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from isocenter.core.errors import IsocenterError, UsageError
from isocenter.core.progress import Progress
from isocenter.storage.atomic import make_folder, remove, require_free, storage_errors
from isocenter.storage.lock import locked

PAUSES_SECONDS: tuple[float, ...] = (1, 2, 4, 8, 16)
"""How long to wait after each failure in a row; after the last, give up."""

TIMEOUT_SECONDS = 30.0
"""How long a server may be silent."""

_LONGEST_WAIT_SECONDS = 60.0
_CHUNK_BYTES = 1 << 18
_PROGRESS_BYTES = 1 << 20
_MOST_DAMAGED = 2
_ASK_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_NOTHING_LEFT = 416


class _Interrupted(Exception):
    """The transfer broke off in a way that another try may mend."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        super().__init__(why)
        self.wait = wait


def download(url: str, target: Path, *, md5: str | None, progress: Progress) -> None:
    """Bring a file from the web to `target`, unless it lies there already, brought by us or by hand.

    What came before an interruption is kept beside it as `.part` and continued by the next call.

    Args:
        url: the http or https address.
        target: where it shall lie; it appears there whole and checked, or not at all.
        md5: the checksum that its publisher gives; None where nobody gives one.
        progress: is told how many bytes have come.
    """
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"An address must begin with http:// or https://, got {url}")
    make_folder(target.parent)
    beside = target.parent.with_name(f".{target.parent.name}.lock")  # the folder itself holds nothing but data
    with locked(beside, f"the download of {target.name}", progress=progress):
        if target.exists():
            _check_present(target, md5)
            return
        part = target.with_name(f"{target.name}.part")
        for _ in range(_MOST_DAMAGED):
            _bring(url, part, target, md5, progress)
            if md5 is None or md5_of(part) == md5:
                with storage_errors(target):
                    part.replace(target)
                return
            progress.say(f"{target.name} came damaged; what came is thrown away.")
            remove(part)
    raise _refusal(url, target, md5, f"what the server sends does not have the checksum {md5}")


def md5_of(path: Path) -> str:
    """The MD5 checksum of a file; it finds damage, it does not prove who made the file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _check_present(target: Path, md5: str | None) -> None:
    found = md5_of(target)
    if md5 not in (None, found):
        raise IsocenterError(
            f"{target} must have the MD5 checksum {md5}, got {found}",
            why="it is damaged or another edition",
            remedy="Remove it and run the same command again",
        )


def _bring(url: str, part: Path, target: Path, md5: str | None, progress: Progress) -> None:
    """Fill `part` to its end, with patience; failures count anew whenever a good piece has come."""
    failures = 0
    while True:
        before = _size(part)
        try:
            _continue(url, part, progress)
            return
        except _Interrupted as error:
            failures = 0 if _size(part) - before >= _PROGRESS_BYTES else failures + 1
            if failures > len(PAUSES_SECONDS):
                raise _refusal(url, target, md5, str(error)) from error
            pause = min(max(error.wait, PAUSES_SECONDS[max(failures, 1) - 1]), _LONGEST_WAIT_SECONDS)
            progress.say(f"{target.name}: {error}; trying again in {pause:.0f} s.")
            time.sleep(pause)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == _NOTHING_LEFT:
                return  # all of it had come before; the checksum will tell
            raise _refusal(url, target, md5, f"the server answers {error.code} {error.reason}") from error


def _continue(url: str, part: Path, progress: Progress) -> None:
    """Ask for what is still missing and append it."""
    have = _size(part)
    with _answer(url, have) as response:
        start = _first_byte(response) if response.status == http.client.PARTIAL_CONTENT else 0
        if start not in (0, have):
            raise _Interrupted("the server sent another piece than the one asked for")
        length = response.headers.get("Content-Length")
        total = start + int(length) if length and length.isdigit() else None
        require_free(part, (total or start) - start, what=f"Downloading {part.name.removesuffix('.part')}")
        progress.start(f"Downloading {part.name.removesuffix('.part')}", total)
        progress.advance(start)
        with storage_errors(part), part.open("r+b" if start else "wb") as file:
            file.seek(start)
            done = start + _pour(response, file.write, progress)
        if total is not None and done < total:
            raise _Interrupted(f"the connection broke off after {done} of {total} bytes")


def _pour(response: http.client.HTTPResponse, write: Callable[[bytes], Any], progress: Progress) -> int:
    done = 0
    while True:
        try:
            chunk = response.read(_CHUNK_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise _Interrupted(f"the connection broke off ({_in_words(error)})") from error
        if not chunk:
            return done
        write(chunk)
        done += len(chunk)
        progress.advance(len(chunk))


def _answer(url: str, have: int) -> http.client.HTTPResponse:
    """The server's answer to the request for everything from byte `have` on."""
    opener = _opener()
    opener.addheaders = [("User-Agent", "isocenter"), *([("Range", f"bytes={have}-")] if have else [])]
    try:
        response: http.client.HTTPResponse = opener.open(url, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code not in _ASK_AGAIN:
            raise
        wait = error.headers.get("Retry-After", "")
        error.close()
        raise _Interrupted(f"the server answers {error.code} {error.reason}", _seconds(wait)) from error
    except (OSError, http.client.HTTPException) as error:  # URLError and timeouts are OSErrors
        raise _Interrupted(f"the server cannot be reached ({_in_words(error)})") from error
    return response


def _opener() -> urllib.request.OpenerDirector:
    """Something that speaks http and https and nothing else: no local files, not even by a redirect."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        *(urllib.request.ProxyHandler(), urllib.request.HTTPHandler(), urllib.request.HTTPSHandler()),
        *(urllib.request.HTTPRedirectHandler(), urllib.request.HTTPErrorProcessor()),
        *(urllib.request.HTTPDefaultErrorHandler(), urllib.request.UnknownHandler()),
    ):
        opener.add_handler(handler)
    return opener


def _first_byte(response: http.client.HTTPResponse) -> int:
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else -1


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _seconds(text: str) -> float:
    return float(text) if text.isdigit() else 0.0


def _in_words(error: BaseException) -> str:
    reason = getattr(error, "reason", error)
    return " ".join(str(reason).split()) or type(error).__name__


def _refusal(url: str, target: Path, md5: str | None, why: str) -> IsocenterError:
    checksum = f" (its MD5 checksum is {md5})" if md5 else ""
    return IsocenterError(
        f"{url} cannot be downloaded",
        why=why,
        remedy=f"Run the same command again to go on where it stopped; or download the file on another machine and put "
        f"it at {target}{checksum}",
    )
