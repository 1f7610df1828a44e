"""What became of a promotion in a cluster, and what Flux's reasons say of it."""

from enum import StrEnum


class ApplicationState(StrEnum):
    """Where a promotion stands in one Kustomization of one cluster.

    `waiting` and `overdue` are what is said while nothing was heard; all others are lines of its history. In
    `not healthy` the text is in the cluster, in `failed` what ran before goes on; `replaced` is what the cluster left
    for a tag that no promotion brought.
    """

    WAITING = "waiting"
    OVERDUE = "overdue"
    APPLIED = "applied"
    NOT_HEALTHY = "not healthy"
    OVERRIDDEN = "overridden"
    FAILED = "failed"
    REPLACED = "replaced"


CHANGES_WHAT_RUNS = frozenset(
    {
        ApplicationState.APPLIED,
        ApplicationState.NOT_HEALTHY,
        ApplicationState.OVERRIDDEN,
        ApplicationState.REPLACED,
    }
)
"""The states that tell what a cluster runs from then on."""

# kustomize-controller builds, applies, prunes, then waits for health: what fails after applying has applied.
_AFTER_APPLYING = frozenset({"PruneFailed", "HealthCheckFailed", "HealthCheckCanceled"})


def state_told(*, is_failure: bool, reason: str) -> ApplicationState:
    """What the result of a Kustomization says of the texts at its revision.

    >>> [str(state_told(is_failure=True, reason=one)) for one in ("HealthCheckFailed", "BuildFailed")]
    ['not healthy', 'failed']
    """
    if not is_failure:
        return ApplicationState.APPLIED
    return ApplicationState.NOT_HEALTHY if reason in _AFTER_APPLYING else ApplicationState.FAILED


def is_running(state: str) -> bool:
    """Tell whether the promotion's own tag is what the cluster runs in this state."""
    return state in {ApplicationState.APPLIED, ApplicationState.NOT_HEALTHY}
