"""How mappings of `.fluxbridge.yaml` are read."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

PolicyPattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._/:*?\[\]!-]+$", max_length=520)]
"""Names of policies, with `*`, `?` and `[]` for what differs."""


class StrictModel(BaseModel):
    """A mapping in `.fluxbridge.yaml`: no key that is not known, no value of another type.

    Validators are built when a file is first read: it takes a fifth of a command's time, and many read none.
    """

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)
