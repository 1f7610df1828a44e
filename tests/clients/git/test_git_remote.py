"""How the remote is reached: credentials that nobody sees, refusals and silence told apart."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from app.clients.git.command import DiskUnwritable, GitCommand, GitFailed, check_git
from app.clients.git.remote import Remote, SshKey
from app.core.errors import Refused, Unavailable
from app.core.ports import BranchUpdate, PushOutcome
from tests.clients.git.git_worlds import OURS, TOKEN, USER, http_remote, open_mirror
from tests.servers.bare_repository import BareRepository
from tests.servers.git_http import GitServer

CREDENTIALS = (USER, TOKEN)


@pytest.fixture
def silent_url() -> Iterator[str]:
    """A server that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/fleet.git"


@pytest.fixture
def closed_url() -> str:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"http://127.0.0.1:{listening.getsockname()[1]}/fleet.git"


def command_lines() -> list[str]:
    """The arguments of every process on this machine."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(each.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found


def test_no_password_in_urls_arguments_or_errors(git_host: GitServer, tmp_path: Path) -> None:
    seen: list[str] = []
    git_host.on_request = lambda: seen.extend(command_lines())
    repository = git_host.create("fleet")
    repository.commit("main", {"app.yaml": "tag: 1\n"})
    mirror = open_mirror(http_remote(git_host, "fleet", lambda: CREDENTIALS), tmp_path / "mirror.git")
    head = mirror.fetch()["main"]
    assert mirror.push([BranchUpdate(OURS, head, None)])[OURS].outcome is PushOutcome.DONE
    assert any("git-receive-pack" in each or "git push" in each for each in seen)
    assert not [each for each in seen if TOKEN in each]
    assert {each.user for each in git_host.requests} == {None, USER}
    assert not [each for each in git_host.requests if TOKEN in each.path + each.query]
    assert not [
        each for each in (tmp_path / "mirror.git").rglob("*") if each.is_file() and TOKEN.encode() in each.read_bytes()
    ]


def test_a_password_that_the_server_repeats_is_taken_out(git_host: GitServer, tmp_path: Path) -> None:
    repository = git_host.create("fleet")
    head = repository.commit("main", {"app.yaml": "tag: 1\n"})
    hook = repository.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\necho 'you said {TOKEN}' >&2\nexit 1\n")
    hook.chmod(0o755)
    mirror = open_mirror(http_remote(git_host, "fleet", lambda: CREDENTIALS), tmp_path / "mirror.git")
    mirror.fetch()
    result = mirror.push([BranchUpdate(OURS, head, None)])[OURS]
    assert "you said ***" in result.reason


@pytest.mark.parametrize("given", [None, (USER, "wrong-password")], ids=["none", "wrong"])
def test_credentials_that_are_not_accepted_need_an_operator(
    git_host: GitServer, tmp_path: Path, given: tuple[str, str] | None
) -> None:
    git_host.create("fleet")
    mirror = open_mirror(http_remote(git_host, "fleet", lambda: given), tmp_path / "mirror.git")
    with pytest.raises(Refused, match="check the URL, the credentials") as refusal:
        mirror.fetch()
    assert "wrong-password" not in f"{refusal.value} {refusal.value.__cause__}"


def test_credentials_are_asked_for_at_each_use(git_host: GitServer, tmp_path: Path) -> None:
    git_host.create("fleet").commit("main", {"app.yaml": "tag: 1\n"})
    tokens = iter([(USER, "expired"), CREDENTIALS, CREDENTIALS])
    mirror = open_mirror(http_remote(git_host, "fleet", lambda: next(tokens)), tmp_path / "mirror.git")
    with pytest.raises(Refused):
        mirror.fetch()
    assert mirror.fetch()


def test_a_repository_that_is_not_there_needs_an_operator(git_host: GitServer, tmp_path: Path) -> None:
    for remote in (http_remote(git_host, "absent", lambda: CREDENTIALS), Remote(url=str(tmp_path / "absent.git"))):
        with pytest.raises(Refused):
            open_mirror(remote, tmp_path / "mirror.git").fetch()


def assert_ends(is_meant: Callable[[str], bool]) -> None:
    """Killed is not yet gone: the kernel takes a moment to end a process."""
    until = time.monotonic() + 10
    while (left := [line for line in command_lines() if is_meant(line)]) and time.monotonic() < until:
        os.sched_yield()
    assert not left


def test_a_server_that_says_nothing_is_given_up_in_time(silent_url: str, tmp_path: Path) -> None:
    mirror = open_mirror(Remote(url=silent_url), tmp_path / "mirror.git", timeout_s=0.5)
    begun = time.monotonic()
    with pytest.raises(Unavailable, match=r"did not end within 0\.5 s"):
        mirror.remote_branches()
    assert time.monotonic() - begun < 5
    assert_ends(lambda line: silent_url in line and "git" in line.split(" ", maxsplit=1)[0])


def test_a_server_that_is_down_may_come_back(closed_url: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="tried again later"):
        open_mirror(Remote(url=closed_url), tmp_path / "mirror.git").fetch()


@pytest.mark.parametrize(
    "url",
    [
        "https://user:secret@git.acme.example/fleet.git",
        "https://secret@git.acme.example/fleet.git",
        "ext::sh -c touch% /tmp/x",
        "ftp://git.acme.example/fleet.git",
        "fd::17",
        "-oProxyCommand=x:y",
        "ssh://-oProxyCommand=secret/fleet.git",
        "",
    ],
)
def test_a_url_that_could_do_harm_is_refused(url: str) -> None:
    with pytest.raises(Refused, match="the config repository's URL") as refusal:
        Remote(url=url)
    assert "user:secret" not in str(refusal.value)


@pytest.mark.parametrize("url", ["ssh://git@git.acme.example:22/fleet.git", "git@git.acme.example:acme/fleet.git"])
def test_ssh_urls_stay_as_they_are(url: str) -> None:
    assert Remote(url=url).url == url


def test_ssh_uses_only_the_given_key_and_the_pinned_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > "{tmp_path}/asked"\ncat "$4" > "{tmp_path}/shown"\n'
        'echo "Host key verification failed." >&2\nexit 255\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    hosts = tmp_path / "the hosts"
    hosts.touch()
    remote = Remote(url="ssh://git@git.acme.example/fleet.git", ssh=SshKey(lambda: "a key", hosts))
    with pytest.raises(Refused, match="Host key verification failed"):
        open_mirror(remote, tmp_path / "mirror.git").fetch()
    asked = (tmp_path / "asked").read_text().splitlines()
    assert {"StrictHostKeyChecking=yes", "BatchMode=yes", f'UserKnownHostsFile="{hosts}"'} <= set(asked)
    key = Path(asked[asked.index("-i") + 1])
    assert (tmp_path / "shown").read_text() == "a key\n"
    assert not key.exists()


def test_the_callers_environment_and_settings_play_no_part(
    git_host: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git_host.create("fleet").commit("main", {"app.yaml": "tag: 1\n"})
    settings = tmp_path / "gitconfig"
    settings.write_text('[url "ext::false "]\n  insteadOf = http://\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert open_mirror(http_remote(git_host, "fleet", lambda: CREDENTIALS), tmp_path / "mirror.git").fetch()
    assert not (tmp_path / "trace").exists()


def test_a_command_that_takes_too_long_dies_with_its_children(tmp_path: Path) -> None:
    git = GitCommand(tmp_path, timeout_s=0.5)
    marker = f"86399.{os.getpid()}"
    with pytest.raises(Unavailable, match="was stopped"):
        git.run("-c", f"alias.hang=!sleep {marker} & sleep {marker}", "hang")
    assert_ends(lambda line: marker in line)


def test_the_installed_git_is_new_enough() -> None:
    shown = subprocess.run(["git", "version"], capture_output=True, text=True, check=True).stdout
    assert ".".join(map(str, check_git())) in shown


def test_a_git_that_is_too_old_or_missing_needs_an_operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match="found none"):
        check_git()
    program = tmp_path / "git"
    program.write_text("#!/bin/sh\necho git version 2.30.2\n")
    program.chmod(0o755)
    with pytest.raises(Refused, match=r"2\.38 or newer is needed, found git version 2\.30\.2"):
        check_git()


class Elsewhere(BaseHTTPRequestHandler):
    """Sends everybody on to another host."""

    def do_GET(self) -> None:
        self.send_response(301)
        self.send_header("Location", f"http://localhost:{self.connection.getsockname()[1]}/elsewhere{self.path}")
        self.end_headers()
        self.asked.append(self.path)

    asked: ClassVar[list[str]] = []

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_redirect_is_not_followed_and_told(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            mirror = open_mirror(Remote(url=f"http://127.0.0.1:{server.server_port}/fleet.git"), tmp_path / "m.git")
            with pytest.raises(Refused, match="it redirects elsewhere, which is not followed"):
                mirror.fetch()
        finally:
            server.shutdown()
            serving.join()
    assert not [path for path in Elsewhere.asked if path.startswith("/elsewhere")]


def test_a_hook_that_refuses_is_told_with_its_words(tmp_path: Path) -> None:
    bare = BareRepository.create(tmp_path / "fleet.git")
    bare.commit("main", {"app.yaml": "tag: 1\n"})
    mirror = open_mirror(Remote(url=str(bare.path)), tmp_path / "mirror.git")
    head = mirror.fetch()["main"]
    hook = bare.path / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'frozen until Monday' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(Refused) as refused:
        mirror.push([BranchUpdate(OURS, head, None)])
    assert "frozen until Monday" in str(refused.value)
    assert "a hook of that repository decides so" in str(refused.value)
    assert "credentials" not in str(refused.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder away: run it as root, or in a container")
def test_a_repository_of_another_account_comes_with_advice_that_works_here(tmp_path: Path) -> None:
    bare = BareRepository.create(tmp_path / "fleet.git")
    bare.commit("main", {"app.yaml": "tag: 1\n"})
    mirror = open_mirror(Remote(url=str(bare.path)), tmp_path / "mirror.git")
    os.chown(bare.path, 65534, 65534)
    with pytest.raises(Refused, match="belongs to another account") as refused:
        mirror.fetch()
    assert "safe.directory" not in str(refused.value)


@pytest.mark.parametrize(
    ("words", "is_ours"),
    [
        ("fatal: unable to write loose object file: No space left on device", True),
        ("fatal: sha1 file 'objects/pack/tmp_pack_x' write error. Out of diskspace", True),
        ("error: copy-fd: write returned: Disk quota exceeded", True),
        ("remote: fatal: write error: No space left on device", False),
    ],
)
def test_our_own_disk_is_told_by_its_path_and_that_of_the_remote_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, words: str, is_ours: bool
) -> None:
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "{words}" >&2\nexit 128\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    git, remote = GitCommand(tmp_path, timeout_s=10), Remote(url="/srv/fleet.git")
    with pytest.raises(DiskUnwritable if is_ours else GitFailed) as failed:
        git.run("fetch")
    assert (str(tmp_path) in str(failed.value)) == is_ours
    with pytest.raises(DiskUnwritable if is_ours else Unavailable) as failed:
        remote.ask(git, "push")
    assert (f"at {tmp_path} or /srv/fleet.git" in str(failed.value)) == is_ours
