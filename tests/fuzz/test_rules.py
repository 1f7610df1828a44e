"""Whatever `.fluxbridge.yaml` holds, it is rules or refused as no rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.flux.from_rules import declared_files
from app.core.manifests.editing import find_declared
from app.core.promotion.rules import Rules
from app.core.promotion.rules_document import InvalidRules
from app.core.promotion.rules_reading import read_rules
from tests.fuzz.contents import fuzz, mutated, pieces, timeout

# That an anchor is used again is no mistake in YAML 1.2; the parser warns of it.
pytestmark = [timeout, pytest.mark.filterwarnings("ignore::ruamel.yaml.error.ReusedAnchorWarning")]
WHOLE = rb"""roots: [clusters/a]
stages:
  staging: {paths: [apps/staging], labels: [x]}
  production: {paths: [apps/production], requires: {build: success}}
limits: {open: 5}
update: always
fields:
  - {policy: flux-system/app, files: ["apps/*/values.yaml", a.yaml], values: image}
  - {policy: flux-system/app, files: a.yaml, kustomization: {image: app, set: [newTag, digest]}}
  - policy: flux-system/app
    files: a.yaml
    yaml: {path: "args.*", part: tag, pattern: "--v=([^ ]+)", kind: Pod, name: app}
  - {policy: a/b, files: a.yaml, helm_release: spec.chart.spec.version}
  - {policy: a/b, files: a.yaml, source: {kind: OCIRepository, name: app}}
  - {policy: a/b, files: a.yaml, containers: true}
  - {policy: a/b, files: a.env, env: {key: A, part: reference}}
  - {policy: a/b, files: a.json, json: "a[name=b].c"}
  - {policy: a/b, files: Chart.yaml, dependency: app}
policies:
  - name: app
    namespace: apps
    image: registry.acme.example/app
    policy: {semver: {range: ">=1.0.0 <2"}}
    filterTags: {pattern: "^main-([0-9]+)$", extract: $1}
    digestReflectionPolicy: IfNotPresent
    exclusionList: ["-debug$"]
  - {name: chart, chart: "oci://registry.acme.example/charts/app", policy: {numerical: {order: asc}}}
"""
LINES = WHOLE.splitlines(keepends=True)
ODD = st.sampled_from(
    rb"""!!int x|!!float x|!!bool x|!!null x|!!timestamp x|!!binary x|!!set {a, b}|!!omap [a]|!!pairs [a]
"\ud800"|"\uD83D\uDE00"|"\x00"|.inf|-.nan|0x|0b2|1e999|2024-13-45|2024-02-30T99:99:99|1:60:60|&a [*a]|&a {*a : *a}
? {a: b} : c|? [a] : b|{a: 1, a: 2}|<<: 1|<<: [1]|{<<: [{a: 1}, 2]}|%YAML 9.9|%TAG ! x|!<!> x|!!str|!!map []|!!seq {}
[a:b]|((((|\pL{1000}|(a|a{99999}|99999999999999999999999999|[[[[[[[[[[[[[[[[[[[[|{{{{{{{{{{{{{{{{{{{{""".replace(
        b"\n", b"|"
    ).split(b"|")
)


@st.composite
def rules(draw: st.DrawFn) -> bytes:
    """Rules with any lines left out, said twice or in another order, and odd values in places of others."""
    lines = draw(st.lists(st.sampled_from(LINES), max_size=6)) if draw(st.booleans()) else list(LINES)
    for _ in range(draw(st.integers(0, 3))):
        number = draw(st.integers(0, len(lines)))
        key = lines[number].partition(b": ")[0] if number < len(lines) else b"a"
        lines[number : number + 1] = [key, b": ", draw(ODD), b"\n"]
    return b"".join(lines)


@fuzz
@given(st.one_of(rules(), mutated(WHOLE), rules().flatmap(mutated), pieces(), st.binary(max_size=200)))
def test_any_bytes_are_rules_or_refused(content: bytes) -> None:
    try:
        found = read_rules(content)
    except InvalidRules as error:
        str(error).encode()
        return
    assert isinstance(found, Rules)
    assert found == read_rules(content)
    files = dict.fromkeys(("a.yaml", "apps/a/values.yaml", "Chart.yaml", "a.env", "a.json"), b"a: {tag: x}\n")
    for path, declarations in declared_files(found.declarations, list(files)).items():
        find_declared(path, files, [one.selector for one in declarations])
