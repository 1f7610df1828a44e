"""Laws that hold for every policy and every list of tags."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.core.policies.selection import SelectionError, VerdictKind, compile_policy
from app.core.policies.spec import Alphabetical, Numerical, PolicySpec, SemVer, TagFilter

_CHOICES = st.one_of(
    st.sampled_from(["*", "*-0", "^1", ">=1.0.0-0 <2.0.0", "1 - 2 || 0.x", "!=1.0.0"]).map(SemVer),
    st.sampled_from(["asc", "DESC", ""]).map(Alphabetical),
    st.sampled_from(["asc", "DESC", ""]).map(Numerical),
)
_FILTERS = st.one_of(
    st.none(),
    st.builds(
        TagFilter,
        st.sampled_from(["", "^v?(.*?)(-.*)?$", r"([0-9.]+)(?P<rest>.*)", "[0-9]", r"^[a-z]+-[0-9a-f]+-(\d+)"]),
        st.sampled_from(["", "$1", "$0", "${1}.0", "$rest", "const"]),
    ),
)
SPECS = st.builds(PolicySpec, _CHOICES, _FILTERS, st.sampled_from([(), ("rc",), ("^$", "9")]))
_TAGS = st.one_of(
    st.from_regex(r"\Av?[01]\.[012]\.[012](-(rc|0)(\.[12])?)?(\.sig)?\Z"),
    st.from_regex(r"\A-?[0-9]{1,2}(\.[0-9])?(e1)?\Z"),
    st.from_regex(r"\A(main|dev)-[0-9a-f]{2}-[0-9]{1,2}\Z"),
    st.sampled_from(
        ["nan", "inf", "-Inf", "latest", "1.0.0", "v1.0.0", "01.0.0", "1", "1.0", "", "\ud800", "\x1b[31m"]
    ),
    st.text(max_size=140),
)
LISTS = st.lists(_TAGS, max_size=12)


@given(spec=SPECS, tags=LISTS)
def test_the_winner_is_in_the_list_and_heads_the_ranking(spec: PolicySpec, tags: list[str]) -> None:
    selection = compile_policy(spec).select(tags)
    assert (selection.tag is None) == (selection.error is not None) == (selection.ranked == ())
    if selection.tag is not None:
        assert selection.tag in tags
        assert selection.ranked[0] == selection.tag
        assert selection.verdicts[selection.tag].kind is VerdictKind.CHOSEN


@given(spec=SPECS, tags=LISTS)
def test_every_tag_has_a_verdict_and_the_ranking_is_of_those_that_lost(spec: PolicySpec, tags: list[str]) -> None:
    selection = compile_policy(spec).select(tags)
    assert selection.verdicts.keys() == set(tags)
    assert all(verdict.reason for verdict in selection.verdicts.values())
    assert len(set(selection.ranked)) == len(selection.ranked)
    if selection.error is not SelectionError.INVALID_TAG:
        lost = {tag for tag, verdict in selection.verdicts.items() if verdict.kind is VerdictKind.LOST}
        assert set(selection.ranked[1:]) == lost


@given(spec=SPECS, tags=LISTS, data=st.data())
def test_order_and_repetition_of_the_tags_do_not_matter(spec: PolicySpec, tags: list[str], data: st.DataObject) -> None:
    policy = compile_policy(spec)
    shuffled = data.draw(st.permutations(tags + tags[:3]))
    assert policy.select(shuffled) == policy.select(tags)


@given(spec=SPECS, tags=LISTS)
def test_comparing_two_tags_agrees_with_their_ranking(spec: PolicySpec, tags: list[str]) -> None:
    policy = compile_policy(spec)
    ordered = [tag for tag in tags if "nan" not in tag.lower()]
    for better, worse in pairwise(policy.select(ordered).ranked):
        compared = policy.compare(better, worse)
        assert compared is not None
        assert compared >= 0
        assert policy.compare(worse, better) == -compared


@given(spec=SPECS, tags=LISTS)
def test_without_the_winner_the_next_of_the_ranking_wins(spec: PolicySpec, tags: list[str]) -> None:
    policy = compile_policy(spec)
    selection = policy.select(tags)
    unique = [tag for tag in tags if selection.verdicts[tag].kind is not VerdictKind.SAME_KEY]
    assert policy.select(unique).ranked == selection.ranked
    rest = policy.select(tag for tag in unique if tag != selection.tag)
    if selection.tag is not None:
        assert rest.ranked == selection.ranked[1:]


@given(spec=SPECS, tags=LISTS)
def test_a_tag_compares_as_nothing_exactly_where_it_has_no_place(spec: PolicySpec, tags: list[str]) -> None:
    policy = compile_policy(spec)
    placeless = {
        *(VerdictKind.EXCLUDED, VerdictKind.NOT_MATCHED, VerdictKind.NOT_A_VERSION),
        *(VerdictKind.PRERELEASE, VerdictKind.OUTSIDE_RANGE, VerdictKind.NOT_A_NUMBER),
    }
    for tag, verdict in policy.select(tags).verdicts.items():
        if verdict.kind in placeless:
            assert policy.compare(tag, tag) is None
        elif verdict.kind is not VerdictKind.SAME_KEY and policy.compare(tag, tag) is None:
            assert isinstance(spec.choice, Numerical), "only NaN is eligible and yet in no order"
