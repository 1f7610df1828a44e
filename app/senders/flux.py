"""Flux's notification-controller, provider `generic-hmac`: what became of a revision in a cluster."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from app.core.facts import RevisionApplied, RevisionUnderway
from app.senders.flux_revision import parse_revision
from app.senders.payload import PAYLOAD, Instant, Line, read_body
from app.senders.proof_kinds import BodySignature
from app.senders.sender import Origin, Parsed, Sender, WebhookRequest, body_id, no_external_id

_ANNOTATION = "event.toolkit.fluxcd.io/"
_SUCCESSES = {
    "Kustomization": frozenset({"ReconciliationSucceeded"}),
    "HelmRelease": frozenset({"InstallSucceeded", "UpgradeSucceeded"}),
}
_UNDERWAY = frozenset({"Progressing", "DependencyNotReady"})
# Kubernetes lets no object have longer ones: DNS subdomains and labels, and the reason and message of a Condition.
_Kind = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,63}$")]
_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
_Namespace = Annotated[str, StringConstraints(pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$", max_length=63)]
_Reason = Annotated[Line, StringConstraints(max_length=1024)]
_Message = Annotated[str, AfterValidator(lambda text: text[:_LONGEST_MESSAGE])]
_LONGEST_MESSAGE = 32_768
_LONGEST_REVISION = 1_000
_PROOF = BodySignature("X-Signature", ("sha256", "sha512"))


class _InvolvedObject(BaseModel):
    """The object that an event is about."""

    model_config = PAYLOAD
    kind: _Kind
    name: _Name
    namespace: _Namespace = ""


class _Event(BaseModel):
    """A Flux event as it leaves the cluster."""

    model_config = PAYLOAD
    involved_object: _InvolvedObject = Field(alias="involvedObject")
    severity: Line
    timestamp: Instant
    reason: _Reason
    message: _Message = ""
    metadata: dict[str, str] | None = None


def parse(request: WebhookRequest, origin: Origin) -> Parsed:
    """Read how a Kustomization or HelmRelease fared with a revision; all else is ignored. Raises Unusable.

    The cluster is the configured one: a payload could name any.
    """
    event, cluster = read_body(request, _Event), origin.named("cluster")
    metadata = _without_prefixes(event.metadata or {})
    revision, origin_revision = metadata.get("revision", ""), metadata.get("originRevision", "")
    if (longest := max(len(revision), len(origin_revision))) > _LONGEST_REVISION:
        return Parsed(ignored=(f"a revision of {longest} characters is none",))
    if reason := _why_ignored(event, revision):
        return Parsed(facts=_underway(event, revision, cluster), ignored=(reason,))
    of_artifact, of_git = parse_revision(revision), parse_revision(origin_revision)
    told = of_git if of_git.commit else of_artifact
    fact = RevisionApplied(
        cluster=cluster,
        kind=event.involved_object.kind,
        namespace=event.involved_object.namespace,
        name=event.involved_object.name,
        revision=revision,
        commit=told.commit,
        branch=told.branch,
        is_failure=event.severity == "error",
        reason=event.reason,
        message=event.message,
        at=event.timestamp,
    )
    return Parsed(facts=(fact,))


def _underway(event: _Event, revision: str, cluster: str) -> tuple[RevisionUnderway, ...]:
    """That a Kustomization is at work or waits: no result, but what is known where none ever comes."""
    if event.involved_object.kind != "Kustomization" or event.severity == "error" or event.reason not in _UNDERWAY:
        return ()
    one = RevisionUnderway(
        cluster=cluster,
        kind=event.involved_object.kind,
        namespace=event.involved_object.namespace,
        name=event.involved_object.name,
        revision=revision,
        reason=event.reason,
        message=event.message,
        at=event.timestamp,
    )
    return (one,)


def _why_ignored(event: _Event, revision: str) -> str | None:
    kind = event.involved_object.kind
    if kind not in _SUCCESSES:
        return f"events of kind {kind[:60]!r} apply nothing"
    if event.severity != "error" and event.reason not in _SUCCESSES[kind]:
        return f"reason {event.reason[:60]!r} of a {kind} is no result"
    return None if revision else f"{event.reason[:60]!r} names no revision"


def _without_prefixes(metadata: Mapping[str, str]) -> dict[str, str]:
    """Cut API groups off the keys; where that makes keys equal a bare one wins, and an annotation's loses."""

    def strength(key: str) -> int:
        return 2 if "/" not in key else 0 if key.startswith(_ANNOTATION) else 1

    return {key.rpartition("/")[2]: metadata[key] for key in sorted(metadata, key=strength)}


FLUX = Sender(
    kind="flux",
    verify=_PROOF.verify,
    prove_head=_PROOF.prove_head,
    external_id=no_external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent", "gotk-component"),
    needs=("secrets",),
    tells={"applied": ("result", "commit", "branch", "time"), "underway": ("time",)},
    signed_id=body_id,
    speaks_for="cluster",
)
