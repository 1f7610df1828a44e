"""Names of charts in classic Helm repositories: never taken for images, and back from their text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.images import ImageName, ImageReference, InvalidImage, tag_of_version, version_of_tag

SEGMENT = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._~-]{0,20}", fullmatch=True)


@given(st.sampled_from(["https", "http"]), st.lists(SEGMENT, min_size=1, max_size=5))
def test_a_name_of_a_chart_comes_back_from_its_text(scheme: str, path: list[str]) -> None:
    name = ImageName.parse_chart(f"{scheme}://charts.acme.example:8443//{'/'.join(path)}/")
    assert name.registry == f"{scheme}://charts.acme.example:8443"
    assert name == ImageName.of_repository(str(name)) == ImageName.parse_any(str(name))
    assert str(name) == f"{name.registry}/{name.path}"


def test_a_chart_with_its_version_is_read() -> None:
    read = ImageReference.parse_any("https://charts.acme.example:8443/stable/Shop:1.3.0_b.5")
    assert (read.name.registry, read.name.path, read.tag) == (
        "https://charts.acme.example:8443",
        "stable/Shop",
        "1.3.0_b.5",
    )
    assert version_of_tag(read.tag or "") == "1.3.0+b.5"
    assert tag_of_version("1.3.0+b.5") == read.tag


def test_the_registry_of_the_same_host_is_another() -> None:
    chart, image = ImageName.parse_any("https://a.example/x/y"), ImageName.parse_any("a.example/x/y")
    assert chart != image
    assert ImageName.of_repository(str(image)) == image


@pytest.mark.parametrize(
    "text",
    [
        "https://charts.acme.example",
        "https://charts.acme.example/",
        "https://charts.acme.example/a/../b",
        "https://charts.acme.example/.hidden",
        "https://charts.acme.example/a?b",
        "https://charts.acme.example/a#b",
        "https://charts.acme.example/a%2fb",
        "https://user:word@charts.acme.example/shop",
        "https:///shop",
        "https://charts.acme.example/" + "a" * 256,
        "ftp://charts.acme.example/shop",
        "HTTPS://charts.acme.example/shop",
    ],
)
def test_what_is_no_address_of_a_chart_is_refused(text: str) -> None:
    with pytest.raises(InvalidImage):
        ImageName.parse_chart(text)


def test_an_image_has_no_scheme() -> None:
    with pytest.raises(InvalidImage, match="leave the URL scheme out"):
        ImageName.parse("https://registry.acme.example/team/app")
