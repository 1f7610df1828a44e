"""What the demo of docker-compose.yml needs beside the server: secrets, the sample config repository and images."""

import hashlib
import json
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import httpx

from app.compose.machine import utc_now
from app.core.images import ImageReference, InvalidImage
from app.demo.senders import DemoSenders, build_report
from app.demo.world import FIRST_TAGS, OCI_MANIFEST, image_config, image_manifest, make_config_repo, write_secret

_REPO = "fleet.git"
_TIMEOUT_S = 10
# Half a minute with the pauses that httpx makes: the registry may only just have been started.
_RETRIES = 7


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the parts of the demo are: two folders, the registry's host and the server's URL."""

    secrets: Path
    git: Path
    registry: str
    bridge: str

    def prepare(self) -> None:
        """Make the secrets, the registry's configuration and the config repository; what is there stays."""
        self.secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("api", "database", "jenkins"):
            self._keep_secret(name, lambda: secrets.token_hex(20))
        header = self._keep_secret("registry", lambda: f"Bearer {secrets.token_hex(20)}")
        write_secret(self.secrets / "registry.yml", _registry_configuration(header, self.bridge))
        self._keep_config_repo()

    def push_first_images(self) -> int:
        """Push the images that the sample runs, where the registry has no such tag; returns how many."""
        images = [self.image(f"{path}:{tag}") for path, tags in FIRST_TAGS.items() for tag in tags]
        with self._registry_client() as client:
            missing = [image for image in images if _find_digest(client, image) is None]
            for image in missing:
                _push(client, image)
        return len(missing)

    def push(self, image: ImageReference) -> str:
        """Push a small image; returns its digest. The registry tells the server of it by itself."""
        with self._registry_client() as client:
            return _push(client, image)

    def report(self, image: ImageReference) -> str:
        """Report as Jenkins that a build has pushed this image; returns the delivery's id. Raises InvalidImage."""
        with self._registry_client() as client:
            digest = _find_digest(client, image)
        if digest is None:
            raise InvalidImage(str(image), "the registry has no such image: push it first")
        now, senders = utc_now(), DemoSenders(self.bridge)
        commit = hashlib.sha256(str(image).encode()).hexdigest()[:40]
        report = build_report(image, digest, number=int(now.timestamp()), commit=commit, at=now)
        try:
            return senders.report_build((self.secrets / "jenkins").read_text(), report, at=now)
        finally:
            senders.close()

    def image(self, text: str) -> ImageReference:
        """The image of the demo's registry that `path:tag` names. Raises InvalidImage."""
        image = ImageReference.parse(f"{self.registry}/{text}")
        if image.tag is None or image.digest is not None:
            raise InvalidImage(text, "write it as shop/storefront:1.5.0")
        return image

    def _keep_secret(self, name: str, make: Callable[[], str]) -> str:
        """One that is empty was about to be written when its writer ended."""
        path = self.secrets / name
        present = path.read_text() if path.exists() else ""
        if present:
            return present
        made = make()
        write_secret(path, made)
        return made

    def _keep_config_repo(self) -> None:
        """It gets its name when it is whole."""
        path, unfinished = self.git / _REPO, self.git / f"{_REPO}.new"
        if path.exists():
            return
        shutil.rmtree(unfinished, ignore_errors=True)
        make_config_repo(unfinished, self.registry)
        unfinished.rename(path)

    def _registry_client(self) -> httpx.Client:
        return httpx.Client(
            base_url=f"http://{self.registry}",
            transport=httpx.HTTPTransport(retries=_RETRIES),
            timeout=_TIMEOUT_S,
            trust_env=False,
        )


def _find_digest(client: httpx.Client, image: ImageReference) -> str | None:
    target = f"/v2/{image.name.path}/manifests/{image.tag}"
    answer = client.head(target, headers={"Accept": OCI_MANIFEST})
    if answer.status_code == HTTPStatus.NOT_FOUND:
        return None
    return str(answer.raise_for_status().headers["docker-content-digest"])


def _push(client: httpx.Client, image: ImageReference) -> str:
    path, tag = image.name.path, image.tag or ""
    config = image_config(path, tag)
    begun = client.post(f"/v2/{path}/blobs/uploads/").raise_for_status()
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    upload = httpx.URL(begun.headers["location"]).copy_add_param("digest", digest)
    client.put(upload, content=config, headers={"Content-Type": "application/octet-stream"}).raise_for_status()
    headers = {"Content-Type": OCI_MANIFEST}
    answer = client.put(f"/v2/{path}/manifests/{tag}", content=image_manifest(path, tag), headers=headers)
    return str(answer.raise_for_status().headers["docker-content-digest"])


def _registry_configuration(header: str, bridge: str) -> str:
    """The registry's config.yml: it tells the server of each push."""
    return f"""\
version: 0.1
storage:
  filesystem: {{rootdirectory: /var/lib/registry}}
  delete: {{enabled: true}}
http: {{addr: ":5000"}}
notifications:
  events: {{includereferences: true}}
  endpoints:
    - name: fluxbridge
      url: {json.dumps(f"{bridge}/webhooks/registry")}
      headers: {{Authorization: [{json.dumps(header)}]}}
      timeout: 1s
      threshold: 3
      backoff: 1s
      ignore: {{mediatypes: [application/octet-stream], actions: [pull]}}
"""
