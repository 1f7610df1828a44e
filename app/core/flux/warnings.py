"""What a whole config repository gives away: markers and policies without each other, and a second writer."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from app.core.flux.from_rules import RULES_FILE
from app.core.flux.objects import Automation, Policy, PolicyName
from app.core.flux.overridden import report_overridden
from app.core.flux.paths import is_below
from app.core.flux.tree import About, Field, FluxTree, Report
from app.core.manifests.kinds.markers import MarkedField
from app.core.policies.telling.warnings import PolicyWarning, WarningKind, warn

_KINDS = {About.MARKER: WarningKind.NEAR_MISS_MARKER, About.POLICY_OF_MARKER: WarningKind.UNKNOWN_POLICY}


def warn_of_tree(tree: FluxTree) -> tuple[PolicyWarning, ...]:
    """Everything that can be warned of without knowing any tag: markers first, then policy by policy."""
    found = list(warn_of_markers(tree.reports))
    fields: dict[PolicyName, list[Field]] = defaultdict(list)
    for one in tree.fields:
        fields[one.policy].append(one)
    refused = {one.policy for one in tree.refused}
    for policy in tree.policies:
        if policy.spec is not None and policy.problem is None:
            found += warn(policy.spec, place=policy.file, digest_reflection=policy.digest_reflection)
        found += warn_of_use(policy, fields[policy.name], is_refused=policy.name in refused)
    return (*found, *warn_of_second_writers(tree, tree.fields))


def warn_of_markers(reports: Iterable[Report]) -> Iterator[PolicyWarning]:
    """Warn of markers that name no single policy, and of what looks like a marker and is none."""
    for report in reports:
        if report.about in _KINDS:
            place = report.file if report.line is None else f"{report.file}:{report.line}"
            yield PolicyWarning(_KINDS[report.about], place, report.what)


def warn_of_use(policy: Policy, fields: Sequence[Field], *, is_refused: bool = False) -> Iterator[PolicyWarning]:
    """Warn of a usable policy without fields, and of fields that something else decides.

    `is_refused`: it has some that cannot be written, which others tell.
    """
    if not fields and policy.problem is None and not is_refused:
        marker = f'{{"$imagepolicy": "{policy.name.namespace}:{policy.name.name}"}}'
        yield PolicyWarning(
            WarningKind.UNUSED_POLICY,
            policy.file,
            f"nothing uses {policy.name}: put the comment # {marker} behind an image, or remove the policy",
        )
    for report in report_overridden(fields):
        yield PolicyWarning(WarningKind.OVERRIDDEN_FIELD, f"{report.file}:{report.line}", report.what)


def warn_of_second_writers(tree: FluxTree, fields: Iterable[Field]) -> Iterator[PolicyWarning]:
    """Warn once of each automation of Flux that writes some of these fields itself.

    It goes by the names in markers: below its path it writes those of another cluster's policy of the same name too.
    """
    marked = [one for one in fields if isinstance(one.marked, MarkedField)]
    objects = [one for one in tree.policies if one.file != RULES_FILE]
    for automation in tree.automations:
        if automation.is_suspended:
            continue
        served = {_short(one.name) for one in objects if tree.serves(automation, one)}
        shared = [one for one in marked if _short(one.policy) in served and is_below(one.file, automation.path)]
        if shared:
            yield PolicyWarning(WarningKind.SECOND_WRITER, automation.file, _second_writer(automation, shared))


def _second_writer(automation: Automation, shared: Sequence[Field]) -> str:
    policies = list(dict.fromkeys(one.policy for one in shared))
    what = f"fields of {policies[0]}" if len(policies) == 1 else f"{len(shared)} fields of {len(policies)} policies"
    more = f" and {len(shared) - 1} more" if len(shared) > 1 else ""
    return (
        f"ImageUpdateAutomation {automation.namespace}/{automation.name} is active and writes {what} too "
        f"({shared[0].file}:{shared[0].marked.line}{more}): set its spec.suspend to true, or narrow its "
        "spec.policySelector or spec.update.path"
    )


def _short(policy: PolicyName) -> tuple[str, str]:
    return policy.namespace, policy.name
