"""What readers of lists share: one page of a list, which page is asked for, and texts that are safe both ways."""

from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from app.core.errors import NotFound
from app.db.pages import LONGEST_PAGE

Item = TypeVar("Item")

# PostgreSQL takes no U+0000, and no name here has a control character.
Line = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
Text = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
Limit = Annotated[int, Field(ge=1, le=LONGEST_PAGE)]
Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-z]{1,64}$")]


def _encodable(value: object) -> object:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


# Tags out of a file and names of files may hold what no JSON document can.
Shown = Annotated[str, BeforeValidator(_encodable)]


class Listing(BaseModel, Generic[Item]):
    """One page of a list; `next` is what `after` must be for the following one, None on the last."""

    items: list[Item]
    next: str | None


class Paging(BaseModel):
    """Which page of a list: `after` is the `next` of the page before."""

    model_config = ConfigDict(extra="forbid")

    after: Line | None = None
    limit: Limit = 50


class UnknownId(NotFound):
    """Nothing of this kind has this id."""

    def __init__(self, kind: str, id_: str) -> None:
        super().__init__(f"there is no {kind} {id_!r}; the list of them has every id")
