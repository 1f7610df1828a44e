"""`fluxbridge senders` lists what may post, and `fluxbridge senders read` says what a saved body tells."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli.commands import app
from app.senders import SENDERS
from app.senders.sender import MOST_BYTES
from tests.cli.console import Console
from tests.senders.examples import EXAMPLES, EXPECTATIONS, WEBHOOKS, sender_of

KEYS = ["type", "image", "tag", "digest", "job", "number", "result", "url", "commit", "branch", "time"]
DESCRIBED = "generic"
"""Where in a body of it each part stands only settings say."""
IMAGES = [
    file
    for file in EXAMPLES
    if "push" in sender_of(file).tells and EXPECTATIONS[file]["images"] and sender_of(file).kind != DESCRIBED
]


def read(kind: str, *more: str, body: bytes = b"") -> Result:
    return CliRunner().invoke(app, ["senders", "read", "--kind", kind, *more], input=body)


def line(result: Result) -> Any:
    """The one line that it printed; it never fails because of a body."""
    assert result.exit_code == 0
    [printed] = result.stdout.splitlines()
    return json.loads(printed)


def headers(folder: Path, file: str) -> str:
    """The headers of an example as a file."""
    path = folder / "headers.json"
    path.write_text(json.dumps(EXPECTATIONS[file]["headers"]), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("file", EXAMPLES)
def test_every_example_is_read_without_settings(file: str, tmp_path: Path) -> None:
    said = line(read(sender_of(file).kind, "--headers", headers(tmp_path, file), str(WEBHOOKS / file)))
    assert list(said) == ["kind", "verdict", "facts", "ignored", "problems"]
    assert (said["kind"], said["problems"]) == (sender_of(file).kind, [])
    assert said["verdict"] == ("facts" if said["facts"] else "ignored")
    assert [list(fact) for fact in said["facts"]] == [KEYS] * len(said["facts"])


@pytest.mark.parametrize("file", IMAGES)
def test_an_image_has_the_host_that_the_body_tells_and_no_other(file: str, tmp_path: Path) -> None:
    facts = line(read(sender_of(file).kind, "--headers", headers(tmp_path, file), str(WEBHOOKS / file)))["facts"]
    assert [(fact["type"], fact["image"], fact["tag"], fact["digest"]) for fact in facts] == [
        ("push", "/".join(filter(None, (one["registry_host"], one["repository"]))), one["tag"], one["digest"])
        for one in EXPECTATIONS[file]["images"]
    ]


def test_a_build_is_told_with_its_image() -> None:
    [fact] = line(read("jenkins", str(WEBHOOKS / "jenkins-curl-post.json")))["facts"]
    expected = EXPECTATIONS["jenkins-curl-post.json"]
    assert (fact["type"], fact["job"], fact["number"]) == ("build", expected["job"], expected["build_number"])
    assert (fact["result"], fact["url"]) == (expected["result"], expected["build_url"])
    assert (fact["commit"], fact["branch"]) == (expected["commit"], expected["branch"])
    assert (fact["image"], fact["tag"]) == ("registry.lumen.example/lumen/parcel-api", "1.4.2")
    assert fact["time"] == "2025-10-09T08:55:23Z"


@pytest.mark.parametrize("kind", SENDERS)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe\x00", id="no text"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'{"action": NaN, "type": "\\ud800"}', id="NaN"),
        pytest.param(b'{"action": "push", "action": "push"}', id="a key twice"),
        pytest.param(b" " * (MOST_BYTES + 1), id="too large"),
    ],
)
def test_a_hostile_body_is_unusable_or_ignored(kind: str, body: bytes) -> None:
    said = line(read(kind, "-", body=body))
    assert said["facts"] == []
    assert said["verdict"] in {"unusable", "ignored"}
    assert said["problems"] or said["ignored"]


@pytest.mark.parametrize(
    "text",
    [
        "POST / HTTP/1.1\r\nHost: x\r\nx-GitHub-event: push\r\n\r\n",
        "X-GitHub-Event:push",
        '{"X-GITHUB-EVENT": "push", "n": 1}',
    ],
)
def test_headers_are_read_as_lines_or_as_json(text: str, tmp_path: Path) -> None:
    (tmp_path / "headers").write_text(text, encoding="utf-8")
    said = line(read("github", "--headers", str(tmp_path / "headers"), "-", body=b'{"ref": 1}'))
    assert "'ref'" in said["problems"][0]


@pytest.mark.parametrize("given", [b"\xff\x00", b"[1]", b'{"a":', b"[" * 100_000, b":"])
def test_headers_that_are_none_are_left_out(given: bytes, tmp_path: Path) -> None:
    (tmp_path / "headers").write_bytes(given)
    assert line(read("quay", "--headers", str(tmp_path / "headers"), "-", body=b"{}"))["verdict"] == "ignored"


def test_what_is_no_kind_is_told_with_those_there_are() -> None:
    result = read("docker", "-")
    assert result.exit_code == 2
    assert "docker-hub" in result.output


def test_a_file_that_is_not_there_is_named(console: Console) -> None:
    ended = console.run("senders", "read", "--kind", "quay", "no-such-file")
    assert (ended.code, "no-such-file" in ended.err) == (2, True)


def test_the_list_has_every_kind_with_its_proofs_and_what_it_tells(console: Console) -> None:
    ended = console.run("senders")
    assert ended.code == 0
    assert set(SENDERS) <= {cell for row in ended.rows for cell in row}
    assert ["jfrog", "hmac,", "header", "push", "image,", "tag,", "digest"] in ended.rows
    assert max(map(len, ended.out.splitlines())) <= 80
    told = console.run("senders", "--json").json
    assert [one["kind"] for one in told] == list(SENDERS)
    assert all(one["proven_by"] and one["tells"] for one in told)
