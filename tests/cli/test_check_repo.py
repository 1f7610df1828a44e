"""`fluxbridge check --repo-only` tells what Fluxbridge would do in a folder, by itself."""

import os
from pathlib import Path

import pytest

from tests.cli.console import Console, Ended
from tests.end_to_end.bridge import fleet
from tests.parts import required_kubectl
from tests.servers.checkout import check_out, commit_all, write

ESTATES = Path(__file__).parents[1] / "golden" / "estates"
BROKEN = 'image: x:1 # {"$imagepolicy": "flux-system:gone"}\n'
UNKNOWN = "the field names flux-system/gone, but no ImagePolicy of that name is in the repository"
RULES = "stages: {staging: {paths: [apps/staging]}, production: {paths: [apps/production]}}\n"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A config repository that is checked out, with nothing wrong in it."""
    return check_out(tmp_path / "fleet", fleet())


def check(console: Console, folder: Path, *options: str) -> Ended:
    return console.run("check", "--repo-only", str(folder), *options)


def test_without_any_settings_it_tells_clusters_policies_fields_and_stages(
    repo: Path, console: Console, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("FLUXBRIDGE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    (repo / ".fluxbridge.yaml").unlink()
    ended = check(console, repo)
    assert ended.code == 0, ended
    for line in (
        "Clusters: 2",
        "  clusters/staging     3 Kustomizations",
        "Policies: 1; can be used: all",
        "Fields: 2 in 2 files; of policies that can be used: all",
        "    staging: {paths: [apps/staging]}",
        "Left out: nothing.",
    ):
        assert line in ended.out.splitlines(), ended.out


def test_declared_stages_are_told_instead_of_proposed_ones(repo: Path, console: Console) -> None:
    write(repo, {".fluxbridge.yaml": RULES})
    lines = check(console, repo).out.splitlines()
    assert "  staging: 1 field in apps/staging" in lines
    assert not any("could be" in line for line in lines)


def test_as_json_it_is_one_object(console: Console) -> None:
    ended = check(console, ESTATES / "two-clusters-with-patch", "--json")
    assert ended.code == 0
    assert ended.json["roots"] == ["clusters/prod", "clusters/staging"]
    assert ended.json["policies"][0] == {
        "name": "flux-system/app",
        "root": "clusters/prod",
        "file": "clusters/prod/policy.yaml",
        "image": ended.json["policies"][0]["image"],
        "usable": True,
        "reason": None,
    }
    assert {(one["file"], one["policy"], one["root"]) for one in ended.json["fields"]} == {
        ("clusters/prod/app.yaml", "flux-system/app", "clusters/prod"),
        ("clusters/staging/app.yaml", "flux-system/app", "clusters/staging"),
    }
    assert ended.json["left_out"] == []


@pytest.mark.parametrize("estate", ["inline-substitute", "policy-from-patch", "unlisted-policy"])
def test_estates_in_which_all_can_be_used_end_well(estate: str, console: Console) -> None:
    ended = check(console, ESTATES / estate, "--json")
    assert (ended.code, ended.json["left_out"]) == (0, [])
    assert [one["usable"] for one in ended.json["policies"]] == [True]
    assert len(ended.json["fields"]) == 1


def test_what_is_left_out_has_file_line_and_reason(repo: Path, console: Console) -> None:
    write(repo, {"apps/staging/other.yaml": BROKEN, "images/app.yaml": fleet()["images/app.yaml"] + SECOND})
    ended = check(console, repo, "--json")
    assert ended.code == 1
    assert {"file": "apps/staging/other.yaml", "line": 1, "reason": UNKNOWN} in ended.json["left_out"]
    [reason] = [one["reason"] for one in ended.json["policies"] if not one["usable"]]
    assert {
        "file": "images/app.yaml",
        "line": None,
        "reason": f"ImagePolicy flux-system/lost: {reason}",
    } in ended.json["left_out"]


def test_many_places_of_one_cause_are_told_once(repo: Path, console: Console) -> None:
    write(repo, {f"apps/staging/broken-{number:02}.yaml": BROKEN.replace("gone", f"x{number}") for number in range(50)})
    lines = check(console, repo).out.splitlines()
    assert "  50 times: the field names …, but no ImagePolicy of that name is in the repository" in lines
    assert "      apps/staging/broken-00.yaml:1: flux-system/x0" in lines
    assert "      and 47 more: --all shows them" in lines
    assert len(lines) < 30
    everything = check(console, repo, "--all").out.splitlines()
    assert "      apps/staging/broken-49.yaml:1: flux-system/x49" in everything


def test_against_a_revision_only_what_is_new_counts(repo: Path, console: Console) -> None:
    write(repo, {"apps/staging/old.yaml": BROKEN})
    commit_all(repo)
    write(repo, {"apps/staging/old.yaml": f"# moved down\n{BROKEN}"})
    ended = check(console, repo, "--against", "HEAD")
    assert (ended.code, ended.out) == (0, "Nothing is left out that was not at HEAD already.\n")
    write(repo, {"apps/staging/new.yaml": BROKEN})
    ended = check(console, repo, "--against", "HEAD")
    assert ended.code == 1
    assert ended.out.splitlines() == [
        "Left out, and not yet at HEAD (1):",
        f"  apps/staging/new.yaml:1: {UNKNOWN}",
    ]
    found = check(console, repo, "--against", "HEAD", "--json").json["left_out"]
    assert [one["file"] for one in found] == ["apps/staging/new.yaml"]


def test_against_a_revision_the_new_one_of_two_in_a_file_is_told(repo: Path, console: Console) -> None:
    write(repo, {"apps/staging/old.yaml": BROKEN})
    commit_all(repo)
    write(repo, {"apps/staging/old.yaml": f"{BROKEN}{BROKEN.replace('image:', 'second:')}"})
    [found] = check(console, repo, "--against", "HEAD", "--json").json["left_out"]
    assert found["line"] == 2


def test_against_a_revision_less_that_waits_for_a_variable_is_not_new(repo: Path, console: Console) -> None:
    outer = NESTED.format(name="outer", path="./outer", values="substituteFrom: [{kind: Secret, name: gone}]")
    files = {f"outer/{name}.yaml": NESTED.format(name=name, path="./${ENV}", values="") for name in ("a", "b")}
    write(repo, {"clusters/staging/outer.yaml": outer, **files})
    commit_all(repo)
    assert "the variable ENV" in check(console, repo).out
    (repo / "outer" / "a.yaml").unlink()
    assert check(console, repo, "--against", "HEAD").code == 0


def test_against_a_revision_less_of_a_policy_that_is_written_often_is_not_new(repo: Path, console: Console) -> None:
    once = fleet()["images/app.yaml"]
    write(repo, {f"images/again-{number}.yaml": once for number in range(3)})
    commit_all(repo)
    assert "is there twice" in check(console, repo).out
    (repo / "images" / "again-2.yaml").unlink()
    assert check(console, repo, "--against", "HEAD").code == 0


def test_against_a_revision_another_policy_that_is_unknown_is_new(repo: Path, console: Console) -> None:
    write(repo, {"apps/staging/old.yaml": BROKEN})
    commit_all(repo)
    write(repo, {"apps/staging/old.yaml": BROKEN.replace("gone", "lost")})
    assert "flux-system/lost" in check(console, repo, "--against", "HEAD").out


def test_rules_that_were_broken_then_are_compared_without(repo: Path, console: Console) -> None:
    write(repo, {".fluxbridge.yaml": "stages: 1\n"})
    commit_all(repo)
    write(repo, {".fluxbridge.yaml": RULES})
    assert check(console, repo, "--against", "HEAD").code == 0


def test_a_long_list_of_names_is_cut_in_its_middle(tmp_path: Path, console: Console) -> None:
    once, repo = fleet()["images/app.yaml"], tmp_path / "images"
    repo.mkdir()
    write(repo, {f"images/again-{number:03}.yaml": once for number in range(50)})
    [line] = [line for line in check(console, repo).out.splitlines() if "is written more than once" in line]
    assert line.endswith("; remove all but one")
    assert len(line) < 450
    assert "images/again-024.yaml" not in line
    assert "images/again-024.yaml" in check(console, repo, "--all").out


def test_a_folder_without_anything_says_what_to_give(tmp_path: Path, console: Console) -> None:
    ended = check(console, tmp_path)
    assert ended.code == 0
    assert ended.out.splitlines()[-1].startswith("No ImagePolicy is here: name the folder of a config repository")


def test_a_folder_that_is_not_there_cannot_be_read(tmp_path: Path, console: Console) -> None:
    assert "it is not there" in console.refused(2, "check", "--repo-only", str(tmp_path / "gone"))


def test_rules_that_are_broken_cannot_be_read(repo: Path, console: Console) -> None:
    write(repo, {".fluxbridge.yaml": "stages: {staging: {path: apps}}\n"})
    said = console.refused(2, "check", "--repo-only", str(repo))
    assert f"{repo}/.fluxbridge.yaml cannot be used: " in said


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_rules_that_are_no_file_cannot_be_read(kind: str, repo: Path, console: Console) -> None:
    rules = repo / ".fluxbridge.yaml"
    rules.unlink()
    if kind == "link":
        rules.symlink_to("rules.yaml")
    elif kind == "folder":
        rules.mkdir()
    else:
        os.mkfifo(rules)
    assert "put a regular file there, or nothing" in console.refused(2, "check", "--repo-only", str(repo))


def test_a_revision_that_there_is_not_cannot_be_compared_with(repo: Path, console: Console) -> None:
    said = console.refused(2, "check", "--repo-only", str(repo), "--against", "v9")
    assert "the repository has no such revision" in said


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("--json",), id="JSON of the server's check"),
        pytest.param(("--against", "HEAD"), id="a revision of no folder"),
        pytest.param(("--repo-only", ".", "--database"), id="a database of a folder"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: tuple[str, ...], console: Console) -> None:
    assert console.run("check", *options).code == 2


SECOND = """\
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: lost, namespace: flux-system}
spec: {imageRepositoryRef: {name: lost}, policy: {semver: {range: 1.x}}}
"""

NESTED = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {name}, namespace: flux-system}}
spec:
  path: {path}
  sourceRef: {{kind: GitRepository, name: flux-system}}
  postBuild: {{{values}}}
"""


@pytest.mark.parametrize("has_kubectl", [True, False])
def test_what_is_not_followed_is_used_where_kubectl_renders_it(
    repo: Path, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_kubectl: bool
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    if has_kubectl:
        (programs / "kubectl").symlink_to(required_kubectl())
    write(repo, {"images/kustomization.yaml": f"resources: [{_manifests(repo / 'images')}]\nlabels: {LABELS}\n"})
    (policy,) = check(console, repo, "--json").json["policies"]
    assert policy["usable"] == has_kubectl, policy
    if not has_kubectl:
        assert "not rendered: kubectl is not on the PATH: install it" in policy["reason"]


LABELS = "[{pairs: {a: b}, fields: [{path: spec/labels, create: true}]}]"


def _manifests(folder: Path) -> str:
    return ", ".join(sorted(one.name for one in folder.iterdir()))
