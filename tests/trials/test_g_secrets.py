"""Secrets are long, kept from other accounts, and told to nobody who has not proven to be our own server."""

import os
import re
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from app.core.server_proof import proof_of
from app.demo.registry import DemoRegistry
from app.settings.loading import load
from app.settings.models import Settings
from app.settings.own_files import address_file, token_file
from tests.cli.console import PROGRAM, ROOT, Console, read_until, start
from tests.cli.folders import WEB
from tests.end_to_end.bridge import APP, ENVIRONMENT, fleet, manifest, registry_event, settings_text
from tests.servers.bare_repository import BareRepository
from tests.servers.impostor import Answer, Impostor, http_answer, impostor, nonce_in, relayed_to

SHORT = "q9"
SETTINGS = """\
listen: {port: 0}
api: {tokens: {ops: {scope: read, secret: {env: API_TOKEN}}}}
sources: {hook: {kind: github, secret: [{file: hook}, {file: new-hook}]}}
config_repos: {fleet: {url: ./fleet.git, branch: main, forge: {kind: local}}}
"""
OPENSSL = "`openssl rand -hex 32`"


@pytest.fixture
def settings_file(tmp_path: Path, console: Console) -> Path:
    """Settings that name an API token in the environment and two secrets in files, all good."""
    return write_settings(tmp_path, console)


def write_settings(folder: Path, console: Console) -> Path:
    """The same in this folder."""
    BareRepository.create(folder / "fleet.git").commit("main", {"README.md": "Here.\n"})
    for name in ("hook", "new-hook"):
        (folder / name).write_text(f"{name}-{'s' * 16}")
        (folder / name).chmod(0o600)
    path = folder / "fluxbridge.yaml"
    path.write_text(SETTINGS)
    console.use(path, {"API_TOKEN": "t" * 16})
    return path


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every account of this machine may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def serving_process(settings_file: Path) -> Iterator["subprocess.Popen[str]"]:
    """A server process that listens; it is killed at the end."""
    process = start("serve", settings_file=settings_file, folder=settings_file.parent)
    try:
        read_until(process.stderr, "listening")
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("place", "told"),
    [
        pytest.param("API_TOKEN", "api.tokens.ops.secret: the environment variable API_TOKEN", id="api token"),
        pytest.param("hook", "sources.hook.secret[0]: the file ", id="source"),
        pytest.param("new-hook", "sources.hook.secret[1]: the file ", id="the second of a source"),
    ],
)
def test_a_short_secret_is_refused_at_start_and_by_check(
    settings_file: Path, console: Console, place: str, told: str
) -> None:
    if place == "API_TOKEN":
        console.use(settings_file, {"API_TOKEN": SHORT})
    else:
        (settings_file.parent / place).write_text(SHORT)
    refused = console.refused(6, "serve")
    assert not (settings_file.parent / "data").exists()
    checked = console.run("check")
    assert checked.code == 1
    [wrong] = [line for line in checked.out.splitlines() if line.startswith("WRONG")]
    for said in (refused, wrong):
        assert told in said
        assert OPENSSL in said
        assert SHORT not in said.replace(str(settings_file.parent), "")


def test_a_token_that_becomes_short_lets_nobody_in(settings_file: Path) -> None:
    with serving_process(settings_file) as process:
        url = address_file(load(settings_file, os.environ)).read_text().strip()
        (settings_file.parent / "hook").write_text(SHORT)
        answer = httpx.post(f"{url}/webhooks/hook", content=b"{}", trust_env=False)
        assert answer.status_code == 503
        read_until(process.stderr, "holds a secret that is too short")


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        pytest.param(0o644, "every account of this machine may read the file", id="all"),
        pytest.param(0o640, "its group may read the file", id="group"),
        pytest.param(0o600, None, id="nobody"),
    ],
)
def test_check_warns_of_a_secret_that_others_may_read(
    shared: Path, console: Console, mode: int, told: str | None
) -> None:
    settings_file = write_settings(shared, console)
    (shared / "hook").chmod(mode)
    checked = console.run("check")
    assert checked.code == 0, checked
    warned = [line for line in checked.out.splitlines() if "may read" in line]
    if told is None:
        assert warned == []
    else:
        [line] = warned
        assert f"sources.hook.secret[0]: {told} {settings_file.parent / 'hook'}: chmod 600 it" in line


