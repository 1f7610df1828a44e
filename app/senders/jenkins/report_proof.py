"""How a build report is proven: by an HMAC under a shared secret, or by a token in which Jenkins names the build."""

import re
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel

from app.senders.id_tokens import WrongToken, read_claims, verify_id_token
from app.senders.jenkins.pages import job_of
from app.senders.payload import PAYLOAD, JobName, Line, PositiveNumber, read_body
from app.senders.proofs import OutsideWindow, ProofMissing, expect_hmac, verify_hmac
from app.senders.sender import IdTokens, Keys, Unusable, WebhookRequest

SIGNED_AT = "X-Signature-Timestamp"
_SIGNATURE = "X-Signature"
_SECONDS = re.compile(r"[0-9]{1,11}")
_WINDOW = timedelta(minutes=5)


class _Build(BaseModel):
    """The build that a token is of, as the plugin names it unless an administrator changed its claims."""

    model_config = PAYLOAD
    sub: Line
    build_number: PositiveNumber


class _Named(BaseModel):
    """The build that a report is about."""

    model_config = PAYLOAD
    job: JobName
    build_number: PositiveNumber


def verify(request: WebhookRequest, keys: Keys, now: datetime) -> None:
    """Check the token and that the report is of its build, where the source has tokens; else the signature.

    The HMAC is over `timestamp + "." + body`, and the timestamp within 5 minutes of `now`. Raises NotAuthentic leaves,
    and KeysNotFetched.
    """
    if keys.id_tokens is not None:
        job, number = _token_build(request, keys, keys.id_tokens, now)
        _require_its_own(request, job, number)
        return
    sent = _signed_at(request)
    verify_hmac(request, keys, header=_SIGNATURE, signed=sent.encode() + b"." + request.body)
    _check_window(sent, now)


def prove_head(request: WebhookRequest, keys: Keys, now: datetime) -> bool:
    """A token proves that a build of this Jenkins sends; of a signature the head tells only whether and of when it is.

    Raises the same.
    """
    if keys.id_tokens is not None:
        _token_build(request, keys, keys.id_tokens, now)
        return True
    sent = _signed_at(request)
    expect_hmac(request, keys, header=_SIGNATURE)
    _check_window(sent, now)
    return False


def is_signed(request: WebhookRequest) -> bool:
    """Tell of a kept report whether its body was signed: one that a token proves has no time of a signature."""
    return SIGNED_AT.lower() in request.headers


def _token_build(request: WebhookRequest, keys: Keys, expected: IdTokens, now: datetime) -> tuple[str, int]:
    """Job and number of the build that the token is of."""
    if is_signed(request) or _SIGNATURE.lower() in request.headers:
        raise ProofMissing("The request", problem="has a signature as well", expected="the token alone")
    build = read_claims(verify_id_token(request, keys, now, issuers=(expected.issuer,)), _Build)
    if not build.sub.startswith(f"{expected.jobs_below}/job/"):
        raise WrongToken(f"is of no job below {expected.jobs_below}: its sub must be the URL of one")
    try:
        return job_of(build.sub.removeprefix(f"{expected.jenkins_url}/")), build.build_number
    except Unusable:
        raise WrongToken("is of no job: its sub must be the URL of one, as the plugin has it by default") from None


def _require_its_own(request: WebhookRequest, job: str, number: int) -> None:
    """A build speaks for itself and no other. Raises WrongToken."""
    try:
        told = read_body(request, _Named)
    except Unusable as error:
        raise WrongToken(f"is of a build, and the body is of none: {error.problem}") from None
    if (told.job, told.build_number) != (job, number):
        raise WrongToken("is of another build than the report: job and build_number must be those of the build itself")


def _signed_at(request: WebhookRequest) -> str:
    sent = request.headers.get(SIGNED_AT.lower(), "")
    if not _SECONDS.fullmatch(sent):
        problem = "is malformed" if sent else "is missing or empty"
        raise ProofMissing(SIGNED_AT, problem=problem, expected="whole seconds since 1970, as in the signature")
    return sent


def _check_window(sent: str, now: datetime) -> None:
    signed_at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(sent))
    if abs(now - signed_at) > _WINDOW:
        raise OutsideWindow(signed_at=signed_at, now=now, window=_WINDOW)
