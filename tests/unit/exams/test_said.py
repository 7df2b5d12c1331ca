"""What the headers of a study say of the exam."""

from typing import Any

from imagebank.exams.said import said_of
from imagebank.model.exam import NOTHING_SAID, Said
from imagebank.model.region import Code


def dataset(**values: Any) -> dict[str, Any]:
    return {key.removeprefix("x"): {"vr": "LO", "Value": [value]} for key, value in values.items()}


def test_each_thing_is_said_once() -> None:
    first = dataset(x00080060="CT", x00081030="CT ABD", x0008103E="AX", x00181030="5.1 ABD", x00180015="ABDOMEN")
    second = dataset(x00080060="CT", x00081030="CT ABD", x0008103E="COR", x00180010="Iohexol", x00185101="AP")

    assert said_of([first, second]) == Said(
        modalities=("CT",),
        descriptions=("CT ABD",),
        series=("AX", "COR", "5.1 ABD"),
        body_parts=("ABDOMEN",),
        views=("AP",),
        agent="Iohexol",
    )


def test_what_goes_with_images_says_nothing_beside_them() -> None:
    images, dose = dataset(x00080060="MR", x0008103E="t1"), dataset(x00080060="SR", x0008103E="Dose report")

    assert said_of([dose, images]).series == ("t1",)
    assert said_of([dose]).modalities == ("SR",)
    assert said_of([]) == NOTHING_SAID


def test_both_sides_are_said_by_two_series() -> None:
    left, right = dataset(x00200060="L"), dataset(x00200062="R")

    assert [said_of(each).laterality for each in ([left], [left, left], [left, right], [dataset(x00200060="")])] == [
        "L",
        "L",
        "B",
        "",
    ]
    assert said_of([left, dataset(x00200060="U")]).laterality == ""


def test_codes_have_a_value_or_a_meaning() -> None:
    chest = {"00080100": {"Value": ["71260"]}, "00080102": {"Value": ["C4"]}, "00080104": {"Value": ["CT chest"]}}
    said = said_of([{"00081032": {"Value": [chest, {}]}, "00082218": {"Value": [{"00080104": {"Value": ["Liver"]}}]}}])

    assert said.codes == (Code("71260", "C4", "CT chest"),)
    assert said.regions == (Code("", "", "Liver"),)
