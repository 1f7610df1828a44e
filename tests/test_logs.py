"""Logs tell what happened and never a secret."""

import io
import json
import logging
from contextlib import redirect_stderr

import pytest
import structlog

from app.logs import LogFormat, configure


def logged(log_format: LogFormat, event: dict[str, object], *, level: str = "info") -> str:
    """What one event comes to on standard error."""
    with redirect_stderr(io.StringIO()) as written:
        configure(level, log_format)
        structlog.get_logger("app.test").info("Delivery kept", **event)
    return written.getvalue()


def test_an_event_is_one_json_object_a_line() -> None:
    line = logged("json", {"source": "ci", "count": 2, "missing": None, "is_new": True})
    told = json.loads(line)
    assert line.count("\n") == 1
    assert {key: told[key] for key in ("event", "level", "source", "count", "missing", "is_new")} == {
        "event": "Delivery kept",
        "level": "info",
        "source": "ci",
        "count": 2,
        "missing": None,
        "is_new": True,
    }
    assert told["at"].endswith("Z")


def test_text_is_for_people() -> None:
    assert "Delivery kept" in logged("text", {"source": "ci"})


def test_events_below_the_level_are_not_written() -> None:
    assert logged("json", {"source": "ci"}, level="warning") == ""


@pytest.mark.parametrize("log_format", ["json", "text"])
@pytest.mark.parametrize(
    "event",
    [
        pytest.param({"secret": "hunter2"}, id="secret"),
        pytest.param({"api_token": "hunter2"}, id="token"),
        pytest.param({"headers": {"Authorization": "hunter2", "Cookie": "hunter2"}}, id="headers"),
        pytest.param({"headers": [{"X-Hub-Signature-256": "hunter2"}]}, id="signature-in-a-list"),
        pytest.param({"url": "https://me:hunter2@git.example/x"}, id="password-in-a-url"),
        pytest.param({"url": "https://hunter2@git.example/x"}, id="token-in-a-url"),
        pytest.param({"url": "https://bridge.example/webhooks/ci?token=hunter2&x=hunter2"}, id="query"),
        pytest.param({"path": "/webhooks/ci?hunter2"}, id="query-without-a-name"),
        pytest.param({"told": "GET /webhooks/ci?token=hunter2 HTTP/1.1"}, id="request-line"),
        pytest.param({"error": ValueError("https://x/?token=hunter2")}, id="exception-as-value"),
        pytest.param({"urls": {"a": ("https://x/?token=hunter2",)}}, id="deep"),
    ],
)
def test_no_secret_is_written(log_format: LogFormat, event: dict[str, object]) -> None:
    written = logged(log_format, event)
    assert "Delivery kept" in written
    assert "hunter2" not in written


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_tracebacks_keep_no_query_string(log_format: LogFormat) -> None:
    token = "hunter2"
    with redirect_stderr(io.StringIO()) as written:
        configure("info", log_format)
        try:
            int(f"https://ci.example/?token={token}")
        except ValueError:
            structlog.get_logger("app.test").exception("It broke")
    assert "https://ci.example/?[redacted]" in written.getvalue()
    assert f"={token}" not in written.getvalue()


def test_records_of_libraries_are_treated_the_same() -> None:
    with redirect_stderr(io.StringIO()) as written:
        configure("info", "json")
        logging.getLogger("uvicorn.error").info('"%s %s"', "POST", "/webhooks/ci?token=hunter2")
        logging.getLogger("uvicorn.access").info("a line for each request")
    lines = written.getvalue().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ['"POST /webhooks/ci?[redacted]"']
