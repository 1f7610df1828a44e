"""What became of a promotion in a cluster, and what the reasons of Flux and of Jenkins say of it."""

from enum import StrEnum

from app.core.facts import DEPLOYER, BuildResult


class ApplicationState(StrEnum):
    """Where a promotion stands in one Kustomization of one cluster, or with its deployer.

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
# A build of Jenkins that is unstable went on to its end, and something that it looked at there was not well.
_AFTER_APPLYING = frozenset({"PruneFailed", "HealthCheckFailed", "HealthCheckCanceled", BuildResult.UNSTABLE.value})


def place_name(kind: str, namespace: str, name: str) -> str:
    """What applies in a cluster, in one text: no Kustomization has a space in its name.

    >>> place_name("Kustomization", "flux-system", "apps"), place_name(DEPLOYER, "", "deploy")
    ('flux-system/apps', 'deployer deploy')
    """
    return f"{DEPLOYER} {name}" if kind == DEPLOYER else f"{namespace}/{name}"


def is_deployer_place(place: str) -> bool:
    """Tell whether what applies in a cluster is a deployer."""
    return place.startswith(f"{DEPLOYER} ")


def state_told(*, is_failure: bool, reason: str) -> ApplicationState:
    """What the result of a Kustomization, or of a deployer's build, says of the texts at its revision.

    >>> [str(state_told(is_failure=True, reason=one)) for one in ("HealthCheckFailed", "BuildFailed", "UNSTABLE")]
    ['not healthy', 'failed', 'not healthy']
    """
    if not is_failure:
        return ApplicationState.APPLIED
    return ApplicationState.NOT_HEALTHY if reason in _AFTER_APPLYING else ApplicationState.FAILED


def is_running(state: str) -> bool:
    """Tell whether the promotion's own tag is what the cluster runs in this state."""
    return state in {ApplicationState.APPLIED, ApplicationState.NOT_HEALTHY}