def test_check_says_that_the_data_folder_is_anyone_s(settings_file: Path, console: Console) -> None:
    data = settings_file.parent / "data"
    data.mkdir()
    data.chmod(0o1777)
    checked = console.run("check")
    assert checked.code == 0
    assert f"other accounts may read the data folder {data}: make this account its owner" in checked.out


def test_all_that_is_made_in_the_data_folder_is_ours_and_what_is_others_stays_theirs(
    tmp_path: Path, console: Console
) -> None:
    """The data folder was there for all to read, and people share the config repository."""
    data, config = tmp_path / "data", BareRepository.create(tmp_path / "fleet.git")
    config.commit("main", fleet())
    data.mkdir(mode=0o755)
    data.chmod(0o755)
    before = open_to_all(config.path)
    console.use(tmp_path / "fluxbridge.yaml", ENVIRONMENT)
    with DemoRegistry() as registry:
        registry.put(APP, "1.0.0", manifest("1.0.0"))
        digest = registry.put(APP, "1.1.0", manifest("1.1.0"))
        settings = settings_text(tmp_path, str(config.path), registry.host, "sqlite")
        (tmp_path / "fluxbridge.yaml").write_text(settings)
        with serving_process(tmp_path / "fluxbridge.yaml") as process:
            url = address_file(load(tmp_path / "fluxbridge.yaml", ENVIRONMENT)).read_text().strip()
            body, headers = registry_event(APP, "1.1.0", digest, host=registry.host)
            assert httpx.post(f"{url}/webhooks/registry", content=body, headers=headers, trust_env=False).is_success
            while not config.git("for-each-ref", "refs/fluxbridge/pulls"):
                read_until(process.stderr, "lane reconciled")
            made = [data, *data.rglob("*")]
            ours = {path.relative_to(data).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in made}
    assert {name: oct(mode) for name, mode in ours.items() if mode & 0o077} == {}
    assert {"token", "address", "fluxbridge.sqlite3", "fluxbridge.sqlite3-wal", "mirrors/fleet.git"} <= ours.keys()
    run_program(tmp_path, "pulls", "merge", "1")
    after = open_to_all(config.path)
    assert len(after) > len(before)
    assert all(after.values()), [name for name, is_open in after.items() if not is_open]


def open_to_all(repository: Path) -> dict[str, bool]:
    """The files and folders of a repository, and whether everybody may read them."""
    return {str(path): bool(path.stat().st_mode & 0o004) for path in repository.rglob("*")}


@pytest.mark.parametrize("mode", [0o644, 0o664, 0o755])
def test_a_person_s_file_keeps_its_mode_when_it_is_edited(tmp_path: Path, mode: int) -> None:
    file, selections = tmp_path / "config" / "web.yaml", tmp_path / "selections.yaml"
    file.parent.mkdir()
    file.write_text(f"image: web:1 {WEB}\n")
    file.chmod(mode)
    selections.write_text('"flux-system:web": "web:2"\n')
    run_program(tmp_path, "edit", "config", "--selections", "selections.yaml")
    assert file.read_text().startswith("image: web:2 ")
    assert stat.S_IMODE(file.stat().st_mode) == mode


NOTHING_BUT_A_QUESTION = re.compile(
    rb"GET /proof\?nonce=[0-9a-f]{64} HTTP/1.1\r\nHost: 127.0.0.1:\d+\r\nAccept-Encoding: identity\r\n\r\n"
)
TOKEN = "the-token-of-a-server-that-was-killed"
WORDS = b'{"status": "ok", "items": [{"name": "you are fooled"}]}'


@pytest.fixture
def left(settings_file: Path) -> Settings:
    """What a killed server leaves in the data folder."""
    settings = load(settings_file, os.environ)
    settings.data_dir.mkdir(mode=0o700)
    token_file(settings).write_text(TOKEN)
    return settings


@contextmanager
def impostor_at_address(settings: Settings, answer: Answer) -> Iterator[Impostor]:
    """Somebody listens where the address file leads to."""
    with impostor(answer) as there:
        address_file(settings).write_text(f"{there.url}\n")
        yield there


def heard_a_question_only(there: Impostor) -> None:
    """Nobody heard the token, nor anything but the question for a proof of it."""
    assert there.heard
    for heard in there.heard:
        assert NOTHING_BUT_A_QUESTION.fullmatch(heard), heard


