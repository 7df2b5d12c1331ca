"""A picture of what was right."""

from xml.etree import ElementTree as ET

from imagebank.exams.plotting import picture

SVG = "{http://www.w3.org/2000/svg}"


def test_each_measure_has_a_mark_for_each_half_on_a_scale_from_half_to_all() -> None:
    root = ET.fromstring(
        picture("A & B", {"F1": {"development": 1.0, "test": 0.75}, "low": dict.fromkeys(("development", "test"), 0.1)})
    )
    marks = [(int(one.get("cx", "")), one.get("fill")) for one in root.iter(f"{SVG}circle")][:4]
    words = [one.text for one in root.iter(f"{SVG}text")]

    assert root.findtext(f"{SVG}title") == "A & B"
    assert [place for place, _ in marks] == [850, 540, 230, 230]
    assert {"F1", "low", "0.750", "0.100", "half for the test", "1.0"} <= {*words}
