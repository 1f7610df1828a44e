"""A real docker-registry on a free port of loopback, and pushes to it by plain HTTP or by skopeo."""

import hashlib
import json
import queue
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx

from app.clients.tls import trusting
from tests.parts import require_program

INSTALL = "apt-get install -y docker-registry skopeo"
USER, PASSWORD = "ci", "correct-horse"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
_HTPASSWD = "ci:$2y$05$CXSf0CtZy.NehUvM2DnFP.0Zj/hzDI6WOu/wGvSbti0/M0BCb/XQW\n"
_OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
_LISTENING = re.compile(r"listening on (127\.0\.0\.1:\d+)")
_START_TIMEOUT_S = 20


@dataclass(frozen=True, slots=True)
class Notified:
    """Where the registry posts its events, with which fixed headers."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DockerRegistry:
    """A running registry. Contents are any text: another text is another digest."""

    host: str
    folder: Path
    has_accounts: bool = False

    def push(self, path: str, tag: str, content: str = "") -> str:
        """Push an image of one platform; returns its digest."""
        config = config_of(content)
        self._put_blob(path, config)
        return self.put_manifest(path, tag, manifest_of(content), OCI_MANIFEST)

    def push_index(self, path: str, tag: str, contents: Sequence[str]) -> str:
        """Push an image of many platforms: children by digest, then the index by tag; returns the index's digest."""
        children: list[object] = []
        for content in contents:
            self._put_blob(path, config_of(content))
            manifest = manifest_of(content)
            digest = self.put_manifest(path, digest_of(manifest), manifest, OCI_MANIFEST)
            children.append({"mediaType": OCI_MANIFEST, "digest": digest, "size": len(manifest)})
        index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}).encode()
        return self.put_manifest(path, tag, index, OCI_INDEX)

    def put_manifest(self, path: str, reference: str, manifest: bytes, media_type: str) -> str:
        """Push a manifest whose blobs are there already."""
        answer = self._call("PUT", f"/v2/{path}/manifests/{reference}", content=manifest, media_type=media_type)
        return answer.headers["docker-content-digest"]

    def delete(self, path: str, digest: str) -> None:
        """Delete a manifest, and so every tag of it."""
        self._call("DELETE", f"/v2/{path}/manifests/{digest}")

    def push_with_skopeo(self, path: str, tag: str, content: str = "") -> str:
        """Push an image as users' pipelines do, with skopeo; returns its digest."""
        skopeo = require_program("skopeo", INSTALL)
        layout = self.folder / "layouts" / hashlib.sha256(content.encode()).hexdigest()
        digest = write_oci_layout(layout, content)
        account = ["--dest-creds", f"{USER}:{PASSWORD}"] if self.has_accounts else []
        where = [f"oci:{layout}:image", f"docker://{self.host}/{path}:{tag}"]
        subprocess.run(
            [skopeo, "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", *account, *where],
            check=True,
            capture_output=True,
            timeout=60,
        )
        return digest

    def _put_blob(self, path: str, blob: bytes) -> None:
        started = self._call("POST", f"/v2/{path}/blobs/uploads/")
        upload = httpx.URL(started.headers["location"]).copy_add_param("digest", digest_of(blob))
        self._call("PUT", upload.raw_path.decode(), content=blob, media_type="application/octet-stream")

    def _call(self, method: str, target: str, *, content: bytes = b"", media_type: str = "") -> httpx.Response:
        headers = {"Content-Type": media_type} if media_type else {}
        account = httpx.BasicAuth(USER, PASSWORD) if self.has_accounts else None
        url = f"http://{self.host}{target}"
        answer = httpx.request(
            method, url, content=content, headers=headers, auth=account, verify=trusting(), trust_env=False
        )
        return answer.raise_for_status()


