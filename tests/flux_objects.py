"""Flux's objects as manifests have them, what Flux's schemas say of them, and what its controllers then do."""

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ruamel.yaml import YAML

from tests.parts import required

SCHEMAS = Path(__file__).parent / "payloads" / "flux-crds"

Manifest = Mapping[str, Any]


def read_manifests(text: str) -> list[Manifest]:
    """Every document of a YAML text."""
    return [one for one in YAML(typ="safe", pure=True).load_all(text) if one is not None]


def schema_of(manifest: Manifest) -> Manifest | None:
    """The schema of a Flux object, also where it is kept under an earlier version with the same keys."""
    group, _, version = manifest["apiVersion"].partition("/")
    kept = "v1beta2" if manifest["kind"] == "ImageUpdateAutomation" else version
    file = SCHEMAS / f"{group}_{kept}_{manifest['kind']}.json"
    if not file.exists():
        return None
    schema: dict[str, Any] = json.loads(file.read_text())
    known = {f"{group}/{version}", schema["properties"]["apiVersion"]["const"]}
    return {**schema, "properties": {**schema["properties"], "apiVersion": {"enum": sorted(known)}}}


def faults(manifest: Manifest) -> Iterator[str]:
    """What Flux's schema says against an object."""
    schema = schema_of(manifest)
    assert schema is not None, f"no schema for {manifest['apiVersion']} {manifest['kind']}"
    for error in required("jsonschema").Draft202012Validator(schema).iter_errors(manifest):
        yield f"{error.json_path}: {error.message}"


@dataclass(frozen=True, slots=True)
class Sent:
    """One event as a Provider of type generic-hmac posts it."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class NotificationController:
    """What notification-controller makes of an event with one Provider, one Alert and the Provider's token."""

    provider: Manifest
    alert: Manifest
    token: str

    def send(self, event: Mapping[str, Any]) -> Sent | None:
        """The request for an event; None where the Alert does not let it through."""
        if not self._wants(event["involvedObject"], event["severity"]):
            return None
        metadata = {**self.alert["spec"].get("eventMetadata", {}), **event["metadata"]}
        body = _as_go_writes({**event, "metadata": metadata})
        signature = hmac.new(self.token.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "Gotk-Component": event["reportingController"],
            "X-Signature": f"sha256={signature}",
        }
        return Sent(urlsplit(self.provider["spec"]["address"]).path, headers, body)

    def _wants(self, involved: Mapping[str, str], severity: str) -> bool:
        spec = self.alert["spec"]
        home = self.alert["metadata"].get("namespace", "flux-system")
        return spec.get("eventSeverity", "info") in {"info", severity} and any(
            source["kind"] == involved["kind"]
            and source["name"] in {"*", involved["name"]}
            and source.get("namespace", home) == involved["namespace"]
            for source in spec["eventSources"]
        )


def _as_go_writes(value: object) -> bytes:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text.encode()
