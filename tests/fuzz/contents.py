"""Bytes to try, nearly files that people write, and how many of them."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.extent import EXAMPLES

fuzz = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
timeout = pytest.mark.timeout(120 if EXAMPLES <= 1000 else 0)

MARKERS = [f'# {{"$imagepolicy": "ns:app{suffix}"}}'.encode() for suffix in ("", ":tag", ":name", ":digest")]
SYNTAX = (
    b"\t,  ,\n,\r\n,\r,- ,? ,: ,# ,\",',[,],{,},{{ .x }},&a ,*a,!!str ,! ,|,>-,|2,---\n,...\n,%YAML 1.1\n,<<: ,~,null,"
    b"\xef\xbb\xbf,\xc2\xa0,\xc2\x85,\xe2\x80\xa8,\xf0\x9f\x98\x80,\xff,\x00,\\,@,`,1.10,0x1F"
).split(b",")
TOKENS = st.sampled_from([*SYNTAX, b",", *MARKERS, *(b" " + marker + b"\n" for marker in MARKERS)])
NEW_TEXTS = st.one_of(
    st.sampled_from(
        ["v1.2.3", "1.10", "on", "registry.acme.example/web:1@sha256:" + "0" * 64, "a: b", "it's", '"', "\\", "😀"]
    ),
    st.text(min_size=1, max_size=20),
)


@st.composite
def pieces(draw: st.DrawFn) -> bytes:
    """Bytes that are nearly YAML."""
    parts = draw(st.lists(st.one_of(TOKENS, st.sampled_from([b"a", b"b", b"x"]), st.binary(max_size=4)), max_size=40))
    return b"".join(parts)


@st.composite
def mutated(draw: st.DrawFn, content: bytes) -> bytes:
    """A content in which a few places were cut out, overwritten or filled."""
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(content)))
        cut = draw(st.sampled_from([0, 0, 1, 3, 20]))
        start = draw(st.integers(0, len(content)))
        piece = draw(st.one_of(TOKENS, st.just(content[start : start + 30]), st.binary(max_size=3)))
        content = content[:at] + piece + content[at + cut :]
    return content
