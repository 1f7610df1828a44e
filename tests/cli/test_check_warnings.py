"""`fluxbridge check` warns of what Flux is silent about, and takes it for no fault."""

from pathlib import Path

from tests.cli.console import Console
from tests.end_to_end.bridge import fleet, policy
from tests.servers.bare_repository import BareRepository

AUTOMATION = """\
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata: {name: all, namespace: flux-system}
spec: {update: {path: ./apps/staging}}
"""


def test_warnings_are_told_with_their_place_and_next_step(tmp_path: Path, console: Console) -> None:
    files = {
        "images/app.yaml": policy(choice="semver: {range: '>=1.0.0-0 <2.0.0'}"),
        "images/auto.yaml": AUTOMATION,
        "images/unused.yaml": policy("unused"),
        "apps/staging/odd.yaml": "image: x:1 # {'$imagepolicy': 'flux-system:unused'}\n",
    }
    config = BareRepository.create(tmp_path / "fleet.git")
    config.commit("main", {**fleet(), **files})
    settings = tmp_path / "fluxbridge.yaml"
    settings.write_text("config_repos: {fleet: {url: ./fleet.git, branch: main, forge: {kind: local}}}\n")
    console.use(settings)
    ended = console.run("check")
    assert ended.code == 0
    lines = [line.strip() for line in ended.out.splitlines()]
    assert any(line.startswith("apps/staging/odd.yaml:1: this is no marker that Flux reads") for line in lines)
    [bound] = [line for line in lines if line.endswith("(open_upper_bound)")]
    assert bound.startswith("images/app.yaml: '>=1.0.0-0' lets prereleases in")
    assert "write '<2.0.0-0'" in bound
    assert len([line for line in lines if line.endswith("(unused_policy)")]) == 1
    assert len([line for line in lines if line.endswith("(second_writer)")]) == 1
    assert len([line for line in lines if line.startswith("apps/staging/odd.yaml")]) == 1
