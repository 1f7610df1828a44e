"""Git over SSH, with a deploy key and pinned host keys, against a real sshd."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.compose.config_repos import compose_config_repo
from app.compose.machine import utc_now
from app.core.errors import FluxbridgeError, Refused
from app.core.ports import BranchUpdate, CommitDraft, ConfigRepository, PushOutcome
from app.settings.models import Settings
from tests.servers.bare_repository import BareRepository
from tests.servers.sshd import Sshd, make_key, running_sshd

BRANCH = "fluxbridge/main/staging/web"


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("ssh") / "d") as running:
        yield running


@pytest.fixture
def fleet(tmp_path: Path) -> BareRepository:
    repository = BareRepository.create(tmp_path / "fleet.git")
    repository.commit("main", {"app.yaml": "tag: 1.0.0\n"})
    return repository


def repository_over(sshd: Sshd, fleet: BareRepository, folder: Path, **ssh: object) -> ConfigRepository:
    """The config repository as its settings compose it."""
    its = {"key": {"file": str(sshd.key)}, "known_hosts": str(sshd.known_hosts)} | ssh
    forge = {"kind": "github", "repository": "acme/fleet", "token": {"env": "T"}}
    repo = {"url": sshd.url_of(fleet.path), "branch": "main", "ssh": its, "forge": forge}
    settings = Settings.model_validate({"data_dir": str(folder / "data"), "config_repos": {"fleet": repo}})
    return compose_config_repo("fleet", settings).repository


def test_it_fetches_and_pushes_with_a_deploy_key(sshd: Sshd, fleet: BareRepository, tmp_path: Path) -> None:
    repository = repository_over(sshd, fleet, tmp_path)
    base = repository.fetch()["main"]
    assert base == fleet.head("main")
    draft = CommitDraft(parent=base, files={"app.yaml": b"tag: 1.1.0\n"}, message="web 1.1.0", at=utc_now())
    commit = repository.write_commit(draft)
    assert repository.push([BranchUpdate(BRANCH, commit, None)])[BRANCH].outcome is PushOutcome.DONE
    assert fleet.head(BRANCH) == commit


def test_a_key_that_others_may_read_does_as_it_stands_in_a_secret_of_kubernetes(
    sshd: Sshd, fleet: BareRepository, tmp_path: Path
) -> None:
    shared = tmp_path / "key"
    shared.write_bytes(sshd.key.read_bytes())
    shared.chmod(0o644)
    assert "main" in repository_over(sshd, fleet, tmp_path, key={"file": str(shared)}).fetch()


def test_a_key_may_be_in_the_environment(
    sshd: Sshd, fleet: BareRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPLOY_KEY", sshd.key.read_text())
    assert "main" in repository_over(sshd, fleet, tmp_path, key={"env": "DEPLOY_KEY"}).fetch()


def test_nothing_of_the_key_stays_on_the_disk(
    sshd: Sshd, fleet: BareRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "tmp"
    kept.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(kept))
    repository_over(sshd, fleet, tmp_path).fetch()
    assert list(kept.iterdir()) == []
    line = sshd.key.read_text().splitlines()[1].encode()
    assert not any(line in one.read_bytes() for one in (tmp_path / "data").rglob("*") if one.is_file())


def why_not(repository: ConfigRepository) -> FluxbridgeError:
    with pytest.raises(Refused) as raised:
        repository.fetch()
    assert isinstance(raised.value, FluxbridgeError)
    return raised.value


def test_a_server_with_another_host_key_is_not_believed(sshd: Sshd, fleet: BareRepository, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other").with_suffix(".pub").read_text()
    hosts = tmp_path / "hosts"
    hosts.write_text(f"[127.0.0.1]:{sshd.port} {other}")
    repository = repository_over(sshd, fleet, tmp_path, known_hosts=str(hosts))
    assert "ask its operators for the fingerprint" in str(why_not(repository))


def test_a_server_that_nothing_is_known_of_is_not_believed(sshd: Sshd, fleet: BareRepository, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.touch()
    repository = repository_over(sshd, fleet, tmp_path, known_hosts=str(hosts))
    assert "ask its operators for the fingerprint" in str(why_not(repository))
    hosts.unlink()
    assert "ssh-keyscan" in str(why_not(repository_over(sshd, fleet, tmp_path, known_hosts=str(hosts))))


def test_a_key_that_is_not_let_in_is_told(sshd: Sshd, fleet: BareRepository, tmp_path: Path) -> None:
    strange = make_key(tmp_path / "strange")
    assert "Permission denied" in str(why_not(repository_over(sshd, fleet, tmp_path, key={"file": str(strange)})))


def test_what_is_no_key_is_told_and_not_shown(sshd: Sshd, fleet: BareRepository, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----\n")
    told = str(why_not(repository_over(sshd, fleet, tmp_path, key={"file": str(wrong)})))
    assert "as OpenSSH has it" in told
    assert "c2VjcmV0" not in told
