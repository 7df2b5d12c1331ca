"""How a timeline tells studies apart: by part of the body, by kind, by lane and by year."""

import pytest

from imagebank.model.timeline import By, Entry, Kind, Lane, kind_of, lane_of, lanes, lanes_of, years
from imagebank.model.uid import Uid

CT, FUNDUS, PDF = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.77.1.5.1", "1.2.840.10008.5.1.4.1.1.104.1"
REPORT = "1.2.840.10008.5.1.4.1.1.88.11"


def an_entry(uid: str, date: str = "20260101", *regions: Lane, departments: tuple[str, ...] = ()) -> Entry:
    return Entry(Uid(uid), {}, date, Kind.IMAGES, regions or (Lane.OTHER,), departments)


@pytest.mark.parametrize(
    ("body_part", "modality", "lane"),
    [
        ("BRAIN", "MR", Lane.HEAD),
        ("knee", "DX", Lane.LEG),
        ("CORONARY ARTERY", "CT", Lane.CHEST),
        ("WHOLE_BODY", "PT", Lane.WHOLE),
        ("", "OP", Lane.EYE),
        ("", "px", Lane.MOUTH),
        ("LUMP", "CT", Lane.OTHER),
        ("SKULL", "OP", Lane.HEAD),
    ],
)
def test_a_series_is_where_its_body_part_says_else_where_its_modality_looks(
    body_part: str, modality: str, lane: Lane
) -> None:
    assert lane_of(body_part, modality) is lane


def test_a_study_stands_in_the_lanes_of_its_series_and_apart_only_where_none_says() -> None:
    assert lanes_of([("KNEE", "MR"), ("", "MR"), ("HEAD", "MR")]) == (Lane.HEAD, Lane.LEG)
    assert lanes_of([("", "CT")]) == (Lane.OTHER,)


@pytest.mark.parametrize(
    ("classes", "kind"),
    [
        ([CT], Kind.IMAGES),
        ([CT, FUNDUS, PDF], Kind.IMAGES),
        ([FUNDUS, REPORT], Kind.PHOTOS),
        ([PDF, REPORT], Kind.DOCUMENTS),
        ([], Kind.DOCUMENTS),
    ],
)
def test_documents_beside_images_do_not_make_a_study_one(classes: list[str], kind: Kind) -> None:
    assert kind_of(classes) is kind


def test_lanes_go_from_the_head_down_or_by_how_much_a_department_has() -> None:
    knee, head = an_entry("1", "2026", Lane.LEG, Lane.HEAD), an_entry("2", "2025", Lane.HEAD)
    eye = an_entry("3", departments=("Eye", "Art"))
    unsaid, again = an_entry("4"), an_entry("5", departments=("Eye",))

    assert lanes([knee, head], By.REGION) == [("head", [knee, head]), ("hip, leg", [knee])]
    assert [name for name, _ in lanes([unsaid, eye, again], By.DEPARTMENT)] == ["Eye", "Art", ""]


def test_years_keep_the_order_of_their_entries() -> None:
    first, second, third = an_entry("1", "20261011"), an_entry("2", "20260101"), an_entry("3", "")

    assert list(years([first, second, third])) == [("2026", [first, second]), ("", [third])]
    assert list(years([])) == []
