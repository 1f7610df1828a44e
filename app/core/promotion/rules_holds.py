"""The keys `holds` and `deny` of `.fluxbridge.yaml`: their form, and the holds they mean."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, Field, PlainValidator, StringConstraints, model_validator

from app.core.errors import Invalid
from app.core.images import ImageName, is_digest, is_tag
from app.core.nearest import among
from app.core.promotion.holds import GIT, Hold, HoldKind
from app.core.promotion.rules_model import PolicyPattern, StrictModel

_NEVER = datetime.min.replace(tzinfo=UTC)


def _until(written: object) -> datetime | None:
    if written is None:
        return None
    try:
        found = datetime.fromisoformat(written[:64]) if isinstance(written, str) else written
        if isinstance(found, datetime) and found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("until is a date and a time with an offset, as 2026-12-27T08:00:00Z")


def _image(written: object) -> ImageName:
    try:
        return ImageName.parse_any(written if isinstance(written, str) else "")
    except Invalid as error:
        raise ValueError(f"image is written as policies write it, without a tag: {error}") from error


def _tag(written: str) -> str:
    if not is_tag(written):
        raise ValueError("no registry takes this tag")
    return written


def _digest(written: str) -> str:
    if not is_digest(written):
        raise ValueError("a digest is sha256: with 64 or sha512: with 128 lower-case hex digits")
    return written


_Why = Annotated[
    str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$", max_length=500)
]
_Stage = Annotated[str, StringConstraints(max_length=63)]


class WrittenHold(StrictModel):
    """An entry of `holds`: policies by a pattern, a stage, or both."""

    policy: PolicyPattern | None = None
    stage: _Stage | None = None
    until: Annotated[datetime | None, PlainValidator(_until)] = None
    why: _Why

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.policy is None and self.stage is None:
            raise ValueError('it needs a policy, a stage or both; policy: "*" is for all')
        return self

    def hold(self, number: int, stages: Collection[str]) -> Hold:
        """What this entry, by its number in the list, stops. Raises ValueError where its stage is none of these."""
        if self.stage is not None and self.stage not in stages:
            raise ValueError(f"holds.{number}.stage: no stage is called {self.stage!r}: {among(self.stage, stages)}")
        return Hold(
            id=f"holds.{number}",
            stage=self.stage,
            policy=self.policy,
            tags=None,
            kind=HoldKind.MANUAL,
            who=GIT,
            why=self.why,
            since=_NEVER,
            until=self.until,
            is_in_git=True,
        )


class WrittenDenial(StrictModel):
    """An entry of `deny`: tags of an image, or a digest of it, that must not come in anywhere."""

    image: Annotated[ImageName, PlainValidator(_image)]
    tags: list[Annotated[str, AfterValidator(_tag)]] | None = Field(default=None, min_length=1, max_length=1000)
    digest: Annotated[str, AfterValidator(_digest)] | None = None
    why: _Why

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.tags is None) == (self.digest is None):
            raise ValueError("it has exactly one of tags and digest")
        return self

    def hold(self, number: int) -> Hold:
        """What this entry, by its number in the list, denies; the image is as written."""
        return Hold(
            id=f"deny.{number}",
            stage=None,
            policy=None,
            tags=None if self.tags is None else tuple(dict.fromkeys(self.tags)),
            kind=HoldKind.DENIED,
            who=GIT,
            why=self.why,
            since=_NEVER,
            image=self.image,
            digest=self.digest,
            is_in_git=True,
        )
