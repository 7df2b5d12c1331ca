"""Effective doses: by factors of what was measured, else typical ones; always with whose figures they are."""

from pathlib import Path

import pytest

from imagebank.errors import Invalid
from imagebank.exams.doses import dose_of, doses, typical
from imagebank.model.dose import Basis, Method, Quantity, Reading
from imagebank.model.exam import Exam, Group

TABLE = doses(None)


def read(quantity: Quantity, value: float, of: str = "", nuclide: str = "", *, is_derived: bool = False) -> Reading:
    return Reading(quantity, value, Basis.REPORT, of=of, nuclide=nuclide, is_derived=is_derived)


def msv(group: Group, *regions: str, kind: str = "") -> float | None:
    found = typical(TABLE, Exam(group, regions, kind=kind)).msv
    return None if found is None else round(found, 3)


def of(exam: Exam, *readings: Reading) -> tuple[float | None, str, bool]:
    found = dose_of(TABLE, exam, readings)
    return None if found.msv is None else round(found.msv, 3), found.method.value, found.is_measured


@pytest.mark.parametrize(
    ("group", "regions", "kind", "expected"),
    [
        (Group.CT, ("BRAIN",), "", 2),
        (Group.CT, ("CHEST",), "", 7),
        (Group.CT, ("CHEST",), "angiography", 15),
        (Group.CT, ("ABDOMEN", "CHEST", "PELVIS"), "", 21),
        (Group.CT, ("LSPINE",), "", 6),
        (Group.CT, ("CORONARYARTERY",), "", 16),
        (Group.CT, ("HEART",), "calcium score", 3),
        (Group.CT, (), "", None),
        (Group.CT, ("CHEST", "FOOT"), "", None),
        (Group.XR, ("CHEST",), "", 0.1),
        (Group.XR, ("HAND",), "", 0.001),
        (Group.XR, ("KNEE",), "", 0.005),
        (Group.MG, ("BREAST",), "", 0.4),
        (Group.PT, (), "", 14.1),
        (Group.MR, ("BRAIN",), "", 0),
        (Group.OTHER, (), "", None),
    ],
)
def test_typical_doses_are_those_of_the_table(
    group: Group, regions: tuple[str, ...], kind: str, expected: float | None
) -> None:
    assert msv(group, *regions, kind=kind) == expected


def test_what_took_no_radiation_says_so_and_what_is_typical_names_its_source() -> None:
    assert typical(TABLE, Exam(Group.US)).method is Method.NONE
    assert typical(TABLE, Exam(Group.CT, ("HEAD",))).sources == ("Mettler et al., Radiology 2008; 248:254-263",)


def test_a_measured_dose_goes_before_a_typical_one() -> None:
    chest, all_of_it = Exam(Group.CT, ("CHEST",)), Exam(Group.CT, ("ABDOMEN", "CHEST", "PELVIS"))

    assert of(chest, read(Quantity.DLP, 400)) == (5.6, "dose_length_product", True)
    assert of(chest, read(Quantity.DLP, 400, is_derived=True)) == (5.6, "dose_length_product", False)
    assert of(all_of_it, read(Quantity.DLP, 800)) == (12, "dose_length_product", True)
    assert of(Exam(Group.CT, ("CHEST", "HEAD")), read(Quantity.DLP, 1000)) == (14, "dose_length_product", True)
    assert of(Exam(Group.CT, ("KNEE",)), read(Quantity.DLP, 1000)) == (0.16, "typical", False)
    assert of(chest, read(Quantity.CTDI, 9)) == (7, "typical", False)
    assert of(chest, read(Quantity.EFFECTIVE, 4), read(Quantity.DLP, 400)) == (4, "reported", True)


def test_an_area_product_counts_where_a_factor_was_published() -> None:
    assert of(Exam(Group.XA, ("CORONARYARTERY",)), read(Quantity.DAP, 30)) == (6, "dose_area_product", True)
    assert of(Exam(Group.XA, ("ABDOMEN",)), read(Quantity.DAP, 30)) == (12, "typical", False)


def test_a_breast_counts_half_of_the_factor_of_both() -> None:
    mg = Exam(Group.MG, ("BREAST",))

    assert of(mg, read(Quantity.GLANDULAR, 3, "R"), read(Quantity.GLANDULAR, 3, "L"), read(Quantity.DAP, 1))[:2] == (
        0.36,
        "glandular_dose",
    )
    assert of(mg, read(Quantity.GLANDULAR, 3, "B"))[0] == 0.36


def test_tracers_are_known_by_nuclide_and_name_and_add_up_with_the_ct() -> None:
    pet = Exam(Group.PT, ("CHEST",))
    fdg = read(Quantity.ACTIVITY, 300, "Fluorodeoxyglucose", "F-18")

    assert of(pet, fdg) == (5.7, "activity", True)
    assert of(pet, fdg, read(Quantity.DLP, 200)) == (8.5, "activity", True)
    assert of(pet, read(Quantity.ACTIVITY, 300, "Something new", "F-18")) == (14.1, "typical", False)
    assert of(pet, read(Quantity.ACTIVITY, 100, "", "Tl-201")) == (14, "activity", True)


def test_a_childs_dose_is_marked_where_there_is_one() -> None:
    assert dose_of(TABLE, Exam(Group.CT, ("HEAD",)), [], is_for_child=True).is_for_child
    assert not dose_of(TABLE, Exam(Group.MR, ("HEAD",)), [], is_for_child=True).is_for_child


@pytest.mark.parametrize(
    ("found", "instead", "reason"),
    [
        ('source = "aapm96"', 'source = "hearsay"', "no source called hearsay"),
        ('regions = ["HEAD"]', 'regions = ["HAED"]', "names HAED, which is no region"),
        ("factor = 0.0021", "factor = -1", "dlp"),
    ],
)
def test_a_sites_table_is_read_and_what_is_wrong_in_it_is_said(
    tmp_path: Path, found: str, instead: str, reason: str
) -> None:
    text = (Path(__file__).parents[3] / "src/imagebank/exams/doses.toml").read_text("utf-8")
    file = tmp_path / "doses.toml"
    file.write_text(text.replace("msv = 2\n", "msv = 1.7\n"), "utf-8")
    assert typical(doses(file), Exam(Group.CT, ("HEAD",))).msv == 1.7

    wrong = tmp_path / "wrong.toml"
    wrong.write_text(text.replace(found, instead, 1), "utf-8")
    with pytest.raises(Invalid, match=reason):
        doses(wrong)
