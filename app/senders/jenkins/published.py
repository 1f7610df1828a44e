"""What a build says it published: images and Helm charts, read one by one, so that a bad one does not cost the rest."""

from collections.abc import Callable, Sequence

from pydantic import BaseModel, JsonValue

from app.core.facts import Artifact
from app.core.images import ImageName, InvalidImage, is_hinted_digest, is_tag, tag_of_version
from app.senders.payload import PAYLOAD, Line, OptionalLine, read_model
from app.senders.sender import Unusable


class _Image(BaseModel):
    """An image that the build says it pushed; `repository` is in full, without tag."""

    model_config = PAYLOAD
    repository: Line
    tag: Line
    digest: OptionalLine = None


class _Chart(BaseModel):
    """A Helm chart that the build says it pushed as an OCI artifact."""

    model_config = PAYLOAD
    repository: Line
    version: Line
    digest: OptionalLine = None


def read_published(
    images: Sequence[JsonValue] | None, charts: Sequence[JsonValue] | None
) -> tuple[tuple[Artifact, ...], tuple[str, ...]]:
    """What both lists name, each thing once, and what is wrong with others."""
    found_images, bad_images = _read_each("images", images, _read_image)
    found_charts, bad_charts = _read_each("charts", charts, _read_chart)
    return tuple(dict.fromkeys(found_images + found_charts)), (*bad_images, *bad_charts)


def _read_each(
    place: str, items: Sequence[JsonValue] | None, read: Callable[[JsonValue], Artifact]
) -> tuple[list[Artifact], list[str]]:
    artifacts, problems = [], []
    for position, item in enumerate(items or ()):
        try:
            artifacts.append(read(item))
        except Unusable as error:
            problems.append(f"{place}[{position}]: {error.problem}")
        except InvalidImage as error:
            problems.append(f"{place}[{position}]: {error}")
    return artifacts, problems


def _read_image(item: JsonValue) -> Artifact:
    image = read_model(item, _Image)
    return Artifact("image", ImageName.parse(image.repository), _as_tag(image.tag), _as_digest(image.digest))


def _read_chart(item: JsonValue) -> Artifact:
    chart = read_model(item, _Chart)
    name = ImageName.parse_any(chart.repository.removeprefix("oci://"))
    # Tags cannot hold the `+` of a version's build part; Helm writes `_` in its place.
    return Artifact("chart", name, _as_tag(tag_of_version(chart.version)), _as_digest(chart.digest))


def _as_tag(text: str) -> str:
    if not is_tag(text):
        raise InvalidImage(text, "a tag is 1 to 128 of A-Z a-z 0-9 _ . - (not starting with . or -)")
    return text


def _as_digest(text: str | None) -> str | None:
    if text is not None and not is_hinted_digest(text):
        raise InvalidImage(text, "a digest is sha256: and 64 lower-case hex digits, or another that OCI allows")
    return text
