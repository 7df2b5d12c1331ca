"""What hangs side by side of two studies, by their headers, and where their images lie."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from bank import keep, open_test_bank
from imagebank.actions import hanging, retrieve
from imagebank.bank import Bank
from imagebank.model.access import Scope
from imagebank.model.imaging import Instance, Selection
from imagebank.model.stack import Plane
from imagebank.model.uid import Uid
from make import a_dataset, a_file, as_file

AXIAL, SAGITTAL = [1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1]


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    """Studies 1 and 2 with slices in two planes and a scout, 3 a mammogram of many views, 4 without places, 5 and 6 with
    mammograms of one view a series.
    """
    with open_test_bank(tmp_path_factory.mktemp("hanging")) as opened:
        for study in (1, 2):
            scout = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "ImageOrientationPatient": SAGITTAL}
            series(opened, study, 1, [0, 1, 2, 3, 4, 5], **scout)
            series(opened, study, 2, [0, 3, 6], ImageOrientationPatient=AXIAL, SliceThickness="3")
            series(opened, study, 3, [0, 1, 6], ImageOrientationPatient=AXIAL, SliceThickness="9")
        series(opened, 3, 1, range(3), Modality="MG")
        series(opened, 3, 2, range(17), Modality="MG")
        series(opened, 4, 1, [0, 1])
        for study, views in ((5, ("L CC", "R CC", "L MLO")), (6, ("R CC", "L CC"))):
            for number, (side, view) in enumerate((said.split() for said in views), 1):
                series(opened, study, number, [0], Modality="MG", ImageLaterality=side, ViewPosition=view)
        keep(
            opened,
            a_file(StudyInstanceUID="1.4", SeriesInstanceUID="1.4.2", NumberOfFrames=4, PixelData=bytes(4 * 128)),
        )
        yield opened


def series(bank: Bank, study: int, number: int, along: Any, **given: Any) -> None:
    shared: dict[str, Any] = {"StudyInstanceUID": f"1.{study}", "SeriesInstanceUID": f"1.{study}.{number}"}
    for place, z in enumerate(along, 1):
        ds = a_dataset(**shared, SeriesNumber=number, InstanceNumber=place, **given)
        if "ImageOrientationPatient" in given:
            ds.ImagePositionPatient, ds.PixelSpacing = [0, 0, z], [1, 1]
        keep(bank, as_file(ds))


def pictures(bank: Bank, study: int, *numbers: int) -> list[Instance]:
    found = retrieve.select(bank, Selection(Uid(f"1.{study}")), Scope(None))
    return [one for one in found if not numbers or int(one.series.rpartition(".")[2]) in numbers]


def test_series_that_show_the_same_hang_together_and_no_scout(bank: Bank) -> None:
    found = hanging.side_by_side(bank, [pictures(bank, 1), pictures(bank, 2), pictures(bank, 1, 1)])

    assert [one.series for (one,) in found] == ["1.1.2", "1.2.2", "1.1.1"]
    assert [one.plane for (one,) in found] == [Plane.AXIAL, Plane.AXIAL, Plane.SAGITTAL]


def test_of_single_images_each_view_hangs_above_its_like(bank: Bank) -> None:
    found = hanging.side_by_side(bank, [pictures(bank, 5), pictures(bank, 6)])

    assert [[(one.side, one.view) for one in side] for side in found] == [[("R", "CC"), ("L", "CC")]] * 2
    assert [one.view for one in hanging.singles(bank, pictures(bank, 5))] == ["CC", "CC", "MLO"]
    assert hanging.singles(bank, pictures(bank, 1, 2)) == []


def test_nothing_hangs_where_a_study_has_no_picture(bank: Bank) -> None:
    assert hanging.side_by_side(bank, [pictures(bank, 1), []]) == []
    assert hanging.side_by_side(bank, [pictures(bank, 1), pictures(bank, 2), []]) == []


def test_each_view_of_a_mammogram_hangs_alone_unless_there_are_many(bank: Bank) -> None:
    found = list(hanging.stacks(bank, pictures(bank, 3)))

    assert [(one.series, one.instance is not None) for one in found] == [("1.3.2", False)] + [("1.3.1", True)] * 3


def test_places_are_in_a_line_or_each_is_read(bank: Bank) -> None:
    line, bent = (hanging.places(bank, pictures(bank, 1, number)) for number in (2, 3))

    assert line is not None
    assert bent is not None
    assert [middle[2] for middle in line.middles] == [0, 3, 6]
    assert [middle[2] for middle in bent.middles] == [0, 1, 6]


def test_what_says_no_place_has_none(bank: Bank) -> None:
    assert hanging.places(bank, pictures(bank, 4, 1)) is None
    assert hanging.places(bank, pictures(bank, 4, 2)) is None
    assert hanging.places(bank, pictures(bank, 1, 2) + pictures(bank, 4, 2)) is None
    single = hanging.places(bank, pictures(bank, 1, 2)[:1])
    assert single is not None
    assert len(single.middles) == 1
    mixed = [*pictures(bank, 1, 2)[:1], *pictures(bank, 4, 1)[:1], *pictures(bank, 1, 3)]
    assert hanging.places(bank, mixed) is None


def test_what_cannot_be_read_is_left_out(bank: Bank) -> None:
    whole = pictures(bank, 1, 2)
    broken = [broken_copy(one) for one in whole]

    assert list(hanging.stacks(bank, broken)) == []
    assert hanging.places(bank, broken) is None


def broken_copy(one: Instance) -> Instance:
    """The same with a place in the store where nothing is."""
    return replace(one, location=replace(one.location, offset=10**9))
