"""Reports are read as text; nothing in them can act."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from imagebank.dicom import document
from imagebank.dicom.dicomjson import to_json
from imagebank.dicom.read import normalise
from imagebank.errors import Unsupported
from imagebank.model.imaging import DataSet
from samples import sample_data

READABLE = [
    "objects/sr/sr.dcm",
    "objects/sr/test-SR.dcm",
    "objects/sr/reportsi.dcm",
    "objects/sr/sample-sr.dcm",
    "objects/sr/sr_document_with_multiple_groups.dcm",
    "objects/key-object/key-images-ct-head-current.dcm",
    "objects/presentation-state/prOverlay.dcm",
    "malformed/reportsi_with_empty_number_tags.dcm",
]


def attributes(path: str) -> DataSet:
    data, header = normalise((sample_data() / Path(path)).read_bytes())
    return to_json(data, header, bulk=None)


def code(meaning: str) -> dict[str, Any]:
    return {"vr": "SQ", "Value": [{"00080104": {"vr": "LO", "Value": [meaning]}}]}


def item(kind: str, label: str, **value: Any) -> DataSet:
    return {"0040A040": {"vr": "CS", "Value": [kind]}, "0040A043": code(label), **value}


def report(*items: DataSet) -> DataSet:
    return item("CONTAINER", "Report", **{"0040A730": {"vr": "SQ", "Value": list(items)}})


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not attrs
        self.seen.append(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("path", READABLE)
def test_a_sample_is_read_as_well_formed_text(path: str) -> None:
    tags = Tags()
    tags.feed(document.html(attributes(path)))

    assert not tags.open
    assert tags.seen[:3] == ["article", "section", "h1"]
    assert set(tags.seen) <= {"article", "section", "h1", "h2", "h3", "h4", "h5", "h6", "p", "strong", "br", "ul", "li"}
    assert len(document.plain(attributes(path)).splitlines()) > 1


def test_measurements_have_their_units() -> None:
    text = document.plain(attributes("objects/sr/sr.dcm"))

    assert "Imaging Measurement Report" in text
    assert "Volume: " in text
    assert " ml\n" in text or " cm3\n" in text


def test_key_images_are_named() -> None:
    text = document.plain(attributes("objects/key-object/key-images-ct-head-current.dcm"))

    assert text.startswith("Of Interest\n")
    assert "CT Image 1.3.46.670589.33.1.2191359772708670534.29087228031053688806" in text


def test_what_is_pointed_at_is_a_link_where_it_is_here() -> None:
    key_images = attributes("objects/key-object/key-images-ct-head-current.dcm")
    here = "1.3.46.670589.33.1.2191359772708670534.29087228031053688806"
    shown = document.html(key_images, link=lambda uid: ("/there?a=1&b=2", "CT <12>") if uid == here else None)

    assert shown.count('<a href="/there?a=1&amp;b=2">CT &lt;12&gt;</a>') == 1
    assert shown.count("<a ") == 1
    assert "CT Image 1.3.46" in shown
    assert "<a " not in document.html(key_images)


def test_a_page_may_have_the_title_for_itself() -> None:
    key_images = attributes("objects/key-object/key-images-ct-head-current.dcm")

    assert document.title(key_images) == "Of Interest"
    assert "Of Interest" not in document.html(key_images, has_title=False)


@pytest.mark.parametrize(
    ("code", "meaning", "written"),
    [
        ("mm", "millimeter", "7.5 mm"),
        ("1", "px", "7.5 px"),
        ("1", "no units", "7.5"),
        ("{pixels}", "pixels", "7.5 pixels"),
        ("{SUVbw}g/ml", "Standardized Uptake Value body weight", "7.5 SUVbw g/ml"),
        ("[hnsf'U]", "Hounsfield Unit", "7.5 Hounsfield Unit"),
    ],
)
def test_a_unit_is_written_as_people_write_it(code: str, meaning: str, written: str) -> None:
    unit = {"00080100": {"vr": "SH", "Value": [code]}, "00080104": {"vr": "LO", "Value": [meaning]}}
    value = {"0040A30A": {"vr": "DS", "Value": [7.5]}, "004008EA": {"vr": "SQ", "Value": [unit]}}
    measured = item("NUM", "Length", **{"0040A300": {"vr": "SQ", "Value": [value]}})

    assert f"Length: {written}\n" in document.plain(report(measured))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("objects/sr/sr.dcm", "Imaging Measurement Report"),
        ("rt-small/rtplan.dcm", "Plan1"),
        ("objects/waveform/waveform_ecg.dcm", "12-lead ECG Waveform"),
        ("ct-other/693_UNCR.dcm", "5/5mm Plain"),
    ],
)
def test_an_object_is_called_what_it_calls_itself(path: str, words: str) -> None:
    assert document.title(attributes(path)) == words


def test_what_an_object_holds_is_never_markup() -> None:
    evil = report(
        item("TEXT", "<script>alert(1)</script>", **{"0040A160": {"vr": "UT", "Value": ["<img onerror=x>\x1b[2J"]}})
    )
    evil["00100010"] = {"vr": "PN", "Value": [{"Alphabetic": "<b>^&amp"}]}
    shown = document.html(evil)

    assert "<script" not in shown
    assert "<img" not in shown
    assert "<b>" not in shown
    assert "\x1b" not in document.plain(evil)


def test_a_tree_without_end_is_cut() -> None:
    deep = item("TEXT", "leaf", **{"0040A160": {"vr": "UT", "Value": ["x"]}})
    for _ in range(200):
        deep = item("CONTAINER", "level", **{"0040A730": {"vr": "SQ", "Value": [deep]}})
    wide = report(*[item("TEXT", "n", **{"0040A160": {"vr": "UT", "Value": ["x"]}})] * 50_000)

    for tree in (report(deep), wide):
        assert "this view ends here" in document.html(tree)
        assert len(document.plain(tree)) < 1_000_000


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("DATE", {"0040A121": {"vr": "DA", "Value": ["20240229"]}}, "29 Feb 2024"),
        ("TIME", {"0040A122": {"vr": "TM", "Value": ["134501.5"]}}, "13:45:01"),
        ("DATETIME", {"0040A120": {"vr": "DT", "Value": ["202402291345"]}}, "29 Feb 2024, 13:45"),
        (
            "PNAME",
            {"0040A123": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jo", "Ideographic": "山田^太郎"}]}},
            "Doe Jo / 山田 太郎",
        ),
        ("CODE", {"0040A168": code("Left")}, "Left"),
        ("NUM", {}, "no value"),
        ("SCOORD", {"00700023": {"vr": "CS", "Value": ["POLYLINE"]}}, "Polyline drawn on the image"),
    ],
)
def test_each_kind_of_value_reads_as_words(kind: str, value: DataSet, words: str) -> None:
    assert f"Finding: {words}\n" in document.plain(report(item(kind, "Finding", **value)))


def test_values_of_the_wrong_kind_do_no_harm() -> None:
    odd: DataSet = {
        "0040A040": {"vr": "CS", "Value": ["CONTAINER"]},
        "0040A043": {"vr": "SQ", "Value": ["text", None, {}]},
        "0040A730": {"vr": "SQ", "Value": [None, "x", {}, {"0040A040": {"vr": "CS"}}]},
        "00100010": {"vr": "PN", "Value": []},
    }

    assert document.plain(odd) == "Object\n"


def test_an_image_has_no_text() -> None:
    with pytest.raises(Unsupported, match="no text"):
        document.html(attributes("ct-other/693_UNCR.dcm"))
