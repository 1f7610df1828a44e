"""What a list can be narrowed to, as the API and the command line take it."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from app.core.facts import BuildResult
from app.db.deliveries import DeliveryState
from app.db.pages import LONGEST_PAGE
from app.db.promotions import PromotionState

# PostgreSQL takes no U+0000, and no name here has a control character.
Line = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
Text = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
Limit = Annotated[int, Field(ge=1, le=LONGEST_PAGE)]
Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-z]{1,64}$")]


class Paging(BaseModel):
    """Which page of a list: `after` is the `next` of the page before."""

    model_config = ConfigDict(extra="forbid")

    after: Line | None = None
    limit: Limit = 50


class DeliveryFilters(Paging):
    """Which deliveries."""

    source: Line | None = None
    state: DeliveryState | None = None


class BuildFilters(Paging):
    """Which builds; `image` is one that they say they published."""

    job: Line | None = None
    result: BuildResult | None = None
    image: Line | None = None


class TagFilters(Paging):
    """Which repository's tags."""

    image: Line


class PolicyFilters(Paging):
    """Which policies; `status` is its first words, such as `waiting`."""

    repo: Line | None = None
    status: Line | None = None


class ApplicationFilters(Paging):
    """Which applications."""

    cluster: Line | None = None


class StageFilters(Paging):
    """Which places; `policy` is its whole name or only the last part."""

    repo: Line | None = None
    stage: Line | None = None
    policy: Line | None = None
    image: Line | None = None


class PromotionFilters(StageFilters):
    """Which promotions: changed last from `since` (inclusive) until `until` (exclusive)."""

    state: PromotionState | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
