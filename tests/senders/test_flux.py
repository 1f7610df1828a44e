"""Flux's events: which of them tell that a revision was applied or failed, and where."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from app.core.errors import NotAuthentic
from app.core.facts import RevisionApplied, RevisionUnderway
from app.senders import SENDERS
from app.senders.flux_revision import Revision, parse_revision
from app.senders.sender import Keys, Unusable, WebhookRequest
from tests.senders.examples import SIGNED_AT, example, read

SENDER = SENDERS["flux"]
COMMIT = "5defc707898f873687372dac47ffeda5943a00e9"
OTHER = "1405df66cbe219b0bf6355bc3d60361a8376b6b4"
OCI = "latest@sha256:" + "4d" * 32


def event(*, kind: str = "Kustomization", **changes: object) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(example("flux-kustomization-succeeded.json").body)
    return {**whole, "involvedObject": {**whole["involvedObject"], "kind": kind}, **changes}


def applied(sent: dict[str, Any]) -> RevisionApplied:
    (fact,) = read("flux", sent).facts
    assert isinstance(fact, RevisionApplied)
    return fact


def test_fluxs_published_vector_is_proven() -> None:
    body = (
        b'{"involvedObject":{"kind":"GitRepository","namespace":"gitops-system","name":"webapp"},"severity":"info",'
        b'"timestamp":"2022-09-30T06:40:29Z","message":"message","reason":"reason","metadata":{"test":"metadata"},'
        b'"reportingController":"source-controller","reportingInstance":"source-controller-xyz"}'
    )
    signature = "sha256=65b018549b1254e7226d1c08f9567ee45bc9de0fc4e7b1a40253f9a018b08be7"
    request = WebhookRequest(headers={"x-signature": signature}, body=body)
    SENDER.verify(request, Keys(secrets=("7152fed34dd6149a7c75a276c510da27cb6f82b0",)), SIGNED_AT)


def test_sha512_is_accepted_under_its_own_name_only() -> None:
    mac = hmac.new(b"key", b"{}", hashlib.sha512).hexdigest()
    SENDER.verify(
        WebhookRequest(headers={"x-signature": f"sha512={mac}"}, body=b"{}"), Keys(secrets=("key",)), SIGNED_AT
    )
    for header in (f"sha256={mac}", f"sha512={mac[:64]}", f"sha1={mac[:40]}", f"md5={mac[:32]}"):
        with pytest.raises(NotAuthentic, match="malformed"):
            SENDER.verify(
                WebhookRequest(headers={"x-signature": header}, body=b"{}"), Keys(secrets=("key",)), SIGNED_AT
            )


def test_a_newline_in_the_secret_is_part_of_the_key() -> None:
    mac = hmac.new(b"key\n", b"{}", hashlib.sha256).hexdigest()
    request = WebhookRequest(headers={"x-signature": f"sha256={mac}"}, body=b"{}")
    SENDER.verify(request, Keys(secrets=("key\n",)), SIGNED_AT)
    with pytest.raises(NotAuthentic):
        SENDER.verify(request, Keys(secrets=("key",)), SIGNED_AT)


@pytest.mark.parametrize("reason", ["HealthCheckFailed", "BuildFailed", "SomethingNew"])
def test_an_error_with_a_revision_is_a_failure(reason: str) -> None:
    fact = applied(event(severity="error", reason=reason, message="boom"))
    assert (fact.is_failure, fact.reason, fact.message, fact.commit) == (True, reason, "boom", COMMIT)


@pytest.mark.parametrize("reason", ["InstallSucceeded", "UpgradeSucceeded"])
def test_a_helm_release_is_applied_without_a_commit(reason: str) -> None:
    fact = applied(event(kind="HelmRelease", reason=reason, metadata={"revision": "1.4.2+cc57fc1903e4"}))
    assert (fact.kind, fact.revision, fact.commit, fact.is_failure) == (
        "HelmRelease",
        "1.4.2+cc57fc1903e4",
        None,
        False,
    )


@pytest.mark.parametrize(
    ("metadata", "revision", "commit"),
    [
        pytest.param({"revision": OCI}, OCI, None, id="OCI"),
        pytest.param({"revision": OCI, "originRevision": f"main@sha1:{COMMIT}"}, OCI, COMMIT, id="OCI with origin"),
        pytest.param({"revision": f"main@sha1:{OTHER}", "originRevision": "?"}, f"main@sha1:{OTHER}", OTHER, id="?"),
        pytest.param(
            {"kustomize.toolkit.fluxcd.io/revision": f"main/{COMMIT}"}, f"main/{COMMIT}", COMMIT, id="prefixed, legacy"
        ),
        pytest.param(
            {"revision": f"main@sha1:{COMMIT}", "kustomize.toolkit.fluxcd.io/revision": f"main@sha1:{OTHER}"},
            f"main@sha1:{COMMIT}",
            COMMIT,
            id="unprefixed wins",
        ),
        pytest.param(
            {
                "kustomize.toolkit.fluxcd.io/revision": f"main@sha1:{COMMIT}",
                "event.toolkit.fluxcd.io/revision": f"main@sha1:{OTHER}",
            },
            f"main@sha1:{COMMIT}",
            COMMIT,
            id="the controller wins over an annotation",
        ),
    ],
)
def test_revision_and_commit_come_from_the_metadata(
    metadata: dict[str, str], revision: str, commit: str | None
) -> None:
    fact = applied(event(metadata=metadata))
    assert (fact.revision, fact.commit) == (revision, commit)


def test_the_cluster_is_the_configured_one_whatever_the_metadata_says() -> None:
    assert applied(event(metadata={"revision": f"main@sha1:{COMMIT}", "cluster": "staging"})).cluster == "prod-eu"


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        pytest.param(event(kind="HelmRelease", reason="Progressing"), "'Progressing'", id="progress of a HelmRelease"),
        pytest.param(event(reason="ReconciliationPaused"), "'ReconciliationPaused'", id="unknown"),
        pytest.param(event(metadata=None), "names no revision", id="success without revision"),
        pytest.param(event(severity="error", reason="BuildFailed", metadata={}), "names no revision", id="failure"),
        pytest.param(event(kind="GitRepository", severity="error"), "'GitRepository'", id="source"),
        pytest.param(event(kind="ImagePolicy", reason="Succeeded"), "'ImagePolicy'", id="image policy"),
        pytest.param(event(kind="HelmRelease", reason="TestSucceeded"), "'TestSucceeded'", id="Helm test"),
        pytest.param(event(kind="HelmRelease", reason="RollbackSucceeded"), "'RollbackSucceeded'", id="Helm rollback"),
    ],
)
def test_events_that_apply_nothing_are_ignored_with_the_reason(sent: dict[str, Any], reason: str) -> None:
    parsed = read("flux", sent)
    assert not parsed.facts
    assert reason in parsed.ignored[0]


@pytest.mark.parametrize("reason", ["Progressing", "DependencyNotReady"])
def test_what_a_kustomization_is_at_is_no_result_and_yet_known(reason: str) -> None:
    parsed = read("flux", event(reason=reason, message="at work"))
    assert f"reason '{reason}'" in parsed.ignored[0]
    [fact] = parsed.facts
    assert isinstance(fact, RevisionUnderway)
    assert (fact.name, fact.reason, fact.message) == ("parcel-api", reason, "at work")


@pytest.mark.parametrize(
    "changes",
    [{"timestamp": None}, {"timestamp": "now"}, {"involvedObject": {}}, {"metadata": {"revision": 1}}, {"reason": ""}],
)
def test_another_shape_is_unusable(changes: dict[str, object]) -> None:
    with pytest.raises(Unusable):
        read("flux", {**event(), **changes})


@pytest.mark.parametrize(
    ("text", "pointer", "commit"),
    [
        pytest.param(f"main@sha1:{COMMIT}", "main", COMMIT, id="branch"),
        pytest.param(f"feature/branch@sha1:{COMMIT}", "feature/branch", COMMIT, id="branch with slash"),
        pytest.param(f"user@site@sha1:{COMMIT}", "user@site", COMMIT, id="branch with @"),
        pytest.param(f"v1.2.3@sha1:{COMMIT}", "v1.2.3", COMMIT, id="tag"),
        pytest.param(f"refs/pull/1/head@sha1:{COMMIT}", "refs/pull/1/head", COMMIT, id="whole ref"),
        pytest.param(f"sha1:{COMMIT}", None, COMMIT, id="commit only"),
        pytest.param(f"feature/branch/{COMMIT}", "feature/branch", COMMIT, id="legacy branch"),
        pytest.param(f"HEAD/{COMMIT}", None, COMMIT, id="legacy head"),
        pytest.param(COMMIT, None, COMMIT, id="bare commit"),
        pytest.param(OCI, "latest", None, id="OCI tag"),
        pytest.param("sha256:" + "4d" * 32, None, None, id="digest only"),
        pytest.param("1.4.2", None, None, id="chart version"),
        pytest.param("1.4.2+cc57fc1903e4", None, None, id="chart version with digest"),
        pytest.param(f"main@sha1:{COMMIT[:12]}", "main", None, id="short commit"),
        pytest.param("", None, None, id="empty"),
    ],
)
def test_a_revision_is_split_into_pointer_and_commit(text: str, pointer: str | None, commit: str | None) -> None:
    revision = parse_revision(text)
    assert (revision.pointer, revision.commit) == (pointer, commit)


def test_an_oci_revision_keeps_its_digest() -> None:
    assert parse_revision(OCI) == Revision("latest", "sha256", "4d" * 32)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("namespace", "n" * 64),
        ("namespace", "team/apps"),
        ("name", "n" * 254),
        ("name", "apps\n"),
        ("kind", "K" * 64),
    ],
)
def test_what_kubernetes_lets_no_object_be_called_is_unusable(key: str, value: str) -> None:
    sent = event()
    with pytest.raises(Unusable, match=f"involvedObject.{key}"):
        read("flux", {**sent, "involvedObject": {**sent["involvedObject"], key: value}})


def test_of_an_endless_message_the_beginning_is_kept_and_an_endless_revision_is_none() -> None:
    sent = event(severity="error", reason="HealthCheckFailed", message="m" * 100_000)
    assert len(applied(sent).message) == 32_768
    for key in ("revision", "originRevision"):
        for reason in ("ReconciliationSucceeded", "Progressing"):
            told = read("flux", event(reason=reason, metadata={"revision": "main", key: "r" * 2_000}))
            assert (told.facts, told.ignored) == ((), ("a revision of 2000 characters is none",))
