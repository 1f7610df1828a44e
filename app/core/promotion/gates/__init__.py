"""What a tag must pass to enter a stage: one gate a file, each under its key in a stage's `requires`."""

from app.core.promotion.gates.build import BuildGate
from app.core.promotion.gates.gate import Gate

GATES: dict[str, type[Gate]] = {"build": BuildGate}
