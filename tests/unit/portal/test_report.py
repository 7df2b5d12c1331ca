"""Structured reports as text."""

from typing import Any

from imagebank.portal import report
from imagebank.portal.report import Item


def a_code(meaning: str, value: str = "1") -> dict[str, Any]:
    return {
        "vr": "SQ",
        "Value": [{"00080100": {"vr": "SH", "Value": [value]}, "00080104": {"vr": "LO", "Value": [meaning]}}],
    }


def an_item(kind: str, label: str = "", **rest: Any) -> dict[str, Any]:
    named = {"0040A043": a_code(label)} if label else {}
    return {"0040A040": {"vr": "CS", "Value": [kind]}, **named, **rest}


def holding(*items: dict[str, Any]) -> dict[str, Any]:
    return {"0040A730": {"vr": "SQ", "Value": list(items)}}


def test_a_report_reads_as_its_author_wrote_it() -> None:
    finding = an_item("TEXT", "Finding", **{"0040A160": {"vr": "UT", "Value": ["No fracture."]}})
    size = an_item(
        "NUM",
        "Length",
        **{
            "0040A300": {
                "vr": "SQ",
                "Value": [{"0040A30A": {"vr": "DS", "Value": [4.5]}, "004008EA": a_code("millimeter", "mm")}],
            }
        },
    )
    document = an_item("CONTAINER", "Report", **holding(finding, size))

    assert report.read(document) == Item("Report", "", (Item("Finding", "No fracture."), Item("Length", "4.5 mm")))


def test_an_item_without_a_name_or_with_an_unknown_kind_is_borne() -> None:
    assert report.read(holding(an_item("TEXT"), an_item("SOMETHING NEW", "Word"), {})).items == (
        Item("", ""),
        Item("Word", ""),
        Item("", ""),
    )


def test_a_report_that_is_too_deep_says_so() -> None:
    document: dict[str, Any] = an_item("CONTAINER")
    for _ in range(100):
        document = an_item("CONTAINER", **holding(document))

    item, depth = report.read(document), 0
    while item.items:
        item, depth = item.items[0], depth + 1

    assert depth < 60
    assert "Open the original" in item.text


def test_a_report_that_is_too_long_says_so() -> None:
    document = an_item("CONTAINER", **holding(*[an_item("TEXT")] * 20_000))

    read = report.read(document)

    assert len(read.items) < 11_000
    assert "Open the original" in read.items[-1].text
