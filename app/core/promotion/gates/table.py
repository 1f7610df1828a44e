"""The gates that rules may ask for, each by its key in a stage's `requires`."""

from app.core.promotion.gates.build import BuildGate
from app.core.promotion.gates.gate import Gate

GATES: dict[str, type[Gate]] = {"build": BuildGate}
