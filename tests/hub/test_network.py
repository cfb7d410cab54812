"""network.py: time limits, second attempts, and errors as sentences."""

import errno
import time
from typing import Any

import pytest
from huggingface_hub import errors

from hwr.config import UserError
from hwr.hub import network
from hwr.hub.network import TransportError, UnavailableError


class Response:
    """As much of an answer as the sentences are made from."""

    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.status_code, self.headers, self.request = status, headers or {}, None


def refusal(kind: type[Exception], status: int, said: str = "", **headers: str) -> Any:
    names = {k.replace("_", "-"): v for k, v in headers.items()}
    return kind(f"{status} from the Hub", response=Response(status, names), server_message=said)  # type: ignore[call-arg]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (refusal(errors.RepositoryNotFoundError, 404), UserError, "no such repository at"),
        (refusal(errors.GatedRepoError, 403), UserError, "owner must grant access"),
        (refusal(errors.RevisionNotFoundError, 404), UserError, "no such revision"),
        (refusal(errors.RemoteEntryNotFoundError, 404, "no such file"), UserError, "no such file"),
        (refusal(errors.HfHubHTTPError, 401), UserError, "does not accept the token"),
        (refusal(errors.HfHubHTTPError, 403, "read only"), UserError, r"read only.*write access"),
        (refusal(errors.HfHubHTTPError, 413, "quota exceeded"), UserError, "quota exceeded"),
        (refusal(errors.HfHubHTTPError, 412), network.ConflictError, "somebody else"),
        (refusal(errors.HfHubHTTPError, 503), UnavailableError, "cannot answer now"),
        (refusal(errors.HfHubHTTPError, 429), UnavailableError, "429"),
        (TransportError("connection reset"), UnavailableError, "connection reset"),
        (errors.OfflineModeIsEnabled("offline"), UnavailableError, "HF_HUB_OFFLINE"),
        (errors.LocalEntryNotFoundError("nothing cached"), UnavailableError, "cannot be reached"),
        (errors.HFValidationError("bad name"), UserError, "expected owner/name"),
        (OSError(errno.ENOSPC, "No space left on device"), UserError, "HF_HOME"),
        (PermissionError(errno.EACCES, "denied"), UserError, "cannot be written"),
    ],
)
def test_every_error_is_one_line_that_says_what_to_do(error: Exception, kind: type[UserError], words: str) -> None:
    said = network.explain(error, "owner/name")
    assert type(said) is kind
    with pytest.raises(UserError, match=words):
        raise said
    assert str(said).startswith("owner/name: ")
    assert "\n" not in str(said)


def test_the_reason_behind_an_empty_cache_is_told() -> None:
    error = errors.LocalEntryNotFoundError("nothing cached")
    error.__cause__ = refusal(errors.HfHubHTTPError, 503)
    assert "status 503" in str(network.explain(error, "owner/name"))


def test_a_token_never_gets_into_an_error() -> None:
    said = network.explain(refusal(errors.HfHubHTTPError, 400, "bad header Bearer hf_abcDEF123"), "owner/name")
    assert "abcDEF123" not in str(said)


def test_what_passes_is_tried_again(pauses: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    answers = [TransportError("reset"), refusal(errors.HfHubHTTPError, 503), "done"]

    def ask() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    assert network.attempt(ask, "owner/name") == "done"
    assert pauses == [1, 2]
    assert capsys.readouterr().err.count("trying again") == 2


def test_the_hubs_own_wish_for_a_pause_is_respected(pauses: list[float]) -> None:
    answers = [refusal(errors.HfHubHTTPError, 429, Retry_After="7")]

    def ask() -> str:
        if answers:
            raise answers.pop()
        return "done"

    assert network.attempt(ask, "owner/name") == "done"
    assert pauses == [7]


@pytest.mark.parametrize("wait", ["3600", "Wed, 21 Oct 2037 07:28:00 GMT"])
def test_no_pause_goes_beyond_the_limit(pauses: list[float], wait: str) -> None:
    def ask() -> str:
        raise refusal(errors.HfHubHTTPError, 429, Retry_After=wait)

    with pytest.raises(UnavailableError, match="429"):
        network.attempt(ask, "owner/name")
    assert sum(pauses) <= sum(network.WAITS)


def test_what_does_not_pass_is_not_tried_again(pauses: list[float]) -> None:
    def ask() -> str:
        raise refusal(errors.HfHubHTTPError, 403)

    with pytest.raises(UserError, match="write access"):
        network.attempt(ask, "owner/name")
    assert pauses == []


def test_a_hub_that_says_nothing_is_given_up_on() -> None:
    with pytest.raises(UnavailableError, match=r"longer than 0\.2 s"):
        network.within(0.2, lambda: time.sleep(2), "owner/name")
    with pytest.raises(ZeroDivisionError):
        network.within(5, lambda: 1 // 0, "owner/name")


@pytest.mark.parametrize("name", ["", "name", "a/b/c", "../x", "a/..", "-a/b", "a/b c", "https://x/y", "a--b/c", "ü/b"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="expected owner/name"):
        network.require_name(name)
