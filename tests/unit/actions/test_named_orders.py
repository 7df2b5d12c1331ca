"""Orders and visits that whoever uploads names: whose the files are, without typing."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path

import pytest

from bank import SOURCE, open_test_bank
from imagebank.actions import orders
from imagebank.actions.named_orders import Named, named
from imagebank.bank import Bank
from imagebank.model.access import Scope
from imagebank.model.encounter import Encounter, Stay
from imagebank.model.identity import Identity
from imagebank.model.order import Code, Order, Ordered, Patient, State
from imagebank.model.person import PatientId, PersonName
from imagebank.model.proposal import ProposalSource
from imagebank.model.uid import Uid
from imagebank.model.upload import About, Department

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AT = datetime(2026, 3, 1, 10, 15)  # noqa: DTZ001 - a camera knows no zone
_numbers = count(1)


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_test_bank(Path(tmp_path_factory.mktemp("orders"))) as bank:
        yield bank


@pytest.fixture
def ana() -> Patient:
    """Somebody whom no other test knows."""
    return Patient(PatientId("local", f"P{next(_numbers)}"), "Diaz^Ana", "19800203", "F")


def an_order(patient: Patient, **given: object) -> Order:
    number = next(_numbers)
    ordered = Ordered(Code("FUN", "Fundus photography", "L"), referring="Who^Doctor", admission=f"V{number}")
    order = Order("local", patient, NOW, State.SCHEDULED, f"PL{number}", f"F{number}", f"A{number}", modality="OP")
    return replace(order, study=Uid(f"1.2.{number}"), ordered=ordered, **given)  # type: ignore[arg-type]


def hear(bank: Bank, *heard: Order) -> Order:
    orders.hear(bank, heard, "RIS")
    return heard[0]


def look_up(bank: Bank, **said: object) -> Named:
    return named(bank, About(**said), SOURCE)  # type: ignore[arg-type]


def test_an_order_says_whose_the_files_are_and_what_was_asked_for(bank: Bank, ana: Patient) -> None:
    order = hear(bank, an_order(ana))
    for said in ({"order": order.placer}, {"order": order.filler}, {"accession": order.accession}):
        found = look_up(bank, **said)

        about = found.about
        assert (about.patient, about.name, about.birth_date, about.sex) == (ana.id, "Diaz^Ana", date(1980, 2, 3), "F")
        assert (about.accession, about.order or order.placer) == (order.accession, about.order or order.placer)
        assert (about.encounter, about.description) == (order.ordered.admission, "Fundus photography")
        assert about.asked is not None
        assert about.asked.study == order.study
        assert found.warnings == ()
        assert {one.source for one in found.proposals} == {ProposalSource.ORDER}
        assert f"order {order.number}" in found.proposals[0].evidence
        # What follows from the modality is likely, and no more.
        assert about.department is Department.OTHER
        assert {one.value for one in found.proposals if one.field == "department"} == {"ophthalmology"}


def test_what_was_said_wins(bank: Bank, ana: Patient) -> None:
    order = hear(bank, an_order(ana))
    about = look_up(bank, order=order.number, name="Diaz^Anna", description="Left eye").about

    assert (about.name, about.description, about.patient) == ("Diaz^Anna", "Left eye", ana.id)
    assert look_up(bank, patient=PatientId("", ana.id.identifier), order=order.number).about.asked is not None


def test_an_order_of_another_patient_than_was_said_is_left_alone(bank: Bank, ana: Patient) -> None:
    order = hear(bank, an_order(ana))
    about = About(PatientId("", "somebody else"), order=order.number)

    found = named(bank, about, SOURCE)
    assert found.about == about
    assert found.proposals == ()
    assert "different patients" in found.warnings[0]


def test_a_number_that_nobody_knows_is_kept_and_said_so(bank: Bank) -> None:
    found = look_up(bank, order="X-0", encounter="Y-0")

    assert (found.about.order, found.about.encounter, found.about.patient.identifier) == ("X-0", "Y-0", "")
    assert found.warnings == ("there is no order X-0 here yet", "there is no visit Y-0 here yet")
    assert look_up(bank, accession="A-elsewhere") == Named(About(accession="A-elsewhere", patient=PatientId("", "")))


def test_a_number_that_two_patients_have_says_nothing(bank: Bank, ana: Patient) -> None:
    bea = replace(ana, id=PatientId("local", f"{ana.id.identifier}b"))
    first, second = an_order(ana, accession="TWICE"), an_order(bea, accession="TWICE")
    hear(bank, first, second)

    found = look_up(bank, accession="TWICE")
    assert found.about.patient.identifier == ""
    assert "several patients" in found.warnings[0]


def test_an_order_that_has_another_accession_number_is_not_the_one(bank: Bank, ana: Patient) -> None:
    order = hear(bank, an_order(ana))

    assert look_up(bank, order=order.number, accession=order.accession).about.patient == ana.id
    assert look_up(bank, order=order.number, accession="another").warnings == (
        f"there is no order {order.number} here yet",
    )


def test_of_several_steps_only_what_they_have_in_common_is_taken(bank: Bank, ana: Patient) -> None:
    one = an_order(ana, accession="C1", step_id="S1")
    other = replace(one, step_id="S2", modality="OPT", ordered=replace(one.ordered, procedure=Code("OCT", "OCT", "L")))
    hear(bank, one, other)

    about = look_up(bank, accession="C1").about
    assert about.patient == ana.id
    assert about.description == ""
    assert about.asked is not None
    assert (about.asked.study, about.asked.modality, about.asked.ordered.procedure) == (one.study, "", Code())


def test_a_cancelled_order_is_said_to_be_so(bank: Bank, ana: Patient) -> None:
    order = hear(bank, an_order(ana, state=State.CANCELLED))

    found = look_up(bank, order=order.number)
    assert found.about.patient == ana.id
    assert found.warnings == (f"the order {order.number} was cancelled",)


def test_what_dicom_cannot_hold_is_not_taken_from_an_order(bank: Bank, ana: Patient) -> None:
    order = hear(bank, an_order(replace(ana, birth_date="1980", sex="X"), accession="1" * 17))

    about = look_up(bank, order=order.number).about
    assert (about.patient, about.accession, about.birth_date, about.sex) == (ana.id, "", None, "")


def test_a_visit_says_whose_the_files_are(bank: Bank, ana: Patient) -> None:
    number = f"V{next(_numbers)}"
    orders.visit(bank, Encounter("local", number, ana.id, NOW), "ADT")
    assert look_up(bank, encounter=number).about.patient == ana.id
    with bank.index.begin() as tx:
        tx.persons.put_identity(Identity(ana.id, PersonName("Diaz^Ana"), "19800203", "F", own=f"of {number}"), [])

    found = look_up(bank, encounter=number)
    assert (found.about.name, found.about.birth_date, found.about.sex) == ("Diaz^Ana", date(1980, 2, 3), "F")
    assert found.about.visit is not None
    assert {one.source for one in found.proposals} == {ProposalSource.ENCOUNTER}


def test_a_cancelled_visit_is_not_here(bank: Bank, ana: Patient) -> None:
    number = f"V{next(_numbers)}"
    orders.visit(bank, Encounter("local", number, ana.id, NOW, Stay.CANCELLED), "ADT")

    found = look_up(bank, encounter=number)
    assert found.about.patient.identifier == ""
    assert found.warnings == (f"there is no visit {number} here yet",)


def test_what_a_sender_does_not_see_is_not_here(bank: Bank, ana: Patient) -> None:
    order, elsewhere = an_order(ana), replace(an_order(ana), organization="elsewhere")
    hear(bank, order, elsewhere)
    orders.visit(bank, Encounter("local", order.ordered.admission, ana.id, NOW), "ADT")
    everything, nothing = Scope(organizations=None), Scope.nothing()

    for said in (About(order=order.number), About(encounter=order.ordered.admission)):
        assert named(bank, said, SOURCE, everything).about.patient == ana.id
        assert named(bank, said, SOURCE, nothing).about.patient.identifier == ""
        assert "is no" in named(bank, said, SOURCE, nothing).warnings[0]
    assert named(bank, About(patient=ana.id), SOURCE, nothing).proposals == ()
    # Another organization's orders are its own, also where its studies are seen.
    assert named(bank, About(order=elsewhere.number), SOURCE, everything).about.patient.identifier == ""


def test_the_order_of_a_visit_is_likely_and_not_filled_in(bank: Bank, ana: Patient) -> None:
    order = an_order(ana, scheduled_at="202603011000")
    others = (an_order(ana, scheduled_at="202603011000"), order)
    hear(bank, *others)
    orders.visit(bank, Encounter("local", order.ordered.admission, ana.id, NOW), "ADT")

    found = look_up(bank, encounter=order.ordered.admission, taken_at=AT)
    assert found.about.accession == ""
    (likely,) = (one for one in found.proposals if one.field == "accession_number")
    assert (likely.value, likely.is_likely, likely.is_sure) == (order.accession, True, False)


def test_an_open_order_of_the_patient_is_likely_when_it_is_the_only_one(bank: Bank, ana: Patient) -> None:
    fits = an_order(ana, scheduled_at="202603011000")
    others = (
        an_order(ana, scheduled_at="202603050800"),
        an_order(ana, scheduled_at="202603010800", modality="CT"),
        an_order(ana, scheduled_at="202603010800", state=State.DONE),
        an_order(replace(ana, id=PatientId("elsewhere", ana.id.identifier)), scheduled_at="202603010800"),
    )
    hear(bank, fits, *others)
    said = {"patient": PatientId("", ana.id.identifier), "department": Department.OPHTHALMOLOGY, "taken_at": AT}

    found = look_up(bank, **said)
    assert [(one.field, one.value) for one in found.proposals] == [
        *(("order", fits.number), ("accession_number", fits.accession), ("description", "Fundus photography")),
    ]
    assert all(one.is_likely and not one.is_sure for one in found.proposals)
    assert found.about.accession == ""
    assert "of 20260301" in found.proposals[0].evidence


def test_several_open_orders_are_none_of_them_likely(bank: Bank, ana: Patient) -> None:
    hear(bank, an_order(ana), an_order(ana, modality=""))
    found = look_up(bank, patient=ana.id, taken_at=AT)

    assert len([one for one in found.proposals if one.field == "order"]) == 2
    assert not any(one.is_likely for one in found.proposals)
    assert "one of 2 that are open" in found.proposals[0].evidence
    assert look_up(bank, patient=ana.id, department=Department.RADIOLOGY).proposals
