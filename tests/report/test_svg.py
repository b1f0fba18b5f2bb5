import re

import pytest

from corticode.report import svg

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {attributes}>{body}</svg>'


def inline(body="", attributes="", name="f1"):
    return svg.inline(HEAD.format(body=body, attributes=attributes), name, "label")


def test_identifiers_and_their_uses_are_made_unique():
    text = inline('<defs><path id="m" d="M0 0"/></defs><use xlink:href="#m"/><g clip-path="url(#c)" style="fill: url(\'#c\')"/>')
    assert 'id="f1-m"' in text and 'href="#f1-m"' in text and 'clip-path="url(#f1-c)"' in text and "fill: url(#f1-c)" in text


@pytest.mark.parametrize(
    "body",
    [
        "<script>alert(1)</script>",
        '<g onload="alert(1)"/>',
        "<foreignObject><b xmlns='http://www.w3.org/1999/xhtml'>alert</b></foreignObject>",
        '<image xlink:href="http://evil.example/alert.png"/>',
        '<use href="//evil.example/alert.svg#x"/>',
        '<rect fill="url(http://evil.example/alert)"/>',
        "<style>@import url(http://evil.example/alert);</style>",
        '<a href="javascript:alert(1)"><text>x</text></a>',
    ],
)
def test_what_acts_or_calls_elsewhere_is_dropped(body):
    assert "alert" not in inline(body) and "evil" not in inline(body)


def test_pictures_inside_the_file_stay():
    assert "data:image/png;base64,AAAA" in inline('<image xlink:href="data:image/png;base64,AAAA"/>')


def test_colours_of_the_house_become_those_of_the_page():
    assert f"var(--ink, {svg.INK})" in inline(f'<path style="stroke: {svg.INK}"/>')


@pytest.mark.parametrize("text", ["<svg", "<html/>", ""])
def test_what_is_no_svg_is_refused(text):
    with pytest.raises(ValueError, match="figure f1"):
        svg.inline(text, "f1")


def test_a_sheet_carries_no_date_and_no_maker():
    with svg.sheet("a", 2, 2) as drawn:
        drawn.figure.subplots().plot([0, 1])
    assert not re.search(r"20\d\d-\d\d|dc:date|matplotlib.org", drawn.svg)


@pytest.mark.parametrize(
    "names",
    [
        ["a_very_long_name_that_begins_alike_1", "a_very_long_name_that_begins_alike_2"],
        ["1_a_very_long_name_that_ends_alike", "2_a_very_long_name_that_ends_alike"],
        [f"filter_bank_tangent_space_{i:02d}_with_riemannian_recentring" for i in range(25)],
        ["x" * 40 + "a" + "y" * 40, "x" * 40 + "b" + "y" * 40, "z", "q" * 90],
    ],
)
def test_short_names_still_differ(names):
    short = svg.shorts(names, 14)
    assert len(set(short)) == len(names) and max(map(len, short)) <= 14


def test_short_names_stay_what_they_are():
    assert svg.shorts(["S1", "S2", "S1"]) == ["S1", "S2", "S1"]
