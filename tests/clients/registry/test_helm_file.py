"""Indexes as Helm, ChartMuseum, Artifactory and Nexus write them, and what is no index."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clients.registry.helm_file import NoIndex, read_index
from app.core.images import is_tag
from tests.servers.helm_repository import digest_of, index_of

GOLDEN = Path(__file__).parent.parent.parent / "golden" / "helm_indexes"
ONE, TWO, THREE = (f"sha256:{pair * 32}" for pair in ("ab", "cd", "0f"))
PATIENCE_S = 30.0
GOOD = index_of({"shop": ("1.3.0+build.5", "1.2.0"), "web": ("0.1.0",)})


@pytest.mark.parametrize(
    ("name", "charts"),
    [
        pytest.param("helm", {"shop": {"1.3.0_build.5": ONE, "1.2.0": TWO}}, id="helm"),
        pytest.param("chartmuseum", {"shop": {"1.3.0": ONE, "1.2.0": THREE}}, id="chartmuseum"),
        pytest.param("artifactory", {"Shop_Front.Web": {"1.3.0": ONE}}, id="artifactory"),
        pytest.param("nexus", {"shop": {"1.3.0": ONE}, "quoted": {"2.0.0": TWO}}, id="nexus"),
    ],
)
def test_what_servers_write_is_read_whole(name: str, charts: object) -> None:
    index = read_index((GOLDEN / f"{name}.yaml").read_bytes(), seconds=PATIENCE_S)
    assert (index.charts, index.left_out_count) == (charts, 0)


def test_malformed_entries_are_left_out_and_told_and_the_others_count() -> None:
    index = read_index((GOLDEN / "malformed.yaml").read_bytes(), seconds=PATIENCE_S)
    assert index.charts == {"shop": {"1.3.0": ONE, "1.2.0": THREE}, "empty": {}}
    assert index.left_out_count == 9
    assert index.left_out[:2] == ["shop: 'latest' is no version", "shop: 1.0.0 has no digest of SHA-256"]
    assert len(index.left_out) == 5


def test_an_index_may_be_json_and_may_be_empty() -> None:
    entry = {"name": "shop", "version": "1.3.0", "digest": digest_of("shop", "1.3.0"), "urls": ["x"]}
    written = json.dumps({"apiVersion": "v1", "entries": {"shop": [entry]}}).encode()
    assert list(read_index(written, seconds=PATIENCE_S).charts["shop"]) == ["1.3.0"]
    assert read_index(index_of({}), seconds=PATIENCE_S).charts == {}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(b"", "breaks off|no mapping", id="nothing"),
        pytest.param(b"<!DOCTYPE html>\n<html><body>Log in</body></html>", "no mapping", id="a login page"),
        pytest.param(b"apiVersion: v1\n", "no entries", id="no entries"),
        pytest.param(b"entries: [1]\n", "no mapping", id="a list"),
        pytest.param(b"entries: {a: []}\nentries: {b: []}\n", "twice", id="entries twice"),
        pytest.param(b"entries:\n  a: &x []\n  b: *x\n", "line 3: aliases", id="an alias"),
        pytest.param(b"entries:\n  a:\n  - <<: {version: 1.0.0}\n", "merge keys", id="a merge key"),
        pytest.param(b"entries:\n  a: [" + b"[" * 100 + b"]" * 100 + b"]\n", "deep", id="too deep"),
        pytest.param(b"entries:\n  [a]: []\n", "a key is", id="a key that is a list"),
        pytest.param(b"entries:\n\x00", "no YAML", id="no text"),
        pytest.param(b"\xff\xfe\x00", "UTF-8", id="another encoding"),
        pytest.param(GOOD[:200] + b'"', "no YAML|breaks off", id="cut off within a value"),
    ],
)
def test_what_is_no_index_is_refused_with_a_reason(content: bytes, told: str) -> None:
    with pytest.raises(NoIndex, match=told):
        read_index(content, seconds=PATIENCE_S)


def test_an_index_is_not_read_for_longer_than_it_may() -> None:
    large = index_of({"shop": tuple(f"1.0.{each}" for each in range(3000))})
    with pytest.raises(NoIndex, match="too long"):
        read_index(large, seconds=0, clock=iter(range(1000)).__next__)


@given(st.data())
def test_a_damaged_index_is_refused_or_read_without_what_is_damaged(data: st.DataObject) -> None:
    content = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        content[start : start + data.draw(st.integers(0, 12))] = data.draw(st.binary(max_size=6))
    try:
        index = read_index(bytes(content), seconds=PATIENCE_S)
    except NoIndex:
        return
    for versions in index.charts.values():
        assert all(is_tag(tag) and len(digest) == 71 for tag, digest in versions.items())


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        read_index(f"entries:\n  a: {text}".encode("utf-8", "replace"), seconds=PATIENCE_S)
    except NoIndex:
        return
