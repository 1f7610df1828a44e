"""The webhooks of the demo, in the shapes that a registry, a Jenkins job and Flux send."""

import hashlib
import hmac
import json
import uuid
from datetime import datetime

import httpx

from app.clients.tls import trusting
from app.core.images import ImageReference

_TIMEOUT_S = 10


def build_report(image: ImageReference, digest: str, *, number: int, commit: str, at: datetime) -> dict[str, object]:
    """What Jenkins' pipelines report of a build that ended well: `shop/<app>/main`, which pushed one image."""
    job = f"{image.name.path}/main"
    url = "".join(f"job/{part}/" for part in job.split("/"))
    return {
        "schema": 1,
        "source": "jenkins",
        "job": job,
        "build_number": number,
        "build_url": f"https://ci.acme.example/{url}{number}/",
        "result": "SUCCESS",
        "finished_at": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "git": {
            "url": f"https://git.acme.example/{image.name.path}.git",
            "commit": commit,
            "branch": "main",
            "tag": None,
            "change_id": None,
        },
        "images": [{"repository": str(image.name), "tag": image.tag, "digest": digest}],
        "tests": {"total": 212, "passed": 209, "failed": 0, "skipped": 3},
    }


class DemoSenders:
    """Posts to the demo's server as its registry, its Jenkins and its Flux would."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=_TIMEOUT_S, verify=trusting(), trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def push_image(  # noqa: PLR0913 (the parts of one event)
        self, secret: str, *, host: str, path: str, tag: str, digest: str, at: datetime
    ) -> str:
        """Tell of a push as CNCF Distribution does; returns the delivery's id."""
        event = {
            "id": str(uuid.uuid4()),
            "timestamp": at.isoformat().replace("+00:00", "Z"),
            "action": "push",
            "target": {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": digest,
                "repository": path,
                "url": f"http://{host}/v2/{path}/manifests/{digest}",
                "tag": tag,
            },
            "request": {"id": str(uuid.uuid4()), "host": host, "method": "PUT", "useragent": "buildkit/v0.24"},
            "actor": {"name": "ci-bot"},
            "source": {"addr": host, "instanceID": str(uuid.uuid4())},
        }
        headers = {
            "Authorization": f"Bearer {secret}",
            "Content-Type": "application/vnd.docker.distribution.events.v1+json",
        }
        return self._post("registry", json.dumps({"events": [event]}).encode(), headers)

    def report_build(self, secret: str, report: dict[str, object], *, at: datetime) -> str:
        """Send the signed report of a Jenkins build; returns the delivery's id."""
        body, stamp = json.dumps(report).encode(), str(int(at.timestamp()))
        signature = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "X-Signature-Timestamp": stamp,
            "X-Signature": f"sha256={signature}",
        }
        return self._post("ci", body, headers)

    def apply_revision(self, secret: str, *, cluster: str, name: str, commit: str, at: datetime) -> str:
        """Tell as Flux does that a Kustomization was applied; returns the delivery's id."""
        event = {
            "involvedObject": {
                "kind": "Kustomization",
                "namespace": "flux-system",
                "name": name,
                "uid": str(uuid.uuid4()),
                "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            },
            "severity": "info",
            "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "message": "Reconciliation finished in 1.203s, next run in 10m0s",
            "reason": "ReconciliationSucceeded",
            "metadata": {"revision": f"main@sha1:{commit}"},
            "reportingController": "kustomize-controller",
        }
        body = json.dumps(event).encode()
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "Gotk-Component": "kustomize-controller",
            "X-Signature": f"sha256={signature}",
        }
        return self._post(cluster, body, headers)

    def _post(self, source: str, body: bytes, headers: dict[str, str]) -> str:
        answer = self._client.post(f"/webhooks/{source}", content=body, headers=headers)
        answer.raise_for_status()
        return str(answer.json()["id"])
