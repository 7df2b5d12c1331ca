"""What counts of what devices say, how it adds up, and for whom adults' figures do not hold."""

from datetime import date

import pytest

from imagebank.model.dose import Basis, Dose, Exposure, Kept, Method, Part, Quantity, Reading, counted, is_child, summed
from imagebank.model.exam import Exam, Group
from imagebank.model.uid import Uid

ONE, TWO = Uid("1.1"), Uid("1.2")


def told(value: float, instance: str, *events: str, quantity: Quantity = Quantity.DLP) -> Reading:
    return Reading(quantity, value, Basis.REPORT, "1", instance, events=events)


def header(value: float, quantity: Quantity = Quantity.DLP) -> Reading:
    return Reading(quantity, value, Basis.HEADER)


def count(**studies: tuple[Reading, ...]) -> object:
    found, elsewhere = counted([Kept(Uid(f"1.{name[1:]}"), "", readings) for name, readings in studies.items()])
    return {study: [one.value for one in some] for study, some in found.items()}, sorted(elsewhere)


def test_a_report_goes_before_headers_of_the_same_kind_of_radiation() -> None:
    tracer = header(350, Quantity.ACTIVITY)

    assert count(_1=(told(400, "a", "e1"), header(380), header(9, Quantity.CTDI), tracer)) == ({"1.1": [400, 350]}, [])
    assert count(_1=(header(380), tracer)) == ({"1.1": [380, 350]}, [])
    assert count(_1=(told(3, "a", quantity=Quantity.EFFECTIVE), tracer)) == ({"1.1": [3]}, [])


def test_the_same_report_counts_once_and_the_fuller_one_goes_before() -> None:
    twice = (told(400, "a", "e1"), told(400, "b", "e1"))
    grown = (told(100, "a", "e1"), told(400, "b", "e1", "e2"), told(50, "c", "e3"))
    unnamed = (told(400, "a"), told(400, "b"), told(500, "c"))

    assert count(_1=twice) == ({"1.1": [400]}, [])
    assert count(_1=grown) == ({"1.1": [400, 50]}, [])
    assert count(_1=unnamed) == ({"1.1": [400, 500]}, [])


def test_a_report_of_two_studies_counts_with_one_of_them() -> None:
    report = told(400, "a", "e1")
    found = count(_1=(report, header(300)), _2=(told(400, "b", "e1"), header(300)), _3=(told(400, "c"),))

    assert found == ({"1.1": [400], "1.2": [], "1.3": [400]}, ["1.2"])
    assert count(_1=(report,), _2=(told(400, "b", "e1"), header(9, Quantity.ACTIVITY))) == (
        {"1.1": [400], "1.2": [9]},
        [],
    )


def an_exposure(
    year: int | None, group: Group, *parts: Part, organization: str = "north", child: bool = False
) -> Exposure:
    day = date(year, 3, 1) if year else None
    return Exposure("1.1", Exam(group), day, organization, (), Dose(parts, is_for_child=child))


MEASURED = Part(Method.DLP, 6.0, "AAPM", is_measured=True)
TYPICAL = Part(Method.TYPICAL, 2.0, "Mettler")


def test_sums_say_what_is_measured_and_what_is_typical_only() -> None:
    found = summed(
        [
            an_exposure(2026, Group.CT, MEASURED, child=True),
            an_exposure(2026, Group.CT, TYPICAL, organization="south"),
            an_exposure(2025, Group.XR),
            an_exposure(None, Group.MR, Part(Method.NONE, 0)),
            an_exposure(2025, Group.CT, Part(Method.ELSEWHERE, 0)),
        ]
    )

    assert (found.total.exams, found.total.measured, found.total.estimated, found.total.unknown) == (3, 6, 2, 1)
    assert (found.total.msv, found.total.estimated_share) == (8, 0.25)
    assert [(one.name, one.msv) for one in found.by_year] == [("2025", 0), ("2026", 8)]
    assert [(one.name, one.exams) for one in found.by_modality] == [("CT", 2), ("XR", 1)]
    assert [(one.name, one.msv) for one in found.by_organization] == [("north", 6), ("south", 2)]
    assert (found.children, len(found.exposures), found.by_year[0].estimated_share) == (1, 5, 0)


def test_a_dose_is_called_by_its_largest_part() -> None:
    both = Dose((Part(Method.ACTIVITY, 5, "ICRP", is_measured=True), MEASURED, MEASURED))

    assert (both.msv, both.method, both.is_measured, both.sources) == (17, Method.DLP, True, ("ICRP", "AAPM"))
    assert (Dose().msv, Dose().method, Dose().is_measured) == (None, Method.UNKNOWN, False)
    assert Dose((MEASURED, TYPICAL)).is_measured is False
    assert header(1).unit == "mGy·cm"


@pytest.mark.parametrize(
    ("born", "day", "is_one"),
    [
        ("20080302", date(2026, 3, 1), True),
        ("20080301", date(2026, 3, 1), False),
        ("20150301", date(2026, 3, 1), True),
        ("1950", date(2026, 3, 1), False),
        ("2015x301", date(2026, 3, 1), False),
        ("20150301", None, False),
    ],
)
def test_who_is_younger_than_grown_up_is_a_child(born: str, day: date | None, is_one: bool) -> None:
    assert is_child(born, day, 18) is is_one
