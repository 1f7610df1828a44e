"""A body is stored packed where that makes it smaller, and comes back as it came, never larger."""

import os
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import Invalid
from app.db.delivery_bodies import StoredBody, pack, unpack


@given(st.binary(max_size=2000) | st.binary(max_size=20).map(lambda some: some * 100))
def test_every_body_comes_back_as_it_came_and_takes_no_more_than_before(body: bytes) -> None:
    stored = pack(body)
    assert unpack(stored) == body
    assert len(stored.stored) <= len(body)


def test_a_body_of_much_the_same_is_stored_in_a_fraction() -> None:
    assert len(pack(b'{"action": "push"}' * 1000).stored) < 500


def test_what_packing_does_not_make_smaller_is_stored_as_it_came() -> None:
    body = os.urandom(5000)
    assert pack(body) == StoredBody(body, None)


def test_a_body_from_before_that_looks_packed_is_left_alone() -> None:
    body = zlib.compress(b"{}" * 1000)
    assert unpack(StoredBody(body)) == body


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(StoredBody(zlib.compress(b"x" * 50_000_000), 1000), id="more than was let in"),
        pytest.param(StoredBody(zlib.compress(b"x" * 999), 1000), id="less"),
        pytest.param(StoredBody(zlib.compress(b"x" * 1000)[:-1], 1000), id="cut off"),
        pytest.param(StoredBody(zlib.compress(b"x" * 1000)[:-4] + b"abcd", 1000), id="another checksum"),
        pytest.param(StoredBody(b"{}", 1000), id="never packed"),
        pytest.param(StoredBody(b"", 1000), id="empty"),
    ],
)
def test_a_damaged_body_is_not_read(stored: StoredBody) -> None:
    with pytest.raises(Invalid, match="damaged"):
        unpack(stored)
