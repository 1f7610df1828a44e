"""Policies made ready to choose, each once."""

from dataclasses import dataclass, field

from app.core.policies.selection import CompiledPolicy, compile_policy
from app.core.policies.spec import PolicySpec

_MOST_KEPT = 5_000


@dataclass(slots=True)
class ReadyPolicies:
    """A ready policy remembers what it read out of the tags, so that the next evaluation looks at new ones only."""

    by_spec: dict[str, CompiledPolicy] = field(default_factory=dict)

    def of(self, spec: PolicySpec) -> CompiledPolicy:
        """The policy of a spec, made ready once. Raises InvalidPolicy."""
        fingerprint = spec.fingerprint()
        found = self.by_spec.get(fingerprint)
        if found is None:
            if len(self.by_spec) >= _MOST_KEPT:
                self.by_spec.clear()
            found = self.by_spec[fingerprint] = compile_policy(spec)
        return found
