"""How mappings of `.fluxbridge.yaml` are read."""

from pydantic import BaseModel, ConfigDict


class StrictModel(BaseModel):
    """A mapping in `.fluxbridge.yaml`: no key that is not known, no value of another type."""

    model_config = ConfigDict(extra="forbid", strict=True)
