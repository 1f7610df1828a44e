"""Variables are filled in as Flux fills them in, whatever stands around them."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.flux.substitution import BadSubstitution, Substitution, Variables, uses_variables, variables_in
from app.core.manifests.text.documents import NotText, Value

VALUES = {
    "word": "mainMAINmain",
    "path": "/srv/apps/web.prod.yaml",
    "image": "registry.acme.example/web",
    "empty": "",
    "number": "15",
    "umlaut": "äöß",
    "dotted": "a.b",
    "odd": "x*y[z]",
}


def text(written: str, values: Mapping[str, str] = VALUES) -> str:
    return Substitution(Variables(values)).text(written)


def value(written: Value, values: Mapping[str, str]) -> Value:
    return Substitution(Variables(values)).value(written)


@pytest.mark.parametrize(
    ("written", "filled"),
    [
        ("no variable", "no variable"),
        ("${word}", "mainMAINmain"),
        ("a-${number}-${number}", "a-15-15"),
        ("${absent}", ""),
        ("$word $ $$ ${number}$", "$word $ $ 15$"),
        # length and case
        ("${#word}", "12"),
        ("${#umlaut}", "6"),
        ("${#absent}", "0"),
        ("${word^}", "MainMAINmain"),
        ("${word^^}", "MAINMAINMAIN"),
        ("${word,,}", "mainmainmain"),
        ("${umlaut^^}", "ÄÖß"),
        ("${umlaut^}", "Äöß"),
        ("${empty^}${empty,}", ""),
        ("${word^,}", "mainMAINmain"),
        # defaults: each of them counts as one
        ("${absent:=x}${absent:-y}${absent=z}", "xyz"),
        ("${absent:?x}${absent:+y}", "xy"),
        ("${empty:=x}${empty=y}", "xy"),
        ("${word:=x}", "mainMAINmain"),
        ("${absent:=}", ""),
        ("${absent:=a:b=c/d}", "a:b=c/d"),
        ("${absent:=${number}}", "15"),
        ("${absent:=v${number}.${other:=${number}}-x}", "v15.15-x"),
        ("${absent=${word^^}}", "MAINMAINMAIN"),
        # parts
        ("${word:4}", "MAINmain"),
        ("${word:4:4}", "MAIN"),
        ("${word:-4}", "mainMAINmain"),
        ("${word: -4}", "mainMAINmain"),
        ("${word:4:-4}", "MAIN"),
        ("${word:99}${word:2:-11}", ""),
        ("${word:8:99}", "main"),
        ("${word:x}${number:0:y}", "mainMAINmain15"),
        ("${word:4::2}", "MA"),
        ("${word:${absent:=8}}", "main"),
        # replacing
        ("${word/main/x}", "xMAINmain"),
        ("${word//main/x}", "xMAINx"),
        ("${word/#main/x}", "xMAINmain"),
        ("${word/%main/x}", "mainMAINx"),
        ("${word/#MAIN/x}${number/%1/x}", "mainMAINmain15"),
        ("${number/#/v}", "v15"),
        ("${number/%/-rc}", "15-rc"),
        ("${dotted/./}", "ab"),
        ("${dotted//./${number}}", "a15b"),
        ("${path//\\//-}", "-srv-apps-web.prod.yaml"),
        ("${path/\\/srv\\//}", "apps/web.prod.yaml"),
        ("${dotted/./\\\\}", "a\\b"),
        ("${dotted/./$$}", "a$b"),
        ("${dotted/.//x}", "axb"),
        # cutting by patterns, for which a slash is like any other character
        ("${path#*/}", "srv/apps/web.prod.yaml"),
        ("${path##*/}", "web.prod.yaml"),
        ("${path%.*}", "/srv/apps/web.prod"),
        ("${path%%.*}", "/srv/apps/web"),
        ("${path#x}", "/srv/apps/web.prod.yaml"),
        ("${image##*[.]}", "example/web"),
        ("${word#[a-m]}", "ainMAINmain"),
        ("${word#[^a-m]}", "mainMAINmain"),
        ("${word##[!m]*}", ""),
        ("${word#?}", "ainMAINmain"),
        ("${word#*}", "ainMAINmain"),
        ("${word##*}", ""),
        ("${word%*}", "mainMAINmai"),
        ("${odd#x\\*}", "y[z]"),
        ("${word#[}${word#[]}${word#\\}", "mainMAINmain" * 3),
        ("${word#[m-a]}", "mainMAINmain"),
        # escapes
        ("$${word}", "${word}"),
        ("$$${number}", "$15"),
        ("$$$${number}", "$${number}"),
        ("$${a=${number}}", "${a=15}"),
        ("${number}$${a$${b}$c${number}", "15${a${b}$c15"),
        ("\\\\${number}\\${number}", "\\\\15\\15"),
        ("${ü:=x}", "x"),
    ],
)
def test_a_text_is_filled_in(written: str, filled: str) -> None:
    assert text(written) == filled


@pytest.mark.parametrize(
    "written",
    [
        *("${", "${}", "${word", "${word:=x", "${word-x}", "${word word}", "${ word}", "${.Values}", "${word.x}"),
        *("${word:}", "${word::1}", "${word:1:}", "${word#}", "${word%%}", "${word/x}", "${word/x", "${#word^}"),
        *("${word#*${number}}", "${word#a${number}}", "${word!}", "${word@x}", "x ${word} ${", "${absent:=${}}"),
        "${umlaut:1}",
    ],
)
def test_bad_syntax_is_told(written: str) -> None:
    with pytest.raises(BadSubstitution, match="Flux cannot fill in"):
        text(written)


@pytest.mark.parametrize(
    ("written", "given", "filled"),
    [
        ("${X}", "15", NotText("15")),
        ("${X}", "1.10", NotText("1.10")),
        ("${X}", "true", NotText("true")),
        ("${X}", "null", NotText("null")),
        ("${X}", "", NotText("")),
        ("${X}", "v15", "v15"),
        ("${X}", "1.2.3", "1.2.3"),
        ("${X}", '"15"', "15"),
        ("${X}", "'15'", "15"),
        ("${X}", "[a, b]", ["a", "b"]),
        ("${X}", "{a: b}", {"a": "b"}),
        ("${X}", "a #b", "a"),
        ("${X}", " a ", "a"),
        ("${X}", "a:b", "a:b"),
        ("v${X}", "15", "v15"),
        ("${X}.0", "15", NotText("15.0")),
        ('"${X}"', "15", '"15"'),
        ("'${X}'", "15", "'15'"),
        ("'${X}'", "it''s", "'it's'"),
        ("a: ${X}", "15", "a: 15"),
        ("a: ${X}", "{b: c}", "a: {b: c}"),
        ("- ${X}", "15", "- 15"),
        (">=${X}", "1.0.0", ">=1.0.0"),
        ("a\t${X}", "b", "a\tb"),
        ("a\n${X}\n", "15", "a\n15\n"),
        ("a\n${X}", "x: 'y", "a\nx: 'y"),
        ("$${X}", "15", "${X}"),
        ("${Y:=15}", "", NotText("15")),
        ('${Y:="15"}', "", "15"),
        ("${X}", ">=1.0.0", BadSubstitution),
        ("${X}", "*", BadSubstitution),
        ("${X}", "a: b", BadSubstitution),
        ("${X}", "a:", BadSubstitution),
        ("${X}", "- a", BadSubstitution),
        ("${X}", "@a", BadSubstitution),
        ("${X}", "[a", BadSubstitution),
        ("${X}", "'a", BadSubstitution),
        ("'${X}'", "it's", BadSubstitution),
        ("a: ${X}", "it's", BadSubstitution),
    ],
)
def test_what_is_filled_in_is_read_again(written: str, given: str, filled: Value | type[BadSubstitution]) -> None:
    if filled is BadSubstitution:
        with pytest.raises(BadSubstitution):
            value({"a": written}, {"X": given})
    else:
        assert value({"a": written}, {"X": given}) == {"a": filled}


def test_lists_and_keys_are_filled_in_as_well() -> None:
    given = {"X": "15", "M": "a: b", "K": "key"}
    assert value({"${K}": ["${X}", "v${X}", {"a": "${X}"}]}, given) == {
        "key": [NotText("15"), "v15", {"a": NotText("15")}]
    }
    assert value(["${M}"], given) == [{"a": "b"}]


def test_variables_that_are_not_known_stay_as_they_are_written() -> None:
    variables = Variables({"known": "1", "part": "x"}, is_whole=False, waiting={"later": frozenset({"cluster"})})
    substitution = Substitution(variables)
    written: Value = {"a": "${known}-${one}", "b": ["${two:=${three}}", "${part/x/${four^^}}"], "c": "${later}"}
    assert substitution.value(written) == {"a": "1-${one}", "b": ["${two:=${three}}", "${four^^}"], "c": "${later}"}
    assert substitution.missing == {"one", "two", "three", "four", "cluster"}


def test_variables_are_found_without_filling_them_in() -> None:
    written: Value = {"a": "${one}", "b": ["$two ${#three}", {"c": "${four:=${five}}"}], "d": NotText("1")}
    assert variables_in(written) == {"one", "three", "four", "five"}
    assert uses_variables(written)
    assert not uses_variables({"a": ["b", NotText("1")]})


KNOWN = Variables({"long": "a" * 4_096})
HOSTILE = {
    "many variables of a long value": "${long}" * 15_000,
    "a long value replaced by long ones": "${long//a/" + "b" * 50_000 + "}",
    "many that are replaced": "${long//a/bb}" * 8_000,
    "many patterns": "${long##*a*b*c*d*e}" * 5_000,
    "a pattern of stars": "${long%%" + "*a" * 400 + "b}",
    "a long pattern": "${long#" + "*a" * 40_000 + "}",
    "expressions in each other": "${x:=" * 20_000 + "}" * 20_000,
    "openings": "${" * 50_000,
    "dollars": "$" * 100_000,
    "opened names": "${a" * 33_000,
    "backslashes": "${long/" + "\\\\" * 50_000,
    "slashes": "${long/" + "/" * 100_000,
    "colons": "${long:1" + ":" * 100_000,
    "defaults in a row": "${a:=" + "${b:=c}" * 14_000 + "}",
    "quotes": "'" * 50_000 + "${a}",
    "brackets": "${a:=" + "[" * 50_000 + "}",
    "aliases": "${a:=" + "&a " * 30_000 + "}",
}


@pytest.mark.parametrize("written", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("variables", [KNOWN, replace(KNOWN, is_whole=False)], ids=["known", "not known"])
def test_hostile_texts_take_no_long_time(written: str, variables: Variables) -> None:
    start = time.process_time()
    said = ""
    try:
        filled = str(Substitution(variables).value({"x": written}))
    except BadSubstitution as error:
        filled, said = "", str(error)
    assert len(filled) < 500_000
    assert len(said) < 1_000
    assert time.process_time() - start < 2


ODD = st.text(st.sampled_from("${}ab:=-/#%*?[]\\'\" ^,1\n"), max_size=40)


@given(ODD, ODD)
def test_every_text_is_filled_in_or_refused(written: str, known: str) -> None:
    substitution = Substitution(Variables({"a": known}))
    with suppress(BadSubstitution):
        substitution.value({"x": [written]})
    assert substitution.missing == set()
