"""Which programs git may start for us: none that our mirror or somebody's settings name, and a local remote's hooks."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.clients.forges.local.forge import LocalForge
from app.clients.git.command import GitCommand, GitFailed
from app.clients.git.remote import Remote
from app.core.errors import FluxbridgeError
from app.core.ports import BranchUpdate, PullRequestDraft, PushOutcome
from tests.clients.git.git_worlds import OURS, GitWorld, open_mirror
from tests.servers.bare_repository import BareRepository

HOOKS = ("pre-receive", "update", "post-receive", "post-update", "reference-transaction", "pre-push", "pre-auto-gc")


def plant_hooks(hooks: Path, proof: Path) -> None:
    """Put a program at the place of every hook that notes that it ran, and with which environment."""
    hooks.mkdir(exist_ok=True)
    for name in HOOKS:
        (hooks / name).write_text(f'#!/bin/sh\necho {name} >> "{proof}"\nenv >> "{proof}.env"\n')
        (hooks / name).chmod(0o755)


def set_programs(repository: BareRepository, proof: Path) -> None:
    """Name programs in a repository's settings, at every place where git would start one."""
    program = f"touch {proof}; false"
    for key in ("core.fsmonitor", "core.sshCommand", "core.pager", "core.gitProxy", "uploadpack.packObjectsHook"):
        repository.git("config", key, program)


def test_hooks_in_our_mirror_never_run(git_world: GitWorld, tmp_path: Path) -> None:
    mirror, proof = open_mirror(git_world.remote, tmp_path / "mirror.git"), tmp_path / "ran"
    plant_hooks(tmp_path / "mirror.git" / "hooks", proof)
    head = mirror.fetch()["main"]
    assert mirror.push([BranchUpdate(OURS, head, None)])[OURS].outcome is PushOutcome.DONE
    mirror.collect_garbage()
    assert not proof.exists()


