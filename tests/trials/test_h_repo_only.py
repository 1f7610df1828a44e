"""What a stranger's repository can do to whoever checks it with `fluxbridge check --repo-only`: nothing."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.cli.console import Console
from tests.end_to_end.bridge import fleet
from tests.servers.checkout import check_out, commit_all, run_git, write

ESCAPE = "\x1b]0;owned\x07\x9b2J"
MARKER = '# {"$imagepolicy": "flux-system:NAME"}'


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Console:
    return Console(capsys, monkeypatch)


def snapshot(folder: Path) -> Mapping[str, tuple[int, bytes]]:
    """Every file with its time and content, those of git too."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def hostile() -> Iterator[tuple[str, str]]:
    yield f"apps/staging/{ESCAPE}.yaml", f"image: x:1 {MARKER.replace('NAME', 'gone')}\n"
    yield "apps/staging/new\nline.yaml", f"image: x:1 {MARKER.replace('NAME', 'gone')}\n"
    yield f"apps/{ESCAPE}/dev/a.yaml", f"image: registry.acme.example/team/app:1 {MARKER.replace('NAME', 'app')}\n"
    yield f"apps/{ESCAPE}/prod/a.yaml", f"image: registry.acme.example/team/app:1 {MARKER.replace('NAME', 'app')}\n"
    yield "clusters/staging/odd.yaml", f'apiVersion: image.toolkit.fluxcd.io/v1\nkind: "{"x" * 9}"\nmetadata: [\n'


@pytest.mark.parametrize("options", [(), ("--all",), ("--json",), ("--against", "HEAD")])
def test_a_terminal_obeys_no_name_and_no_text(options: tuple[str, ...], tmp_path: Path, console: Console) -> None:
    folder = check_out(tmp_path / "fleet", fleet())
    write(folder, dict(hostile()))
    (folder / "apps" / "staging" / "link.yaml").symlink_to(f"/etc/{ESCAPE}")
    ended = console.run("check", "--repo-only", str(folder), *options)
    assert ended.code == 1
    assert not any((ord(one) < 0x20 and one != "\n") or 0x7F <= ord(one) < 0xA0 for one in ended.out)
    assert "\nline.yaml" not in ended.out


def test_nothing_is_written_and_no_program_of_the_repository_runs(tmp_path: Path, console: Console) -> None:
    folder = check_out(tmp_path / "fleet", fleet())
    proof = tmp_path / "ran"
    for key in ("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "uploadpack.packObjectsHook"):
        run_git(folder, "config", key, f"touch {proof}; false")
    hook = folder / ".git" / "hooks" / "post-index-change"
    hook.write_text(f"#!/bin/sh\ntouch {proof}\n")
    hook.chmod(0o755)
    before = snapshot(folder)
    assert console.run("check", "--repo-only", str(folder), "--against", "HEAD").code == 0
    assert snapshot(folder) == before
    assert not proof.exists()


def test_a_file_outside_is_not_read_through_a_link(tmp_path: Path, console: Console) -> None:
    folder = check_out(tmp_path / "fleet", fleet())
    (tmp_path / "secret.yaml").write_text(f"password: hunter2 {MARKER.replace('NAME', 'hunter2')}\n")
    (folder / "apps" / "staging" / "secret.yaml").symlink_to("../../../secret.yaml")
    ended = console.run("check", "--repo-only", str(folder), "--all")
    assert ended.code == 1
    assert "apps/staging/secret.yaml: a symbolic link that leaves the tree" in ended.out
    assert "hunter2" not in ended.out


def test_a_large_repository_full_of_mistakes_is_a_page(tmp_path: Path, console: Console) -> None:
    folder = check_out(tmp_path / "fleet", fleet())
    write(
        folder,
        {
            f"apps/staging/{number}/{name}.yaml": text
            for number in range(400)
            for name, text in (
                ("marker", f"image: x:1 {MARKER.replace('NAME', f'policy-{number}')}\n"),
                ("near", "image: x:1 # {'$imagepolicy': 'flux-system:app'}\n"),
            )
        },
    )
    commit_all(folder)
    ended = console.run("check", "--repo-only", str(folder))
    assert ended.code == 1
    assert len(ended.out.splitlines()) < 40, ended.out
    assert console.run("check", "--repo-only", str(folder), "--against", "HEAD").code == 0
