"""Secrets are read when they are used, may be rotated, and are shown nowhere."""

from pathlib import Path

import pytest

from app.settings.loading import load
from app.settings.models import Settings
from app.settings.secrets import (
    SHORTEST,
    AcceptedSecret,
    Secret,
    SecretsTooShort,
    SecretTooShort,
    SecretUnreadable,
    named_secrets,
    require_long_secrets,
    unusable_secrets,
)

OLD, NEW = "old-secret-of-the-hub", "new-secret-of-the-hub"
TEXT = """\
sources:
  hub: {kind: github, secret: {env: HOOK}}
  hub-two: {kind: github, secret: [{env: HOOK}, {file: new}]}
jenkins: {main: {url: 'https://ci.example', user: me, token: {file: token}}}
"""


def read(folder: Path, environ: dict[str, str]) -> Settings:
    path = folder / "fluxbridge.yaml"
    path.write_text(TEXT)
    return load(path, environ)


def secrets_of(settings: Settings, source: str) -> list[str]:
    found = settings.sources[source]
    assert found.kind == "github"
    return [secret.read() for secret in found.secret]


def test_a_secret_is_read_each_time_it_is_used(tmp_path: Path) -> None:
    environ = {"HOOK": OLD}
    settings = read(tmp_path, environ)
    assert secrets_of(settings, "hub") == [OLD]
    environ["HOOK"] = NEW
    assert secrets_of(settings, "hub") == [NEW]


def test_a_file_may_be_replaced_while_the_server_runs(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one\n")
    token = read(tmp_path, {}).jenkins["main"].token
    assert token is not None
    assert token.read() == "one"
    (tmp_path / "token").write_text("two\n")
    assert token.read() == "two"


def test_while_it_is_rotated_a_secret_is_a_list(tmp_path: Path) -> None:
    (tmp_path / "new").write_text(NEW)
    assert secrets_of(read(tmp_path, {"HOOK": OLD}), "hub-two") == [OLD, NEW]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"s", "s", id="bare"),
        pytest.param(b"s\n", "s", id="newline"),
        pytest.param(b"s\r\n", "s", id="windows-newline"),
        pytest.param(b"s\n\n", "s\n", id="only-one-newline-goes"),
        pytest.param(b" s ", " s ", id="blanks-stay"),
    ],
)
def test_the_newline_that_editors_add_is_no_part_of_a_secret(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "s").write_bytes(content)
    assert Secret(file=tmp_path / "s").read() == expected


@pytest.mark.parametrize("content", [None, b"", b"\n", b"  ", b"hunter2\xff"])
def test_a_secret_that_cannot_be_used_is_told_by_its_place_alone(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "s"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SecretUnreadable) as caught:
        Secret(file=path).read()
    assert str(path) in str(caught.value)
    assert "hunter2" not in f"{caught.value!r}{caught.value.__cause__!r}"


@pytest.mark.parametrize("environ", [{}, {"HOOK": ""}], ids=["unset", "empty"])
def test_a_missing_variable_is_told_by_its_name(tmp_path: Path, environ: dict[str, str]) -> None:
    with pytest.raises(SecretUnreadable, match="environment variable HOOK"):
        secrets_of(read(tmp_path, environ), "hub")


def test_every_secret_is_found_by_its_key(tmp_path: Path) -> None:
    keys = [key for key, _ in named_secrets(read(tmp_path, {}))]
    assert keys == [
        "sources.hub.secret",
        "sources.hub-two.secret[0]",
        "sources.hub-two.secret[1]",
        "jenkins.main.token",
    ]


def test_all_unreadable_secrets_are_told_at_once(tmp_path: Path) -> None:
    told = unusable_secrets(read(tmp_path, {"HOOK": OLD}))
    assert [line.split(": ")[0] for line in told] == ["sources.hub-two.secret[1]", "jenkins.main.token"]


def test_nothing_shows_a_secret(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hunter2")
    settings = read(tmp_path, {"HOOK": "hunter2"})
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    assert "HOOK" in repr(settings)


@pytest.mark.parametrize("secret", ["q9", "a" * (SHORTEST - 1), f"  {'a' * 15}  ", "Bearer 123456789", "basic  dTpw"])
def test_a_secret_that_others_show_us_is_refused_when_it_is_short(tmp_path: Path, secret: str) -> None:
    (tmp_path / "s").write_text(secret)
    with pytest.raises(SecretTooShort) as caught:
        AcceptedSecret(file=tmp_path / "s").read()
    assert f"the file {tmp_path / 's'} holds a secret that is too short" in str(caught.value)
    assert secret not in str(caught.value)


@pytest.mark.parametrize("secret", ["a" * SHORTEST, f"Bearer {'a' * SHORTEST}", "It's a Secret to Everybody"])
def test_a_secret_that_others_show_us_is_taken_when_it_is_long_enough(tmp_path: Path, secret: str) -> None:
    (tmp_path / "s").write_text(f"{secret}\n")
    assert AcceptedSecret(file=tmp_path / "s").read() == secret


def test_a_secret_that_others_gave_us_may_be_as_short_as_they_made_it(tmp_path: Path) -> None:
    (tmp_path / "new").write_text(NEW)
    (tmp_path / "token").write_text("x")
    assert unusable_secrets(read(tmp_path, {"HOOK": OLD})) == {}


def test_to_start_with_all_short_secrets_are_told_at_once_and_missing_ones_are_not(tmp_path: Path) -> None:
    (tmp_path / "new").write_text("hunter2")
    with pytest.raises(SecretsTooShort) as caught:
        require_long_secrets(read(tmp_path, {"HOOK": "hunter2"}))
    told = str(caught.value).split("\n")
    assert [line.split(": ")[0] for line in told] == [
        "sources.hub.secret",
        "sources.hub-two.secret[0]",
        "sources.hub-two.secret[1]",
    ]
    assert "hunter2" not in str(caught.value)
    require_long_secrets(read(tmp_path, {"HOOK": OLD}).model_copy(update={"sources": {}}))
