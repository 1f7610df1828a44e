"""A config repository with declared fields: its policies, what they selected, and editing its files accordingly."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime

from app.core.flux.from_rules import DeclarationScan, FoundByRules, declared_files
from app.core.flux.objects import Policy
from app.core.flux.scanning import is_manifest, scan_file
from app.core.flux.tree import Field, FluxTree, assemble
from app.core.manifests.editing import edit_file, files_beside, find_declared
from app.core.manifests.kinds.declared import AnyField
from app.core.promotion.gates import TagState
from app.core.promotion.proposals import CannotWrite, changes_for
from app.core.promotion.rules import Rules, read_rules
from app.core.promotion.state import FieldState, PolicyState

DIGEST = "sha256:" + "1b" * 32
IMAGE = "registry.acme.example/team/app"
POLICIES = f"""
policies:
  - {{name: app, image: {IMAGE}, policy: {{semver: {{range: "*"}}}}}}
  - {{name: pinned, image: {IMAGE}, policy: {{alphabetical: {{}}}}, digestReflectionPolicy: Always, interval: 5m}}
  - {{name: hub, image: nginx, policy: {{semver: {{range: "*"}}}}}}
  - {{name: chart, chart: oci://registry.acme.example/charts/app, policy: {{semver: {{range: "*"}}}}}}
"""
TAGS = {"app": "2.0.0", "pinned": "1.10", "hub": "1.27.0", "chart": "1.4.0_build.7"}
_NOW = datetime(2024, 1, 1, tzinfo=UTC)


def rules_with(fields: str, policies: str = POLICIES) -> Rules:
    """The rules of a repository with these declared fields."""
    return read_rules(f"{fields}\n{policies}".encode())


def read_tree(files: Mapping[str, bytes], rules: Rules) -> FluxTree:
    """A repository at one commit."""
    scans: list[DeclarationScan] = []
    for path, declarations in declared_files(rules.declarations, list(files)).items():
        selectors = [one.selector for one in declarations]
        contents = {name: files[name] for name in (path, *files_beside(path)) if name in files}
        found = find_declared(path, contents, selectors)
        scans += (DeclarationScan(one, path, scan) for one, scan in zip(declarations, found, strict=True))
    return assemble(
        {path: scan_file(path, content) for path, content in files.items() if is_manifest(path)},
        roots=rules.roots,
        declared=FoundByRules(rules.policies, rules.declarations, tuple(scans)),
    )


def new_text(policy: Policy, field: Field, *, tag: str | None = None) -> str | CannotWrite | None:
    """What a policy writes into a field; None where that is there already."""
    known = TagState(tag=tag or TAGS[policy.name.name], digest=DIGEST, first_seen_at=_NOW)
    changes = changes_for(PolicyState(policy=policy), [FieldState(field, "all")], known)
    if isinstance(changes, CannotWrite):
        return changes
    return changes[0].new_text if changes else None


def edit(files: Mapping[str, bytes], rules: Rules) -> tuple[dict[str, bytes], list[str]]:
    """All files after every policy has set its fields, and what was reported instead, as `file:line what`."""
    tree = read_tree(files, rules)
    reports = [f"{report.file}:{report.line} {report.what}" for report in tree.reports]
    settings: dict[str, list[tuple[AnyField, str]]] = defaultdict(list)
    policies = {policy.name: policy for policy in tree.policies}
    for field in tree.fields:
        text = new_text(policies[field.policy], field)
        if isinstance(text, CannotWrite):
            reports.append(text.reason)
        elif text is not None:
            settings[field.file].append((field.marked, text))
    edited = dict(files)
    for path, wanted in settings.items():
        edited |= edit_file(path, files, wanted)
    return edited, reports