def test_a_push_into_a_folder_runs_the_hooks_of_that_folder_and_tells_them_no_secret(
    path_world: GitWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JENKINS_SECRET", "opensesame")
    proof = tmp_path / "ran"
    mirror = open_mirror(path_world.remote, tmp_path / "mirror.git")
    head = mirror.fetch()["main"]
    plant_hooks(path_world.repository.path / "hooks", proof)
    mirror.push([BranchUpdate(OURS, head, None)])
    assert {"pre-receive", "update", "post-receive", "post-update"} <= set(proof.read_text().split())
    assert "opensesame" not in Path(f"{proof}.env").read_text()


def test_what_a_commit_holds_is_never_a_hook(path_world: GitWorld, tmp_path: Path) -> None:
    proof = tmp_path / "ran"
    places = [f"{folder}{name}" for folder in ("hooks/", "x.git/hooks/") for name in HOOKS]
    files = dict.fromkeys(places, f"#!/bin/sh\ntouch {proof}\n")
    settings = f"[core]\n\thooksPath = hooks\n\tfsmonitor = touch {proof}\n[uploadpack]\n\tpackObjectsHook = {proof}\n"
    files |= {"config": settings, ".gitconfig": settings, "HEAD": "ref: refs/heads/main\n"}
    path_world.repository.commit("main", files, mode="100755")
    mirror = open_mirror(path_world.remote, tmp_path / "mirror.git")
    head = mirror.fetch()["main"]
    assert mirror.push([BranchUpdate(OURS, head, None)])[OURS].outcome is PushOutcome.DONE
    assert mirror.tree(head)
    assert not proof.exists()


def test_the_local_forge_runs_no_hook_for_its_own_refs(path_world: GitWorld, tmp_path: Path) -> None:
    bare, proof = path_world.repository, tmp_path / "ran"
    bare.commit("fluxbridge/x", {"app.yaml": "tag: 2.0.0\n"})
    forge = LocalForge(bare.path, clock=lambda: datetime(2026, 5, 4, 12, 30, tzinfo=UTC))
    plant_hooks(bare.path / "hooks", proof)
    opened = forge.open_pull_request(PullRequestDraft(head="fluxbridge/x", base="main", title="x", body=""))
    forge.merge(opened.number, by="ada")
    assert not proof.exists()


def test_settings_of_a_folder_name_no_program_for_a_fetch(path_world: GitWorld, tmp_path: Path) -> None:
    set_programs(path_world.repository, tmp_path / "ran")
    assert open_mirror(path_world.remote, tmp_path / "mirror.git").fetch()
    assert not (tmp_path / "ran").exists()


def test_settings_of_the_account_reach_neither_side(
    path_world: GitWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, proof = tmp_path / "home", tmp_path / "ran"
    home.mkdir()
    plant_hooks(home / "hooks", proof)
    (home / "included").write_text(f"[core]\n\thooksPath = {home}/hooks\n[uploadpack]\n\tpackObjectsHook = false\n")
    (home / ".gitconfig").write_text(f'[include]\n\tpath = {home}/included\n[url "ext::false "]\n\tinsteadOf = /\n')
    for name, value in (
        ("HOME", home),
        ("XDG_CONFIG_HOME", home),
        ("GIT_CONFIG_GLOBAL", home / ".gitconfig"),
        ("GIT_CONFIG_SYSTEM", home / ".gitconfig"),
        ("GIT_CONFIG_PARAMETERS", f"'core.hooksPath={home}/hooks'"),
        ("GIT_TEMPLATE_DIR", home),
    ):
        monkeypatch.setenv(name, str(value))
    mirror = open_mirror(path_world.remote, tmp_path / "mirror.git")
    head = mirror.fetch()["main"]
    assert mirror.push([BranchUpdate(OURS, head, None)])[OURS].outcome is PushOutcome.DONE
    assert not proof.exists()


@pytest.mark.parametrize("url", ["ssh://git.acme.example/fleet.git", "OTHER"], ids=["over ssh", "from a folder"])
def test_a_folder_that_lacks_objects_fetches_none_for_us(path_world: GitWorld, tmp_path: Path, url: str) -> None:
    bare, proof = path_world.repository, tmp_path / "ran"
    blob = bare.git("rev-parse", "main:app.yaml").decode().strip()
    (bare.path / "objects" / blob[:2] / blob[2:]).unlink()
    for key, value in (
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", url.replace("OTHER", str(tmp_path / "other.git"))),
        ("remote.origin.uploadpack", f"touch {proof}; false"),
        ("core.sshCommand", f"touch {proof}; false"),
    ):
        bare.git("config", key, value)
    with pytest.raises(FluxbridgeError):
        open_mirror(path_world.remote, tmp_path / "mirror.git").fetch()
    assert not proof.exists()


def test_a_command_of_our_own_repository_reaches_no_other(path_world: GitWorld, tmp_path: Path) -> None:
    mirror = open_mirror(path_world.remote, tmp_path / "mirror.git")
    mirror.fetch()
    with pytest.raises(GitFailed, match="transport 'file' not allowed"):
        GitCommand(tmp_path / "mirror.git", timeout_s=10).run("ls-remote", str(path_world.repository.path))


@pytest.mark.parametrize(
    ("url", "other"),
    [
        ("https://git.acme.example/fleet.git", "http"),
        ("http://git.acme.example/fleet.git", "ssh"),
        ("ssh://git.acme.example/fleet.git", "https"),
        ("git@git.acme.example:fleet.git", "file"),
        ("file:///srv/fleet.git", "ssh"),
        ("/srv/fleet.git", "ssh"),
    ],
)
def test_only_the_protocol_of_the_url_is_spoken(tmp_path: Path, url: str, other: str) -> None:
    git = GitCommand(tmp_path / "mirror.git", timeout_s=10)
    git.run("init", "--quiet", "--bare")
    elsewhere = str(tmp_path) if other == "file" else f"{other}://127.0.0.1:1/fleet.git"
    with pytest.raises(FluxbridgeError, match=f"transport '{other}' not allowed"):
        Remote(url=url).ask(git, "ls-remote", elsewhere)
