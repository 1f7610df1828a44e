"""Any sender of JSON: where in its body image, tag and the rest stand, the settings say."""

import re
from datetime import datetime
from typing import TypeGuard

from pydantic import JsonValue

from app.core.builds.job_names import job_name_problem
from app.core.facts import Artifact, BuildFinished, BuildMentioned, BuildResult, ImagePushed
from app.core.images import ImageName, InvalidImage
from app.senders.instants import parse_moment
from app.senders.jenkins.pages import build_of
from app.senders.payload import is_commit
from app.senders.proofs import expect_bare_hmac, expect_hmac, verify_bare_hmac, verify_hmac, verify_shared_secret
from app.senders.registries.tellings import Telling, read_one
from app.senders.sender import (
    EACH_IS_NEW_S,
    MOST_BYTES,
    JsonPath,
    Keys,
    Origin,
    Parsed,
    Sender,
    Unusable,
    WebhookRequest,
    no_external_id,
)
from app.senders.strict_json import read_json
from app.senders.web_addresses import lies_under

_SIGNATURE = "X-Signature"
_LONGEST = 1000
_HOST = re.compile(r"(?:[^/]*[.:][^/]*|localhost)/.+")
_BUILD_NAME = re.compile(r"(?P<job>.+?) ?#(?P<number>[1-9][0-9]{0,8})")
_MILLISECONDS = 100_000_000_000


def verify(request: WebhookRequest, keys: Keys, _now: datetime) -> None:
    """Check what is configured: a signature over the raw body, headers, URL token or Basic credentials.

    Raises NoKeyConfigured, ProofMissing, WrongProof.
    """
    if keys.secrets:
        verify_signed = verify_bare_hmac if _is_bare(request) else verify_hmac
        verify_signed(request, keys, header=_SIGNATURE, signed=request.body)
    else:
        verify_shared_secret(request, keys)


def prove_head(request: WebhookRequest, keys: Keys, now: datetime) -> bool:
    """The head is the whole proof but for a signature, of which it tells only whether there is one."""
    if keys.secrets:
        (expect_bare_hmac if _is_bare(request) else expect_hmac)(request, keys, header=_SIGNATURE)
        return False
    verify(request, keys, now)
    return True


def parse(request: WebhookRequest, origin: Origin) -> Parsed:
    """Read the push of a tag, and of which build it is. A body without image or tag is ignored. Raises Unusable."""
    body = read_json(request.body, most_bytes=MOST_BYTES)
    told = {name: value for name, path in origin.paths.items() if (value := _at(body, path)) not in {None, ""}}
    image, tag = _text(told, "image"), _text(told, "tag")
    if image is None or tag is None:
        return Parsed(ignored=(f"it has no {'image' if image is None else 'tag'} where the settings say",))
    at, digest = _instant(told.get("time")), _text(told, "digest")
    name = _image(image, origin)
    push = read_one(origin, lambda: Telling(host=name.registry, path=name.path, tag=tag, digest=digest, at=at))
    published = tuple(
        Artifact("image", one.image, one.tag, one.digest) for one in push.facts if isinstance(one, ImagePushed)
    )
    try:
        build = _read_build(told, origin, at, published)
    except Unusable as error:
        build = Parsed(problems=(error.problem,))
    return Parsed(push.facts + build.facts, push.ignored + build.ignored, push.problems + build.problems)


def _at(body: JsonValue, path: JsonPath) -> str | int | float | None:
    """The value that a path leads to; None where there is nothing. Raises Unusable where it is no single value."""
    found = body
    for step in path:
        if isinstance(found, dict) and isinstance(step, str):
            found = found.get(step)
        elif isinstance(found, list) and isinstance(step, int) and -len(found) <= step < len(found):
            found = found[step]
        else:
            return None
    if isinstance(found, dict | list | bool):
        raise Unusable(f"{'.'.join(map(str, path))[:200]!r} leads to no text")
    return found


def _text(told: dict[str, str | int | float], name: str) -> str | None:
    value = told.get(name)
    if value is not None and (not isinstance(value, str) or len(value) > _LONGEST or not value.isprintable()):
        raise Unusable(f"{name}: must be one line of 1 to {_LONGEST} characters")
    return value if isinstance(value, str) else None


def _instant(value: str | float | None) -> datetime | None:
    """A time as text, or in seconds or milliseconds since 1970; what is none counts as not told."""
    try:
        return None if value is None else parse_moment(value / 1000 if _is_in_milliseconds(value) else value)
    except ValueError:
        return None


def _is_in_milliseconds(value: str | float) -> TypeGuard[float]:
    return not isinstance(value, str) and value >= _MILLISECONDS


def _image(text: str, origin: Origin) -> ImageName:
    """The image, which is told with its registry or without. Raises Unusable, OriginNotNamed."""
    try:
        return ImageName.parse(text if _HOST.fullmatch(text) else f"{origin.named('registry')}/{text}")
    except InvalidImage as error:
        raise Unusable(f"image: {error}") from None


def _read_build(
    told: dict[str, str | int | float], origin: Origin, at: datetime | None, published: tuple[Artifact, ...]
) -> Parsed:
    """The build, as a fact where a signature proves its result, else as a hint that Jenkins is asked about."""
    build, result, commit = (_text(told, name) for name in ("build", "result", "commit"))
    if build is None:
        return Parsed(ignored=("it has a result, but no build",) if result else ())
    if origin.jenkins is None:
        return Parsed(ignored=("it names a build, but the source no `jenkins`",))
    job, number, url = _identify(build, origin)
    if result is None or not origin.is_signed:
        unproven = ("a result counts only where the body is signed: Jenkins is asked",) if result else ()
        return Parsed((BuildMentioned(controller=origin.jenkins, job=job, number=number),), unproven)
    if commit is not None and not is_commit(commit):
        raise Unusable("commit: must be a whole commit id of 40 or 64 lower-case hex digits")
    fact = BuildFinished(
        controller=origin.jenkins,
        job=job,
        number=number,
        result=_result(result),
        url=url,
        finished_at=at,
        commit=commit,
        artifacts=published,
    )
    return Parsed((fact,))


def _identify(build: str, origin: Origin) -> tuple[str, int, str | None]:
    """Job, number and page of a build that is named by its page or as `folder/app#12`. Raises Unusable."""
    root = origin.jenkins_url
    if root and lies_under(build, root) and (page := build_of(build, root)):
        return (*page, build)
    name = _BUILD_NAME.fullmatch(build)
    problem = job_name_problem(name["job"]) if name and "://" not in build else f"none of a job below {root}"
    if name is None or problem is not None:
        raise Unusable(f"build: {build[:200]!r} is neither a build's page nor a name such as folder/app#12: {problem}")
    return name["job"], int(name["number"]), None


def _result(text: str) -> BuildResult:
    try:
        return BuildResult(text.upper())
    except ValueError:
        raise Unusable(f"result: {text[:40]!r} is none of Jenkins: {', '.join(BuildResult)}") from None


def _is_bare(request: WebhookRequest) -> bool:
    """Whether a signature was sent that names no algorithm."""
    return "=" not in (request.headers.get(_SIGNATURE.lower()) or "=")


GENERIC = Sender(
    kind="generic",
    verify=verify,
    prove_head=prove_head,
    external_id=no_external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent"),
    needs=("secrets", "headers", "url_tokens", "basic"),
    tells={
        "push": ("image", "tag", "digest", "time"),
        "build": ("job", "number", "result", "url", "commit", "time", "image", "tag", "digest"),
    },
    speaks_for="registry",
    slot_s=EACH_IS_NEW_S,
)
