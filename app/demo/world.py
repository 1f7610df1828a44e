"""The demo's surroundings: a bare config repository with the sample in it, a registry with images, and settings."""

import hashlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from git import Repo

from app.clients.git.command import GitCommand
from app.demo.registry import DemoRegistry

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_WRITTEN_HOST = "registry.acme.example"
_GIT_TIMEOUT_S = 30.0
FIRST_TAGS = {
    "shop/storefront": ["1.3.0", "1.4.0", "1.4.1"],
    "shop/payments": ["2.0.6", "2.0.7"],
    "shop/notifier": ["main-77aa01c-1759900000", "main-8c1f2ab-1759990000"],
}


@dataclass(frozen=True, slots=True)
class DemoSecrets:
    """The secrets of one demo, made anew for each data folder."""

    jenkins: str
    registry: str
    flux: str


@dataclass(frozen=True, slots=True)
class DemoWorld:
    """Where everything of the demo is."""

    folder: Path
    settings_file: Path
    config_repo: Path
    secrets: DemoSecrets


def build_world(folder: Path, registry: DemoRegistry, *, port: int) -> DemoWorld:
    """Make the data folder: config repository, registry content and fluxbridge.yaml. The folder must be empty."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, tags in FIRST_TAGS.items():
        for tag in tags:
            registry.put(path, tag, image_manifest(path, tag))
    config_repo = folder / "fleet.git"
    make_config_repo(config_repo, registry.host)
    made = DemoSecrets(*(secrets.token_hex(20) for _ in range(3)))
    settings_file = folder / "fluxbridge.yaml"
    settings_file.write_text(_settings(folder, config_repo, registry.host, port))
    for name, secret in (("jenkins", made.jenkins), ("registry", f"Bearer {made.registry}"), ("flux", made.flux)):
        write_secret(folder / "secrets" / name, secret)
    return DemoWorld(folder, settings_file, config_repo, made)


def image_config(path: str, tag: str) -> bytes:
    """The configuration of an image without layers, another for each tag."""
    labels = {"org.opencontainers.image.title": path, "org.opencontainers.image.version": tag}
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Labels": labels},
        "rootfs": {"type": "layers", "diff_ids": []},
    }
    return json.dumps(config, sort_keys=True).encode()


def image_manifest(path: str, tag: str) -> bytes:
    """The OCI manifest of the image with `image_config`."""
    config = image_config(path, tag)
    described = {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": f"sha256:{hashlib.sha256(config).hexdigest()}",
        "size": len(config),
    }
    manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described, "layers": []}
    return json.dumps(manifest, sort_keys=True).encode()


def read_file(config_repo: Path, path: str) -> str:
    """A file as the base branch has it now."""
    with Repo(config_repo) as repository:
        content: bytes = repository.commit("main").tree[path].data_stream.read()
        return content.decode()


def write_secret(path: Path, secret: str) -> None:
    """Write a file that only this account reads."""
    path.parent.mkdir(exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(secret)


def _settings(folder: Path, config_repo: Path, registry_host: str, port: int) -> str:
    kept = json.dumps(str(folder / "secrets"))[1:-1]
    return f"""\
# The settings of the demo; docs/configuration.md explains every key.
data_dir: {json.dumps(str(folder / "data"))}
listen: {{host: 127.0.0.1, port: {port}}}
sources:
  ci:       {{kind: jenkins, jenkins: main, secret: {{file: "{kept}/jenkins"}}, jobs: ["shop/*"]}}
  registry: {{kind: distribution, registry: demo, header: {{Authorization: {{file: "{kept}/registry"}}}}}}
  staging:
    {{kind: flux, cluster: staging, config_repo: fleet, root: clusters/staging, secret: {{file: "{kept}/flux"}}}}
  production:
    {{kind: flux, cluster: production, config_repo: fleet, root: clusters/production, secret: {{file: "{kept}/flux"}}}}
jenkins:
  main: {{url: "https://ci.acme.example"}}
registries:
  demo: {{host: "{registry_host}", plain_http: true}}
config_repos:
  fleet:
    url: {json.dumps(str(config_repo))}
    branch: main
    forge: {{kind: local}}
log: {{level: warning, format: text}}
"""


def make_config_repo(path: Path, registry_host: str) -> None:
    """Make the bare config repository with the sample as its one commit; its images are of this registry."""
    Repo.init(path, bare=True, initial_branch="main").close()
    git = GitCommand(path, _GIT_TIMEOUT_S)
    stream = [b"commit refs/heads/main\n", b"committer Mira Okafor <mira@acme.example> 1760000000 +0000\n"]
    stream += _blob(b"Describe what runs where\n")
    for name, content in _sample_files(files("app.demo") / "config_repo", ""):
        written = content.replace(_WRITTEN_HOST.encode(), registry_host.encode())
        stream += [f"M 100644 inline {name}\n".encode(), *_blob(written)]
    git.run("fast-import", "--quiet", stdin=b"".join(stream))


def _blob(content: bytes) -> list[bytes]:
    return [f"data {len(content)}\n".encode(), content, b"\n"]


def _sample_files(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.is_dir():
            yield from _sample_files(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", entry.read_bytes()
