"""Names of files: short ones that media have, and readable ones that harm nobody."""

import pytest

from imagebank.packing.choice import chosen
from imagebank.packing.names import numbered, readable, words_of


def test_numbered_names_have_eight_characters() -> None:
    assert numbered("DICOM", "ST", 3) == "DICOM/ST000003"
    assert numbered("", "P", 12, "JPG") == "P0000012.JPG"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("CT head", "CT head"),
        ("../../etc/passwd", "etc passwd"),
        ('a<b>c:d"e|f?g*h\\i', "a b c d e f g h i"),
        ("x\u202egpj.exe\n", "x gpj.exe"),
        ("of Lovelace, ADA", "of ,"),
        ("胸部", "胸部"),
        (" . ", ""),
        ("y" * 99, "y" * 60),
    ],
)
def test_readable_names_are_taken_everywhere_and_tell_nothing_of_the_person(text: str, name: str) -> None:
    assert readable(text, words_of("Lovelace Ada", "4711")) == name


@pytest.mark.parametrize(
    ("count", "most", "wanted", "found"),
    [
        (3, 5, (), [0, 1, 2]),
        (9, 3, (), [0, 4, 8]),
        (9, 3, (5, 99), [0, 5, 8]),
        (9, 1, (), [0]),
        (9, 2, (1, 2, 3), [1, 2]),
    ],
)
def test_what_is_wanted_is_chosen_first_and_then_at_equal_distances(
    count: int, most: int, wanted: tuple[int, ...], found: list[int]
) -> None:
    assert chosen(count, most, wanted) == found
