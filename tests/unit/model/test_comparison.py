"""Values are compared in the form in which questions are."""

from typing import Any

import pytest

from contracts.described import element
from imagebank.model.attribute import catalogue
from imagebank.model.comparison import comparison, name_groups

KNOWN = catalogue().by_keyword


@pytest.mark.parametrize(
    ("keyword", "value", "forms"),
    [
        ("PatientName", "Müller^Jörg^^", ("muller^jorg",)),
        ("PatientName", "Yamada^Tarou=山田^太郎=やまだ^たろう", ("yamada^tarou", "山田^太郎", "やまだ^たろう")),
        ("OperatorsName", ["Roe^A", "Poe^B"], ("roe^a", "poe^b")),
        ("StudyDate", "2026.01.02", ("20260102",)),
        ("StudyDate", ["20260102", "yesterday"], ("20260102",)),
        ("StudyTime", "1015", ("101500.000000",)),
        ("StudyTime", "10:15:07.5", ("101507.500000",)),
        ("StudyTime", "25", ()),
        ("InstanceNumber", " +07 ", ("7",)),
        ("InstanceNumber", 7.0, ("7",)),
        ("InstanceNumber", "seven", ()),
        ("InstanceNumber", float("nan"), ()),
        ("InstanceNumber", {"odd": 1}, ()),
        ("Rows", 512, ("512",)),
        ("AccessionNumber", 4711.0, ("4711",)),
        ("Manufacturer", " ÀCME ", ("acme",)),
        ("AccessionNumber", "a1 ", ("a1",)),
        ("AccessionNumber", "a\0", ("a",)),
        ("AccessionNumber", [None, "", "A"], ("A",)),
        ("SOPClassUID", "1.2.3", ("1.2.3",)),
        ("StudyDescription", "CT Kopf/Schädel", ("ct kopf/schadel",)),
    ],
)
def test_a_value_has_its_comparison_form(keyword: str, value: Any, forms: tuple[str, ...]) -> None:
    attribute = KNOWN[keyword]

    assert comparison(attribute, element(attribute.vr, value)) == forms


def test_elements_without_values_have_none() -> None:
    assert comparison(KNOWN["PatientID"], {"vr": "LO"}) == ()
    assert comparison(KNOWN["PatientID"], {"vr": "UN", "InlineBinary": "AAA="}) == ()


def test_a_name_of_the_wrong_kind_is_read_as_far_as_it_goes() -> None:
    assert name_groups("Doe^Jane=X") == ("doe^jane", "x", "")
    assert name_groups(7) == ("", "", "")