def test_whoever_listens_where_a_killed_server_did_is_told_nothing(settings_file: Path, console: Console) -> None:
    with serving_process(settings_file):
        settings = load(settings_file, os.environ)
        assert console.run("status").code == 0
    # At another port: that of the killed server may be somebody else's by now, where tests run side by side.
    with impostor_at_address(settings, lambda _: http_answer(WORDS)) as there:
        said = console.refused(5, "status")
    assert f"what answers at {there.url} does not prove to be the server of this data folder" in said
    assert f"remove {settings.data_dir / 'address'}" in said
    heard_a_question_only(there)
    address_file(settings).unlink()
    assert console.run("status").code == 0


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda _: http_answer(WORDS), id="all is well"),
        pytest.param(lambda asked: http_answer(nonce_in(asked).encode()), id="the nonce itself"),
        pytest.param(lambda _: b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", id="another version"),
        pytest.param(lambda _: b"SSH-2.0-you-are-fooled\r\n", id="another program"),
        pytest.param(lambda _: b"HTTP/1.1 200 OK\r\n" + b"X: fooled\r\n" * 200, id="headers without end"),
    ],
)
@pytest.mark.parametrize(
    "command", [("status",), ("sweep",), ("replay", "0b"), ("explain", "flux-system/app")], ids=" ".join
)
def test_no_command_believes_what_is_not_proven(
    left: Settings, console: Console, command: tuple[str, ...], answer: Answer
) -> None:
    with impostor_at_address(left, answer) as there:
        said = console.refused(5, *command)
    assert "fooled" not in said
    heard_a_question_only(there)


@pytest.mark.parametrize("token", [None, ""], ids=["no token", "an empty token"])
def test_without_a_token_nobody_can_prove_anything(left: Settings, console: Console, token: str | None) -> None:
    token_file(left).unlink()
    if token is not None:
        token_file(left).write_text(token)
    with impostor_at_address(left, lambda asked: http_answer(proof("", asked))):
        console.refused(5, "status")


def test_the_token_goes_over_the_proven_connection_or_none(left: Settings, console: Console) -> None:
    """The server ends the connection after its proof; who comes after it at its port has proven nothing."""
    with impostor_at_address(left, lambda asked: http_answer(proof(TOKEN, asked), "Connection: close")) as there:
        assert "the server does not answer" in console.refused(7, "status")
    heard_a_question_only(there)


def test_where_whoever_listens_hangs_up_the_command_answers_for_itself(left: Settings, console: Console) -> None:
    with impostor_at_address(left, lambda _: b"") as there:
        assert console.run("promotions", "--json").json == []
    heard_a_question_only(there)


def test_check_says_who_does_not_prove_itself(settings_file: Path, console: Console) -> None:
    """The database is held by the real server, while the address leads elsewhere."""
    with serving_process(settings_file):
        with impostor_at_address(load(settings_file, os.environ), lambda _: http_answer(WORDS)) as there:
            checked = console.run("check")
            assert "does not prove" in console.refused(5, "check", "--database")
        assert checked.code == 1
        [wrong] = [line for line in checked.out.splitlines() if line.startswith("WRONG")]
        assert wrong.startswith("WRONG database (")
        assert f"): what answers at {there.url} does not prove" in wrong
        heard_a_question_only(there)


def test_a_server_that_listens_everywhere_proves_itself_where_it_is_reached(
    settings_file: Path, console: Console
) -> None:
    settings_file.write_text(SETTINGS.replace("{port: 0}", "{host: 0.0.0.0, port: 0}"))
    with serving_process(settings_file):
        assert console.run("status").code == 0


def test_a_proof_that_is_fetched_from_the_real_server_proves_nothing(settings_file: Path, console: Console) -> None:
    with serving_process(settings_file):
        settings = load(settings_file, os.environ)
        real = address_file(settings).read_text().strip()
        assert console.run("status").code == 0
        with impostor_at_address(settings, relayed_to(real)) as there:
            assert "does not prove to be the server" in console.refused(5, "status")
        heard_a_question_only(there)


def proof(token: str, request: bytes) -> bytes:
    """The proof that a request asks for, under this token and for the address that it names."""
    port = int(request.partition(b"Host: 127.0.0.1:")[2].split()[0])
    return proof_of(token, nonce_in(request), host="127.0.0.1", port=port).encode()


def run_program(folder: Path, *arguments: str) -> str:
    """Run the program to its good end, as people do; what it printed."""
    environment = {**os.environ, "FLUXBRIDGE_CONFIG": str(folder / "fluxbridge.yaml"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*PROGRAM, *arguments], cwd=folder, env=environment, umask=0o022, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
