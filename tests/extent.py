"""With how many examples a law is tried: with few in the gate, with many where the environment says so.

A long run: `FLUXBRIDGE_FUZZ_EXAMPLES=1000 uv run pytest tests/core tests/senders`.
"""

import os

EXAMPLES = int(os.environ.get("FLUXBRIDGE_FUZZ_EXAMPLES", "30"))
"""Of each law that says nothing else; what costs more or may be hit seldom says a part or a multiple of it."""
