"""Requests to the Hugging Face Hub: time limits, retries, and errors as sentences."""

from __future__ import annotations

import errno
import re
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from huggingface_hub import constants, errors, get_token
from huggingface_hub.errors import HfHubHTTPError

from hwr.config import UserError

T = TypeVar("T")

NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
WAITS = (1.0, 2.0, 4.0, 8.0)  # seconds before each retry
PATIENCE = 60.0  # seconds until the last retry
TEMPORARY = {  # HTTP statuses that a later attempt may not get
    408,
    425,
    429,
    500,
    502,
    503,
    504,
}
TOKEN = re.compile(r"hf_\w+")
TransportError: type[Exception] = HfHubHTTPError.__mro__[1]  # HTTPError of httpx, or of httpx2 since 2.0
XetError: type[Exception] = getattr(errors, "XetDownloadError", RuntimeError)
ERRORS = (TransportError, OSError, errors.EntryNotFoundError, ValueError, RuntimeError, XetError)
WRAPPERS = (errors.LocalEntryNotFoundError, ValueError, RuntimeError)  # the client wraps the cause in these


class UnavailableError(UserError):
    """The Hub did not answer in time; the request itself may be valid."""

    exit_status = 75  # EX_TEMPFAIL of sysexits.h: try again later


class ConflictError(UserError):
    """The repository was changed by somebody else in the meantime."""


def host() -> str:
    """Return the host name of the Hub, for messages."""
    return urlsplit(constants.ENDPOINT).netloc


def require_name(repo: str) -> str:
    """Return ``repo`` if it has the form owner/name. Raises UserError otherwise."""
    if not NAME.fullmatch(repo) or ".." in repo or "--" in repo:
        raise UserError(f"{repo!r} is not a valid name of a repository: expected owner/name")
    return repo


def require_token() -> None:
    """Raise UserError if no token is set."""
    if not get_token():
        raise UserError(f"writing to {host()} needs a token: log in with `hf auth login`, or set HF_TOKEN")


def attempt(ask: Callable[[], T], repo: str, patience: float = PATIENCE) -> T:
    """Call ``ask()``; retry it after pauses while the Hub fails for a temporary reason.

    Raises UnavailableError if it keeps failing, ConflictError for a commit on an outdated parent, UserError otherwise.
    """
    end = time.monotonic() + patience
    for wait in (*WAITS, 0.0):
        try:
            return ask()
        except UserError:
            raise
        except ERRORS as error:
            said = explain(error, repo)
            pause = max(wait, _retry_after(error))
            if not isinstance(said, UnavailableError) or not wait or time.monotonic() + pause > end:
                raise said from None
            print(f"{said}: trying again in {pause:.0f} s", file=sys.stderr)
            time.sleep(pause)
    raise AssertionError("the last attempt returns or raises")


def within(limit: float, ask: Callable[[], T], repo: str) -> T:
    """Call ``ask()``; raise UnavailableError after ``limit`` seconds. The call then runs on in a daemon thread."""
    found: list[T] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            found.append(ask())
        except BaseException as error:  # raised again in the calling thread
            failed.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(limit)
    if failed:
        raise failed[0]
    if not found:
        raise UnavailableError(f"{repo}: {host()} took longer than {limit:g} s")
    return found[0]


def explain(error: Exception, repo: str) -> UserError:
    """Return an error of huggingface_hub as one line: what failed, why, what to do. It never contains a token."""
    if isinstance(error, WRAPPERS) and not _status(error) and isinstance(error.__cause__, ERRORS):
        return explain(error.__cause__, repo)
    kind, text = _sentence(error, repo)
    return kind(TOKEN.sub("hf_***", f"{repo}: {' '.join(text.split())}"))


def _sentence(error: Exception, repo: str) -> tuple[type[UserError], str]:
    status, said = _status(error), _server_message(error)
    login = "log in with `hf auth login`, or set HF_TOKEN"
    if isinstance(error, errors.GatedRepoError):
        return UserError, f"its owner must grant access first: ask on its page at {host()}, then {login}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return UserError, f"there is no such repository at {host()}, or it is private: check the name, or {login}"
    if isinstance(error, errors.RevisionNotFoundError):
        return UserError, f"it has no such revision: name a branch, a tag or a commit ({said})"
    if isinstance(error, errors.HFValidationError):
        return UserError, f"this is not a valid name of a repository: expected owner/name ({error})"
    if status == 401:
        return UserError, f"{host()} does not accept the token: {login}"
    if status == 403:
        return UserError, f"the token may not do this ({said}): take one with read or write access to it, and {login}"
    if status in (409, 412):
        return ConflictError, f"somebody else changed it in the meantime: try again ({said})"
    if status in TEMPORARY:
        return UnavailableError, f"{host()} cannot answer now (status {status})"
    if status:
        return UserError, f"{host()} refuses this (status {status}): {said}"
    if isinstance(error, ValueError):
        return UserError, str(error)
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, errors.LocalEntryNotFoundError):
        return UserError, f"it lacks a file: {error}"
    return _of_this_machine(error)


def _of_this_machine(error: Exception) -> tuple[type[UserError], str]:
    """Explain an error that no server sent: no connection, a broken one, or a full disk."""
    code = getattr(error, "errno", None)
    if code in (errno.ENOSPC, errno.EDQUOT):
        return UserError, f"no space left in {constants.HF_HOME}: make room, or set HF_HOME to a folder elsewhere"
    if code in (errno.EACCES, errno.EROFS, errno.EPERM):
        return UserError, f"{constants.HF_HOME} cannot be written: set HF_HOME to a folder that can"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return UnavailableError, "HF_HUB_OFFLINE is set: unset it to ask the Hub"
    if isinstance(error, errors.LocalEntryNotFoundError):
        return UnavailableError, f"{host()} cannot be reached"
    return UnavailableError, f"{host()} cannot be reached, or broke off: {str(error) or type(error).__name__}"


def _status(error: Exception) -> int:
    return int(getattr(getattr(error, "response", None), "status_code", 0))


def _server_message(error: Exception) -> str:
    return str(getattr(error, "server_message", None) or error).partition("\n")[0][:300]


def _retry_after(error: Exception) -> float:
    """Return the seconds of the Retry-After header."""
    headers: Any = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        return max(0.0, float(headers.get("Retry-After", 0)))
    except ValueError:  # the header may be a date: the usual pauses apply
        return 0.0
