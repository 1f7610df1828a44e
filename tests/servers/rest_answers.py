"""What is asked of a forge of ours over HTTP, and what it answers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request below the API's base URL; `by` is the login of its token."""

    method: str
    path: str
    query: str
    body: bytes
    by: str

    def content(self) -> Body:
        read: Body = json.loads(self.body)
        return read

    def parameters(self) -> Mapping[str, str]:
        return {name: values[0] for name, values in parse_qs(self.query).items()}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back: `body` as JSON, or `raw` as it is."""

    status: int
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None

    def content(self) -> bytes:
        return self.raw if self.raw is not None else json.dumps(self.body).encode()
