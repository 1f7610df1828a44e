"""What registries' events have in common: names are checked, and what is no tagged image is left out with a reason."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from app.core.errors import Invalid
from app.core.facts import Fact, ImagePushed, TagDeleted
from app.core.images import ImageName, InvalidImage, is_hinted_digest, is_signature_tag, is_tag
from app.senders.sender import Origin, Parsed, Unusable

CHART = "application/vnd.cncf.helm."
"""With what all media types of charts begin."""
_HOLDS_IMAGES = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        # Some senders tell that of the config instead.
        "application/vnd.docker.container.image.v1+json",
        "application/vnd.oci.image.config.v1+json",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What a part of a body says of one tag, as it stands there; an empty text is no text.

    `host` is the registry that the body names, None where it names none.
    """

    path: str
    tag: str | None
    host: str | None = None
    digest: str | None = None
    media_type: str | None = None
    at: datetime | None = None
    is_deletion: bool = False


Reading = Callable[[], Telling | str]
"""Reads one part of a body: a telling, or why it is of no interest. Raises Invalid, Unusable among it."""


def read_each(origin: Origin, parts: Iterable[tuple[str, Reading]]) -> Parsed:
    """Read each part, named by its place; a malformed one is a problem, and does not cost the others.

    Raises OriginNotNamed.
    """
    origin.named("registry")
    facts: list[Fact] = []
    ignored, problems = [], []
    for place, read in parts:
        try:
            told = read()
            fact = told if isinstance(told, str) else _settle(told, origin)
        except Unusable as error:
            problems.append(_at(place, error.problem))
        except Invalid as error:
            problems.append(_at(place, str(error)))
        else:
            if isinstance(fact, str):
                ignored.append(_at(place, fact))
            else:
                facts.append(fact)
    return Parsed(tuple(facts), tuple(ignored), tuple(problems))


def read_one(origin: Origin, read: Reading) -> Parsed:
    """Read a body that is one event. Raises OriginNotNamed."""
    return read_each(origin, [("", read)])


def _settle(told: Telling, origin: Origin) -> Fact | str:
    """The fact, or why there is none. Raises InvalidImage."""
    media_type = _bare(told.media_type)
    is_chart = media_type.startswith(CHART)
    if media_type and not is_chart and media_type not in _HOLDS_IMAGES:
        return f"media type {media_type[:80]!r} is neither an image nor a chart"
    # Harbor and Nexus write the digest in the place of a tag, where there is none.
    is_by_digest = not told.tag or is_hinted_digest(told.tag)
    tag, digest = (None, told.tag or told.digest or None) if is_by_digest else (told.tag, told.digest or None)
    if tag is None and (digest is None or not told.is_deletion):
        return "it names no tag"
    if tag is not None and is_signature_tag(tag):
        return f"tag {tag} holds a signature or a list of referrers, no image"
    image = ImageName.at(_host(told, origin), told.path)
    _check_names(tag, digest)
    if not origin.speaks_for_registry(told.host):
        return f"{image} is not in {origin.registry}, for which the source speaks, nor in one of its aliases"
    if tag is None or told.is_deletion:
        return TagDeleted(image=image, tag=tag, digest=digest, at=told.at)
    return ImagePushed(image=image, tag=tag, digest=digest, at=told.at, is_chart=is_chart)


def _check_names(tag: str | None, digest: str | None) -> None:
    if tag is not None and not is_tag(tag):
        raise InvalidImage(tag, "a tag is 1 to 128 of A-Z a-z 0-9 _ . -")
    # The registry is asked in any case: whatever OCI allows is a hint.
    if digest is not None and not is_hinted_digest(digest):
        raise InvalidImage(digest, "a digest is sha256 with 64 hex digits, or another that OCI allows")


def _host(told: Telling, origin: Origin) -> str:
    """The registry of the settings, by its own name, or the one that the body tells where that is another."""
    return origin.registry_for(told.host) if origin.speaks_for_registry(told.host) else str(told.host)


def _bare(media_type: str | None) -> str:
    return (media_type or "").partition(";")[0].strip().lower()


def _at(place: str, words: str) -> str:
    return f"{place}: {words}" if place else words
