"""Image names, references, tags and digests, by the grammar of distribution/reference."""

import re
from dataclasses import dataclass
from typing import Self

from app.core.errors import Invalid

_DOMAIN_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = re.compile(rf"(?:{_DOMAIN_LABEL}(?:\.{_DOMAIN_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_OCI_DIGEST = re.compile(r"(?P<algorithm>[a-z0-9]+(?:[+._-][a-z0-9]+)*):[a-zA-Z0-9=_-]+")
_REGISTERED = frozenset({"sha256", "sha512"})
_LONGEST_DIGEST = 255
_BARE_ID = re.compile(r"[0-9a-f]{64}")
_SIGNATURE_TAG = re.compile(r"sha256-[0-9a-f]{64}(?:\.(?:sig|att|sbom))?|sha512-[0-9a-f]{64}")
_DOCKER_HUB = "docker.io"
_DOCKER_HUB_ALIASES = frozenset({"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})
_LONGEST_PATH = 255


class InvalidImage(Invalid):
    """A text that should name an image, a tag or a digest does not."""

    def __init__(self, text: str, problem: str) -> None:
        super().__init__(f"{text[:300]!r} is no image reference: {problem}")
        self.text = text


@dataclass(frozen=True, slots=True, order=True)
class ImageName:
    """A repository at a registry, in full.

    >>> ImageName.parse("nginx") == ImageName.parse("docker.io/library/nginx")
    True
    >>> str(ImageName.parse("registry.acme.example:5000/team/app"))
    'registry.acme.example:5000/team/app'
    """

    registry: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a name without tag or digest, normalised as Docker does it.

        Raises InvalidImage. Source: distribution/reference, `ParseNormalizedNamed`.
        """
        registry, path = _split_domain(text)
        if registry in _DOCKER_HUB_ALIASES:
            registry = _DOCKER_HUB
        if registry == _DOCKER_HUB and "/" not in path:
            path = f"library/{path}"
        return cls.at(registry, path, written=text)

    @classmethod
    def at(cls, registry: str, path: str, *, written: str | None = None) -> Self:
        """Join a registry host (with port, if any) and a repository path. Raises InvalidImage."""
        text = written if written is not None else f"{registry}/{path}"
        if not _DOMAIN.fullmatch(registry):
            raise InvalidImage(text, f"{registry[:80]!r} is no registry host")
        if len(path) > _LONGEST_PATH:
            raise InvalidImage(text, f"its path is longer than {_LONGEST_PATH} characters")
        if not _PATH.fullmatch(path):
            raise InvalidImage(text, "a path has lower-case letters, digits and single separators . _ - / only")
        return cls(registry, path)

    @classmethod
    def of_repository(cls, text: str) -> Self:
        """Read a name that was written by this class: nothing is normalised, nothing checked.

        >>> ImageName.of_repository("registry.acme.example:5000/team/app")
        ImageName(registry='registry.acme.example:5000', path='team/app')
        """
        registry, _, path = text.partition("/")
        return cls(registry, path)

    def __str__(self) -> str:
        return f"{self.registry}/{self.path}"


@dataclass(frozen=True, slots=True)
class ImageReference:
    """An image name with a tag, a digest or both.

    >>> ImageReference.parse("ghcr.io/org/app:1.2")
    ImageReference(name=ImageName(registry='ghcr.io', path='org/app'), tag='1.2', digest=None)
    """

    name: ImageName
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `name[:tag][@digest]`. Raises InvalidImage."""
        rest, at, digest = text.partition("@")
        if at and not is_digest(digest):
            raise InvalidImage(text, "its digest is not sha256 with 64 or sha512 with 128 lower-case hex digits")
        name, colon, tag = rest.rpartition(":")
        if not colon or "/" in tag:
            name, colon, tag = rest, "", ""
        if colon and not is_tag(tag):
            raise InvalidImage(text, "its tag is not 1 to 128 of A-Z a-z 0-9 _ . - (not starting with . or -)")
        return cls(ImageName.parse(name), tag or None, digest or None)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


def is_tag(text: str) -> bool:
    """Tell whether a registry accepts this tag."""
    return _TAG.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """Tell whether this is a whole digest that may stand in a reference: sha256 or sha512 in lower-case hex digits."""
    return _DIGEST.fullmatch(text) is not None


def is_hinted_digest(text: str) -> bool:
    """Tell whether OCI allows this digest: those of algorithms that it has not registered only hint at a manifest.

    Source: OCI image-spec, descriptor.md. Of the registered ones the length is known.

    >>> is_hinted_digest("blake3:0a1b"), is_hinted_digest("sha256:0a1b")
    (True, False)
    """
    found = _OCI_DIGEST.fullmatch(text)
    if found is None or len(text) > _LONGEST_DIGEST:
        return False
    return found["algorithm"] not in _REGISTERED or is_digest(text)


def named_in_texts(name: str) -> re.Pattern[str]:
    """Finds an image, or a tag of it, in what people read, and none of which this is only a part.

    >>> found = named_in_texts("r.example/app")
    >>> [bool(found.search(f"of {name}.")) for name in ("r.example/app:1.0", "r.example/app-x", "my.r.example/app")]
    [True, False, False]
    """
    return re.compile(rf"(?<![\w./-]){re.escape(name)}(?![\w/-]|\.\w)", re.ASCII)


def version_of_tag(tag: str) -> str:
    """The version of a chart by its tag in a registry. Source: Helm writes `+` as `_`, which a tag may have.

    >>> version_of_tag("1.2.3_build.5")
    '1.2.3+build.5'
    """
    return tag.replace("_", "+")


def is_signature_tag(tag: str) -> bool:
    """Tell whether a tag holds a signature, attestation, SBOM or referrers index and no image (cosign, OCI 1.1)."""
    return _SIGNATURE_TAG.fullmatch(tag) is not None


def _split_domain(text: str) -> tuple[str, str]:
    if "://" in text:
        raise InvalidImage(text, "leave the URL scheme out")
    if _BARE_ID.fullmatch(text):
        raise InvalidImage(text, "64 hex digits are an image id, not a name")
    first, slash, rest = text.partition("/")
    if slash and (first == "localhost" or any(mark in first for mark in ".:") or first != first.lower()):
        return first, rest
    return _DOCKER_HUB, text
