"""How mappings of `.fluxbridge.yaml` are read."""

from pydantic import BaseModel, ConfigDict


class StrictModel(BaseModel):
    """A mapping in `.fluxbridge.yaml`: no key that is not known, no value of another type.

    Validators are built when a file is first read: it takes a fifth of a command's time, and many read none.
    """

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)
