"""A small read-only OCI registry on loopback, for the demo: tag lists and manifests, kept in memory."""

import hashlib
import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, quote, urlsplit

from app.core.images import ImageName, InvalidImage, is_tag

_OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_TAG_LIST = re.compile(r"/v2/(.+)/tags/list")
_MANIFEST = re.compile(r"/v2/(.+)/manifests/([^/]+)")
_CLIENT_TIMEOUT_S = 10
_POLL_S = 0.05


@dataclass(slots=True)
class _Repository:
    tags: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: HTTPStatus
    body: bytes
    headers: Mapping[str, str]


class DemoRegistry:
    """A running registry. `put` may be called from any thread; port 0 takes a free one."""

    def __init__(self, port: int = 0) -> None:
        self._repositories: dict[str, _Repository] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _answering_for(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_S,), daemon=True)

    @property
    def host(self) -> str:
        """Host and port, as in an image's name."""
        return f"127.0.0.1:{self._server.server_port}"

    def put(self, path: str, tag: str, manifest: bytes) -> str:
        """Point a tag at a manifest; returns its digest. Raises InvalidImage."""
        ImageName.at(self.host, path)
        if not is_tag(tag):
            raise InvalidImage(f"{path}:{tag}", f"{tag[:200]!r} is no tag")
        digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
        with self._lock:
            repository = self._repositories.setdefault(path, _Repository())
            repository.manifests[digest] = manifest
            repository.tags[tag] = digest
        return digest

    def find_tags(self, path: str) -> Sequence[str] | None:
        """The tags of a repository in the order of a registry; None where there is no such repository."""
        with self._lock:
            repository = self._repositories.get(path)
            return sorted(repository.tags) if repository else None

    def find_manifest(self, path: str, reference: str) -> tuple[str, bytes] | None:
        """The digest and manifest that a tag or digest names."""
        with self._lock:
            repository = self._repositories.get(path, _Repository())
            digest = repository.tags.get(reference, reference)
            manifest = repository.manifests.get(digest)
            return None if manifest is None else (digest, manifest)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _answering_for(registry: DemoRegistry) -> type[BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        timeout = _CLIENT_TIMEOUT_S

        def do_GET(self) -> None:
            self._send(_answer(registry, self.path))

        def do_HEAD(self) -> None:
            self._send(_answer(registry, self.path))

        def _send(self, answer: _Answer) -> None:
            self.send_response(answer.status)
            headers = {"Docker-Distribution-Api-Version": "registry/2.0", **answer.headers}
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing on the demo's terminal."""

    return Answering


def _answer(registry: DemoRegistry, target: str) -> _Answer:
    parts = urlsplit(target)
    if parts.path == "/v2/":
        return _json({})
    if named := _TAG_LIST.fullmatch(parts.path):
        return _tag_list(registry, named[1], parse_qs(parts.query))
    if named := _MANIFEST.fullmatch(parts.path):
        return _manifest(registry, named[1], named[2])
    return _error(HTTPStatus.NOT_FOUND, "UNSUPPORTED", "this registry has tag lists and manifests only")


def _tag_list(registry: DemoRegistry, path: str, query: Mapping[str, Sequence[str]]) -> _Answer:
    """One page: the tags after `last`, at most `n` of them, with a link to the next page if there is one."""
    tags = registry.find_tags(path)
    if tags is None:
        return _error(HTTPStatus.NOT_FOUND, "NAME_UNKNOWN", "repository name not known to registry")
    last, size = query.get("last", [""])[0], query.get("n", [""])[0]
    if size and not (size.isascii() and size.isdigit() and len(size) < 10):
        return _error(HTTPStatus.BAD_REQUEST, "PAGINATION_NUMBER_INVALID", "n is no number")
    rest = [tag for tag in tags if tag > last]
    page = rest[: int(size)] if size else rest
    has_more = page and len(page) < len(rest)
    link = {"Link": f'</v2/{path}/tags/list?last={quote(page[-1])}&n={size}>; rel="next"'} if has_more else {}
    return _json({"name": path, "tags": page}, link)


def _manifest(registry: DemoRegistry, path: str, reference: str) -> _Answer:
    found = registry.find_manifest(path, reference)
    if found is None:
        return _error(HTTPStatus.NOT_FOUND, "MANIFEST_UNKNOWN", "manifest unknown")
    digest, manifest = found
    headers = {"Content-Type": _media_type(manifest), "Docker-Content-Digest": digest, "ETag": f'"{digest}"'}
    return _Answer(HTTPStatus.OK, manifest, headers)


def _media_type(manifest: bytes) -> str:
    try:
        content = json.loads(manifest)
    except ValueError:
        return _OCI_MANIFEST
    named = content.get("mediaType") if isinstance(content, dict) else None
    return named if isinstance(named, str) else _OCI_MANIFEST


def _error(status: HTTPStatus, code: str, message: str) -> _Answer:
    answer = _json({"errors": [{"code": code, "message": message}]})
    return _Answer(status, answer.body, answer.headers)


def _json(content: Mapping[str, object], headers: Mapping[str, str] | None = None) -> _Answer:
    body = json.dumps(content).encode()
    return _Answer(HTTPStatus.OK, body, {"Content-Type": "application/json", **(headers or {})})