class Validating(httpx.BaseTransport):
    """Stands before a docker-registry, which does neither, and gives tag lists in sorted pages and with validators.

    A page that is still the same is answered with 304, without its link. `answered` has the status of each page. Pages
    hold `page_size` tags, whatever is asked for.
    """

    def __init__(self, *, page_size: int = 1000) -> None:
        self.answered: list[int] = []
        self._page_size = page_size
        self._there = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._there.handle_request(request)
        if not request.url.path.endswith("/tags/list") or not answer.is_success:
            return answer
        found = json.loads(answer.read())
        later = sorted(tag for tag in found["tags"] or [] if tag > request.url.params.get("last", ""))
        content = json.dumps(found | {"tags": later[: self._page_size]}).encode()
        validator = f'"{hashlib.sha256(content).hexdigest()}"'
        is_known = request.headers.get("if-none-match") == validator
        self.answered.append(304 if is_known else 200)
        if is_known:
            return httpx.Response(304, headers={"ETag": validator})
        return httpx.Response(200, headers={"ETag": validator} | self._link(request, later), content=content)

    def _link(self, request: httpx.Request, later: Sequence[str]) -> dict[str, str]:
        if len(later) <= self._page_size:
            return {}
        following = request.url.copy_set_param("last", later[self._page_size - 1])
        return {"Link": f'<{following.raw_path.decode()}>; rel="next"'}

    def close(self) -> None:
        self._there.close()


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def config_of(content: str) -> bytes:
    """The configuration of an image without layers, told apart by its content."""
    labels = {"config": {"Labels": {"content": content}}}
    return json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}} | labels
    ).encode()


def manifest_of(content: str) -> bytes:
    """The manifest of the image that `config_of` describes."""
    config = config_of(content)
    described = {"mediaType": _OCI_CONFIG, "digest": digest_of(config), "size": len(config)}
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described, "layers": []}).encode()


def write_oci_layout(layout: Path, content: str) -> str:
    """Write the image into a folder that skopeo reads as `oci:<layout>:image`; returns its digest."""
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    manifest = manifest_of(content)
    for blob in (config_of(content), manifest):
        (blobs / hashlib.sha256(blob).hexdigest()).write_bytes(blob)
    named = {"org.opencontainers.image.ref.name": "image"}
    entry = {"mediaType": OCI_MANIFEST, "digest": digest_of(manifest), "size": len(manifest), "annotations": named}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (layout / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))
    return digest_of(manifest)


@contextmanager
def docker_registry(
    folder: Path, *, has_accounts: bool = False, notified: Notified | None = None, port: int = 0
) -> Iterator[DockerRegistry]:
    """Run a registry that keeps its content in `folder`; with accounts only USER may push and pull.

    Give the port of an earlier run to start the same registry again: what it had not yet notified is lost.
    """
    program = require_program("docker-registry", INSTALL)
    configuration = folder / "registry.yml"
    # JSON is YAML too.
    configuration.write_text(
        json.dumps(_configuration(folder, has_accounts=has_accounts, notified=notified, port=port))
    )
    with subprocess.Popen(
        [program, "serve", str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        hosts: queue.Queue[str] = queue.Queue()
        reader = threading.Thread(target=_read_log, args=(process.stderr, hosts), daemon=True)
        reader.start()
        try:
            yield DockerRegistry(hosts.get(timeout=_START_TIMEOUT_S), folder, has_accounts)
        finally:
            process.kill()
            process.wait(timeout=10)
            reader.join(timeout=10)


def _read_log(log: IO[str], hosts: "queue.Queue[str]") -> None:
    """Read the log to its end, so that the registry never waits for us; tell the address that it found."""
    for line in log:
        if found := _LISTENING.search(line):
            hosts.put(found[1])


def _configuration(folder: Path, *, has_accounts: bool, notified: Notified | None, port: int) -> Mapping[str, object]:
    configuration: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "registry")}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    if has_accounts:
        accounts = folder / "htpasswd"
        accounts.write_text(_HTPASSWD)
        configuration["auth"] = {"htpasswd": {"realm": "ci", "path": str(accounts)}}
    if notified:
        configuration["notifications"] = {"events": {"includereferences": True}, "endpoints": [_endpoint(notified)]}
    return configuration


def _endpoint(notified: Notified) -> Mapping[str, object]:
    return {
        "name": "fluxbridge",
        "url": notified.url,
        "headers": {name: [value] for name, value in notified.headers.items()},
        "timeout": "1s",
        "threshold": 3,
        "backoff": "1s",
        # `actions` alone filters nothing in 2.8: the media types must stand beside it.
        "ignore": {"mediatypes": ["application/octet-stream"], "actions": ["pull"]},
    }
