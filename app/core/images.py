"""Image names, references, tags and digests, by the grammar of distribution/reference."""

import re
from collections.abc import Callable
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
# A classic Helm repository is a plain web server: its paths are those of URLs, and charts have what names they like.
_CHART_COMPONENT = r"[A-Za-z0-9_][A-Za-z0-9._~-]*"
_CHART_PATH = re.compile(rf"{_CHART_COMPONENT}(?:/{_CHART_COMPONENT})*")
_SCHEME_MARK = "://"
_USUAL_PORTS = {"https": ":443", "http": ":80"}


class InvalidImage(Invalid):
    """A text that should name an image, a tag or a digest does not."""

    def __init__(self, text: str, problem: str) -> None:
        super().__init__(f"{text[:300]!r} is no image reference: {problem}")
        self.text = text


@dataclass(frozen=True, slots=True, order=True)
class ImageName:
    """A repository at a registry, in full; or a chart of a classic Helm repository, whose registry has its scheme.

    >>> ImageName.parse("nginx") == ImageName.parse("docker.io/library/nginx")
    True
    >>> str(ImageName.parse("registry.acme.example:5000/team/app"))
    'registry.acme.example:5000/team/app'
    >>> ImageName.parse_chart("https://charts.acme.example/stable/shop")
    ImageName(registry='https://charts.acme.example', path='stable/shop')
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
    def parse_chart(cls, text: str) -> Self:
        """Read `https://host/folder/chart` (or `http://`), the folder being that of `index.yaml`. Raises InvalidImage.

        >>> str(ImageName.parse_chart("https://Charts.acme.example:443//stable/Shop/"))
        'https://charts.acme.example/stable/Shop'
        """
        scheme, mark, rest = text.partition(_SCHEME_MARK)
        if not mark or scheme not in _USUAL_PORTS:
            raise InvalidImage(text, "a chart of a classic Helm repository is written https://host/path/chart")
        host, _, path = rest.partition("/")
        return cls.at(catalogue_name(scheme, host), "/".join(filter(None, path.split("/"))), written=text)

    @classmethod
    def parse_any(cls, text: str) -> Self:
        """Read an image, or a chart of a classic Helm repository by its address. Raises InvalidImage."""
        return cls.parse_chart(text) if is_of_classic(text) else cls.parse(text)

    @classmethod
    def at(cls, registry: str, path: str, *, written: str | None = None) -> Self:
        """Join a registry host (with port, if any) and a repository path. Raises InvalidImage.

        The host of a classic Helm repository has its scheme (see `catalogue_name`).
        """
        text = written if written is not None else f"{registry}/{path}"
        host = registry.partition(_SCHEME_MARK)[2] if is_of_classic(registry) else registry
        if not _DOMAIN.fullmatch(host):
            raise InvalidImage(text, f"{registry[:80]!r} is no registry host")
        if len(path) > _LONGEST_PATH:
            raise InvalidImage(text, f"its path is longer than {_LONGEST_PATH} characters")
        if is_of_classic(registry):
            if not _CHART_PATH.fullmatch(path):
                raise InvalidImage(
                    text, "its path has letters, digits and - _ . ~ only, and its last part is the chart"
                )
            return cls(registry, path)
        if not _PATH.fullmatch(path):
            raise InvalidImage(text, "a path has lower-case letters, digits and single separators . _ - / only")
        return cls(registry, path)

    @classmethod
    def of_repository(cls, text: str) -> Self:
        """Read a name that was written by this class: nothing is normalised, nothing checked.

        >>> ImageName.of_repository("registry.acme.example:5000/team/app")
        ImageName(registry='registry.acme.example:5000', path='team/app')
        >>> ImageName.of_repository("https://charts.acme.example/stable/shop").path
        'stable/shop'
        """
        scheme, mark, rest = text.partition(_SCHEME_MARK) if is_of_classic(text) else ("", "", text)
        host, _, path = rest.partition("/")
        return cls(f"{scheme}{mark}{host}", path)

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
        return cls._read(text, ImageName.parse)

    @classmethod
    def parse_any(cls, text: str) -> Self:
        """Read the same also of a chart of a classic Helm repository. Raises InvalidImage."""
        return cls._read(text, ImageName.parse_any)

    @classmethod
    def _read(cls, text: str, read_name: Callable[[str], ImageName]) -> Self:
        rest, at, digest = text.partition("@")
        if at and not is_digest(digest):
            raise InvalidImage(text, "its digest is not sha256 with 64 or sha512 with 128 lower-case hex digits")
        name, colon, tag = rest.rpartition(":")
        if not colon or "/" in tag:
            name, colon, tag = rest, "", ""
        if colon and not is_tag(tag):
            raise InvalidImage(text, "its tag is not 1 to 128 of A-Z a-z 0-9 _ . - (not starting with . or -)")
        return cls(read_name(name), tag or None, digest or None)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


def catalogue_name(scheme: str, host: str) -> str:
    """What the registry of a classic Helm repository is called: never like an OCI registry of the same host.

    >>> catalogue_name("https", "Charts.acme.example:443")
    'https://charts.acme.example'
    """
    return f"{scheme}{_SCHEME_MARK}{host.lower().removesuffix(_USUAL_PORTS[scheme])}"


def is_of_classic(text: str) -> bool:
    """Tell whether a name, or that of its registry, is one of a classic Helm repository: it has a scheme of the web."""
    return text.startswith(tuple(f"{scheme}{_SCHEME_MARK}" for scheme in _USUAL_PORTS))


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


def tag_of_version(version: str) -> str:
    """The tag under which a version of a chart is known, as Helm writes it.

    >>> tag_of_version("1.2.3+build.5")
    '1.2.3_build.5'
    """
    return version.replace("+", "_")


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
