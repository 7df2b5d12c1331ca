"""Which side and view an image says that it shows, in attributes, codes and words."""

from typing import Any

import pytest

from imagebank.exams.views import kind_of_view, shows_part, side_of, view_of
from imagebank.model.imaging import DataSet

MAGNIFIED, IMPLANT = "399163009", "399209000"


def header(**given: Any) -> DataSet:
    keys = {
        "image": "00200062",
        "series": "00200060",
        "position": "00185101",
        "views": "00540220",
        "shared": "52009229",
        "frame": "00209071",
        "of_frame": "00209072",
        "code": "00080100",
        "meaning": "00080104",
        "more": "00540222",
    }
    return {keys[name]: {"vr": "", "Value": [value]} for name, value in given.items()}


@pytest.mark.parametrize(
    ("given", "words", "side"),
    [
        ({"image": "R"}, "l", "R"),
        ({"series": "L"}, "", "L"),
        ({"image": "B", "series": "L"}, "", "B"),
        ({"shared": header(frame=header(of_frame="R"))}, "", "R"),
        ({}, "hand links", "L"),
        ({}, "RMLO", "R"),
        ({}, "OD macula", "R"),
        ({}, "right and left", ""),
        ({}, "chest", ""),
    ],
)
def test_a_side_is_said_by_an_attribute_and_else_by_words(given: dict[str, Any], words: str, side: str) -> None:
    assert side_of(header(**given), words.lower().split()) == side


@pytest.mark.parametrize(
    ("given", "words", "view"),
    [
        ({"position": "mlo"}, "", "MLO"),
        ({"position": "CC", "views": header(code="R-10226")}, "", "CC"),
        ({"views": header(code="399368009", meaning="schräg")}, "", "MLO"),
        ({"views": header(code="R-10242")}, "", "CC"),
        ({"views": header(code="X", meaning="from behind")}, "", "from behind"),
        ({"views": header(code="X")}, "pa", "PA"),
        ({}, "chest lat", "LAT"),
        ({}, "chest pa lat", ""),
        ({}, "", ""),
        ({"position": "CC", "views": header(code="R-10242", more=header(code=MAGNIFIED))}, "", "CC PART"),
        ({"position": "CC", "views": header(code="R-10242", more=header(code=IMPLANT))}, "", "CC"),
    ],
)
def test_a_view_is_said_by_its_position_its_code_and_else_by_words(
    given: dict[str, Any], words: str, view: str
) -> None:
    assert view_of(header(**given), words.split()) == view


def test_views_from_one_direction_are_of_one_kind() -> None:
    assert kind_of_view("AP") == kind_of_view("PA") == "frontal"
    assert kind_of_view("LL") == kind_of_view("LAT") == kind_of_view("LAT PART") == "lateral"
    assert kind_of_view("MLO") == "MLO"
    assert kind_of_view("") == ""
    assert (shows_part("CC PART"), shows_part("CC")) == (True, False)
