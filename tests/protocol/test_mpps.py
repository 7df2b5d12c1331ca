"""Performed procedure steps with pynetdicom: a modality says that it has begun an exam, and how that ended."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid
from pynetdicom import build_context

from hl7 import calling, omi, orm, pid
from imagebank.dimse.contexts import EXPLICIT_LE, IMPLICIT_LE, PERFORMED_STEP
from imagebank.hl7.listener import start
from imagebank.model.access import Right, Scope
from imagebank.model.expectation import ExpectedSeries, Origin
from imagebank.model.order import State
from imagebank.model.uid import Uid
from imagebank.ports.orders import Wanted
from protocol.dimse_peers import HOST, Site, a_site, associate, register


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("mpps")) as found:
        listener = start(found.bank, HOST, 0)
        steps = ["IPC|A1|RP1|1.2.3.1|S1|CT||||CT1", "IPC|A1|RP1|1.2.3.1|S2|MR||||MR1"]
        with calling(listener.port) as ris:
            ris.send(omi(ipc=steps))
            ris.send(orm(filler="F2", patient=pid("P2"), study=""))
        listener.stop(5)
        yield found


def a_step(status: str = "IN PROGRESS", **reference: str) -> Dataset:
    step = Dataset()
    step.PerformedProcedureStepStatus = status
    step.PerformedProcedureStepID = "PPS1"
    step.PatientID = "P1"
    item = Dataset()
    given = {"StudyInstanceUID": "1.2.3.1", "AccessionNumber": "A1", "ScheduledProcedureStepID": "S1"} | reference
    for keyword, value in given.items():
        setattr(item, keyword, value)
    step.ScheduledStepAttributesSequence = [item]
    return step


class Modality:
    """Says what it does, each on an association of its own."""

    def __init__(self, site: Site, aet: str = "CT1", syntax: str = EXPLICIT_LE) -> None:
        self._site, self._aet, self._syntax = site, aet, syntax

    def _call(self, method: str, *given: Any) -> tuple[int, Any]:
        association = associate(self._site, build_context(PERFORMED_STEP, self._syntax), aet=self._aet)
        status, answer = getattr(association, method)(*given)
        association.release()
        return int(status.Status), answer

    def create(self, step: Dataset, uid: str | None) -> int:
        return self._call("send_n_create", step, PERFORMED_STEP, uid)[0]

    def set(self, uid: str, status: str = "", **made: Any) -> int:
        change = Dataset()
        for keyword, value in made.items():
            setattr(change, keyword, value)
        change.PerformedProcedureStepDescription = "as it went"
        if status:
            change.PerformedProcedureStepStatus = status
        return self._call("send_n_set", change, PERFORMED_STEP, uid)[0]


def states(site: Site) -> dict[str, State | None]:
    found = site.bank.index.orders.orders(Wanted(is_open=False), Scope(None))
    return {one.step_id: one.state for one in found}


@pytest.mark.parametrize("syntax", [EXPLICIT_LE, IMPLICIT_LE])
@pytest.mark.parametrize(("status", "state"), [("COMPLETED", State.DONE), ("DISCONTINUED", State.STOPPED)])
def test_an_exam_begins_goes_on_and_ends_and_its_order_with_it(
    site: Site, syntax: str, status: str, state: State
) -> None:
    modality, uid = Modality(site, syntax=syntax), generate_uid()
    begun = modality.create(a_step(), uid)
    during = states(site)
    going_on = modality.set(uid)
    still = states(site)
    ended = modality.set(uid, status)

    assert (begun, going_on, ended) == (0, 0, 0)
    assert during == still == {"S1": State.STARTED, "S2": State.SCHEDULED, "SF2": State.SCHEDULED}
    assert states(site) == {"S1": state, "S2": State.SCHEDULED, "SF2": State.SCHEDULED}


def test_a_step_is_found_by_its_accession_number_and_may_get_its_uid_from_us(site: Site) -> None:
    begun = Modality(site).create(a_step(StudyInstanceUID="", AccessionNumber="AF2", ScheduledProcedureStepID=""), None)

    assert begun == 0
    assert states(site)["SF2"] is State.STARTED


def test_an_exam_that_nobody_ordered_is_noted_and_changes_no_order(site: Site) -> None:
    step = a_step(StudyInstanceUID="9.9", AccessionNumber="")
    nothing = a_step(StudyInstanceUID="", AccessionNumber="", ScheduledProcedureStepID="")
    answers = [Modality(site).create(one, generate_uid()) for one in (step, nothing)]

    assert answers == [0, 0]
    assert set(states(site).values()) == {State.SCHEDULED}


def test_what_cannot_be_is_refused(site: Site) -> None:
    modality, uid = Modality(site), generate_uid()
    wrong = modality.create(a_step("COMPLETED"), generate_uid())
    odd = modality.create(a_step("ODD"), generate_uid())
    unknown = modality.set(generate_uid(), "COMPLETED")
    modality.create(a_step(), uid)
    twice = modality.create(a_step(), uid)
    modality.set(uid, "COMPLETED")
    late = modality.set(uid, "DISCONTINUED")

    assert [wrong, odd, unknown, twice, late] == [0x0106, 0x0106, 0x0112, 0x0111, 0x0110]
    assert states(site)["S1"] is State.DONE


def test_a_device_needs_the_right_to_store_and_changes_the_steps_of_its_own_organization(site: Site) -> None:
    uid = generate_uid()
    register(site, "MAYNOT", rights=frozenset({Right.FIND}))
    register(site, "OTHER", organization="south")
    refused = Modality(site, "MAYNOT").create(a_step(), uid)
    elsewhere = Modality(site, "OTHER").create(a_step(), uid)
    changed = Modality(site).set(uid, "COMPLETED")

    assert (refused, elsewhere, changed) == (0x0124, 0, 0x0112)
    assert states(site)["S1"] is State.SCHEDULED


def test_it_stands_in_the_ledger(site: Site) -> None:
    uid = generate_uid()
    Modality(site).create(a_step(), uid)
    Modality(site).set(uid, "COMPLETED")

    details = [one.detail for one in site.bank.index.events(Scope(None)) if one.principal == "CT1"]
    assert details[:2] == ["order completed, says the modality", "order in progress, says the modality"]


def a_made_series(uid: str, *, images: int, others: int) -> Dataset:
    """A performed series with what it refers to."""
    series = Dataset()
    series.SeriesInstanceUID, series.SeriesDescription = uid, "axial"
    for keyword, kind, count in (
        ("ReferencedImageSequence", "1", images),
        ("ReferencedNonImageCompositeSOPInstanceSequence", "2", others),
    ):
        items = []
        for number in range(count):
            items.append(Dataset())
            items[-1].ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
            items[-1].ReferencedSOPInstanceUID = f"{uid}.{kind}.{number}"
        setattr(series, keyword, items)
    return series


@pytest.mark.parametrize("syntax", [EXPLICIT_LE, IMPLICIT_LE])
def test_what_was_made_is_kept_and_waited_for(site: Site, syntax: str) -> None:
    uid, modality = generate_uid(), Modality(site, syntax=syntax)
    begun = a_step()
    begun.Modality = "CT"
    modality.create(begun, uid)
    dose: dict[str, Any] = {"EntranceDose": 3, "ImageAndFluoroscopyAreaDoseProduct": "2.5"}
    first = modality.set(uid, PerformedSeriesSequence=[a_made_series("1.2.3.1.9", images=1, others=0)], **dose)
    last = modality.set(uid, "COMPLETED", PerformedSeriesSequence=[a_made_series("1.2.3.1.9", images=2, others=1)])
    with site.bank.index.begin() as tx:
        step = tx.orders.performed(Uid(uid), "local")
        words = [one for one in tx.expectations.about(Uid("1.2.3.1")) if one.origin is Origin.MPPS]

    assert (first, last) == (0, 0)
    assert step is not None
    assert dict(step.dose) == {"EntranceDose": "3", "ImageAndFluoroscopyAreaDoseProduct": "2.5"}
    (word,) = words
    named = ("1.2.3.1.9.1.0", "1.2.3.1.9.1.1", "1.2.3.1.9.2.0")
    assert word.series == (ExpectedSeries("1.2.3.1.9", named),)
    assert (word.by, word.modality, word.accession, word.is_final) == ("CT1", "CT", "A1", True)
