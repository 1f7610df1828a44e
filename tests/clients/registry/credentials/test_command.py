"""A program that prints credentials: what it is given, what it may print, and how it is ended."""

import stat
from pathlib import Path
from typing import Protocol

import pytest

from app.clients.registry.credentials.command import Command
from app.clients.registry.errors import RegistryRefused, RegistryUnavailable
from tests.parts import require_shell

HOST = "registry.acme.example"


class Made(Protocol):
    """Makes a command of a script."""

    def __call__(self, script: str, *, timeout_s: float = 20) -> Command: ...


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Makes a command of a script."""

    def make(script: str, *, timeout_s: float = 20) -> Command:
        file = tmp_path / "credentials"
        file.write_text(f"#!{require_shell('sh')}\n{script}\n")
        file.chmod(stat.S_IRWXU)
        return Command(HOST, [str(file), "get"], timeout_s=timeout_s)

    return make


@pytest.mark.parametrize(
    "printed",
    [
        pytest.param('{"user": "ci", "password": "s3cret"}', id="ours"),
        pytest.param('{"username": "ci", "password": "s3cret", "more": [1]}', id="username"),
        pytest.param('{"ServerURL": "x", "Username": "ci", "Secret": "s3cret"}', id="a helper of Docker"),
    ],
)
def test_user_and_password_are_read(made: Made, printed: str) -> None:
    issued = made(f"echo '{printed}'").issue()
    assert (issued.user, issued.secret, issued.lasts_s) == ("ci", "s3cret", 300)


def test_until_when_it_is_good_may_be_said(made: Made) -> None:
    issued = made('echo \'{"user": "ci", "password": "x", "expires_at": "2999-01-01T00:00:00Z"}\'').issue()
    assert issued.lasts_s > 10**9
    with pytest.raises(RegistryUnavailable, match="prints what has expired"):
        made('echo \'{"user": "ci", "password": "x", "expires_at": "2020-01-01T00:00:00Z"}\'').issue()


@pytest.mark.parametrize(
    ("host", "told"), [(HOST, HOST), ("docker.io", "https://index.docker.io/v1/")], ids=["any", "docker-hub"]
)
def test_it_is_told_the_host_and_the_arguments(tmp_path: Path, host: str, told: str) -> None:
    script = tmp_path / "credentials"
    script.write_text(
        f'#!{require_shell("sh")}\nread host; echo "{{\\"user\\": \\"$host\\", \\"password\\": \\"$1\\"}}"\n'
    )
    script.chmod(stat.S_IRWXU)
    issued = Command(host, [str(script), "$(id) ; x"]).issue()
    assert (issued.user, issued.secret) == (told, "$(id) ; x")


def test_it_does_not_get_the_secrets_of_others(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JENKINS_TOKEN", "of-jenkins")
    monkeypatch.setenv("AWS_PROFILE", "fleet")
    issued = made('echo "{\\"user\\": \\"$AWS_PROFILE\\", \\"password\\": \\"x$JENKINS_TOKEN\\"}"').issue()
    assert (issued.user, issued.secret) == ("fleet", "x")


@pytest.mark.parametrize(
    ("script", "told"),
    [
        pytest.param("echo s3cret", "must print a JSON object with user and password", id="garbage"),
        pytest.param("", "must print a JSON object", id="nothing"),
        pytest.param('echo \'{"user": "ci", "password": ["s3cret"]}\'', "must print a JSON object", id="other types"),
        pytest.param('echo \'{"Username": "<token>", "Secret": "s3cret"}\'', "identity token", id="identity token"),
        pytest.param("head -c 10000000 /dev/zero", "prints more than 65536 bytes", id="10 MB"),
        pytest.param("while :; do echo s3cret; done", "prints more than 65536 bytes", id="without end"),
    ],
)
def test_what_is_no_credential_is_for_the_operator(made: Made, script: str, told: str) -> None:
    with pytest.raises(RegistryRefused, match=told) as refused:
        made(script).issue()
    assert "s3cret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_how_it_failed_is_told_in_its_own_words(made: Made) -> None:
    with pytest.raises(RegistryUnavailable, match="ended with code 1: no such key ") as failed:
        made('echo s3cret; printf "no such\\n key \\033[31mand more" >&2; exit 1').issue()
    assert "s3cret" not in str(failed.value)
    assert "\x1b" not in str(failed.value)


def test_what_it_says_without_end_is_cut(made: Made) -> None:
    with pytest.raises(RegistryUnavailable, match="ended with code 3: xxx") as failed:
        made("head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 3").issue()
    assert len(str(failed.value)) < 600


def test_a_program_that_hangs_is_ended_with_all_that_it_started(made: Made, tmp_path: Path) -> None:
    with pytest.raises(RegistryUnavailable, match=r"did not end within 0\.5 s"):
        made(f"sleep 1000 & echo $! > {tmp_path}/pid; wait", timeout_s=0.5).issue()
    child = int((tmp_path / "pid").read_text())
    status = Path(f"/proc/{child}/status")
    assert not status.exists() or "State:\tZ" in status.read_text() or not _is_sleeping(child)


def _is_sleeping(child: int) -> bool:
    try:
        return b"sleep" in Path(f"/proc/{child}/cmdline").read_bytes()
    except OSError:
        return False


def test_a_program_that_closes_its_output_and_stays_is_ended(made: Made) -> None:
    with pytest.raises(RegistryUnavailable, match="did not end within"):
        made('echo \'{"user": "ci", "password": "x"}\'; exec >&- 2>&-; sleep 1000', timeout_s=0.5).issue()


@pytest.mark.parametrize("is_there", [False, True], ids=["not there", "not executable"])
def test_a_program_that_cannot_be_run_is_told(tmp_path: Path, *, is_there: bool) -> None:
    file = tmp_path / "helper"
    if is_there:
        file.write_text("")
    with pytest.raises(RegistryRefused, match=r"cannot be run .*; name a program by its whole path"):
        Command(HOST, [str(file)]).issue()
