"""Reports that say the same of different places are one cause."""

from hypothesis import given
from hypothesis import strategies as st

from app.core.flux.causes import group_by_cause
from app.core.flux.resolved import About, Report


def whats(*reports: Report) -> list[str]:
    return [cause.what for cause in group_by_cause(reports)]


def test_what_differs_from_place_to_place_is_told_with_the_place() -> None:
    [cause] = group_by_cause(
        Report(f"apps/{name}.yaml", 3, f"the field names flux-system/{name}, but there is none") for name in ("b", "a")
    )
    assert cause.what == "the field names …, but there is none"
    assert [(one.report.file, one.differing) for one in cause.places] == [
        ("apps/a.yaml", ("flux-system/a",)),
        ("apps/b.yaml", ("flux-system/b",)),
    ]


def test_what_is_alike_in_all_places_stays_in_the_sentence() -> None:
    told = [Report(f"{name}.yaml", None, f"Kustomization {name}: 'x y' in apps/base is gone") for name in ("a", "b")]
    assert whats(*told) == ["Kustomization …: 'x y' in apps/base is gone"]


def test_lists_of_names_may_be_long_or_short() -> None:
    told = [
        Report("a.yaml", 1, "written more than once: in x/a.yaml and x/b.yaml; remove all but one"),
        Report("b.yaml", 1, "written more than once: in x/a.yaml, x/c.yaml and 4 more; remove all but one"),
    ]
    assert whats(*told) == ["written more than once: in …; remove all but one"]


def test_each_variable_is_a_cause_of_its_own_and_comes_first() -> None:
    many = [Report(f"{number}.yaml", None, f"policy a/b{number} waits for the variable REGISTRY") for number in "12"]
    waiting = Report(".fluxbridge.yaml", None, "the variable ENV_ID of a/b is not known", About.WAITING)
    other = Report("x.yaml", None, "policy a/c waits for the variable ENV_ID")
    assert whats(*many, other, waiting) == [
        "the variable ENV_ID of a/b is not known",
        "policy … waits for the variable REGISTRY",
        "policy a/c waits for the variable ENV_ID",
    ]


def test_the_same_report_counts_once() -> None:
    [cause] = group_by_cause([Report("a.yaml", 1, "odd"), Report("a.yaml", 1, "odd")])
    assert len(cause.places) == 1


@given(st.lists(st.builds(Report, st.text(max_size=5), st.none(), st.text(max_size=80))))
def test_every_place_is_told_once_and_in_full(reports: list[Report]) -> None:
    causes = group_by_cause(reports)
    assert sum(len(cause.places) for cause in causes) == len(set(reports))
    for cause in causes:
        if len(cause.places) == 1:
            assert cause.what == cause.places[0].report.what
