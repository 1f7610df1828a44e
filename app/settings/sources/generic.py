"""Where in a body that nobody else knows each part stands, as JSON paths."""

import re
from typing import Annotated, ClassVar

from pydantic import BeforeValidator

from app.settings.values import Called, Name, Patterns, Section, wrong

_STEP = re.compile(
    r"\.?(?P<name>[^.\[\]'\"$*]+)|\[(?P<position>-?[0-9]{1,9})\]|\[(?P<mark>['\"])(?P<quoted>.+?)(?P=mark)\]"
)
_MOST_STEPS = 32


def _json_path(value: object) -> object:
    """Turn `$.push.tags[0]['name']` into its steps; `$` and the first dot may be left out."""
    if not isinstance(value, str):
        return value
    rest, steps = value.removeprefix("$"), list[str | int]()
    while rest:
        step = _STEP.match(rest)
        if step is None or (not steps and rest.startswith(".") and not value.startswith("$")):
            break
        steps.append(int(step["position"]) if step["position"] else step["name"] or step["quoted"])
        rest = rest[step.end() :]
    if rest or not 0 < len(steps) <= _MOST_STEPS:
        raise wrong("must be a JSON path such as repository.name, tags[0] or detail['image-tag'], without wildcards")
    return tuple(steps)


JsonPath = Annotated[tuple[str | int, ...], Called("JSON path"), BeforeValidator(_json_path)]


class BodyPaths(Section):
    """What is read of a body of `kind: generic`, and of whose builds it tells."""

    image: JsonPath
    """Where the image stands, with its registry or without, such as `repository.full_name`. A body that has nothing
    there is ignored.
    """
    tag: JsonPath
    """Its tag. A body that has nothing there is ignored."""
    digest: JsonPath | None = None
    """Its digest."""
    time: JsonPath | None = None
    """When it was pushed: RFC 3339, or seconds or milliseconds since 1970."""
    commit: JsonPath | None = None
    """The commit that was built; it counts with `build` and `result`."""
    build: JsonPath | None = None
    """The build that pushed it: the URL of its page below `jenkins`, or its name such as `folder/app#12`."""
    result: JsonPath | None = None
    """How that build ended, in Jenkins' words. It counts under `hmac` only; else Jenkins is asked."""
    jenkins: Name | None = None
    """The entry under `jenkins` whose builds these are; without it, none counts."""
    jobs: Patterns | None = None
    """Jobs that the source may report. Without it, every job."""

    parts: ClassVar[tuple[str, ...]] = ("image", "tag", "digest", "time", "commit", "build", "result")

    @property
    def paths(self) -> dict[str, tuple[str | int, ...]]:
        """The path to each part that has one."""
        return {part: path for part in self.parts if (path := getattr(self, part)) is not None}
