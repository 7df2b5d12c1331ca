"""Performed procedure steps: a modality says that it has begun an exam, and how that ended."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from imagebank.actions.expecting import expect
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotFound
from imagebank.model.access import Principal, Right
from imagebank.model.event import Act, Event
from imagebank.model.expectation import Expectation, ExpectedSeries, Origin
from imagebank.model.order import Performed, PerformedSeries, State
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid


@dataclass(frozen=True, slots=True)
class Made:
    """What a step says that it has made, and with what dose; None where it says nothing of it."""

    series: tuple[PerformedSeries, ...] | None = None
    dose: tuple[tuple[str, str], ...] | None = None


def begin(bank: Bank, step: Performed, principal: Principal, address: str = "") -> None:
    """Note that a step has begun; the orders that it answers are in progress from now on.

    Raises NotAllowed without the right to store, Conflict for a step of that UID that is known.
    """
    principal.require(Right.STORE)
    begun = replace(
        step, organization=principal.organization, by=principal.name, state=State.STARTED, changed_at=bank.now()
    )
    with bank.index.begin() as tx:
        if not tx.orders.add_performed(begun):
            raise Conflict("a performed procedure step of this UID is known")
        tx.orders.advance(begun)
        expect(bank, tx, *_words(begun))
        tx.record([_event(bank, begun.patient, principal, address, State.STARTED)])


def end(bank: Bank, uid: Uid, state: State, principal: Principal, address: str = "", made: Made | None = None) -> None:
    """Note how a step has ended, and with it the orders that it answers. What has ended is not changed any more.

    What it says of what was `made` replaces what it said before, part by part.

    Raises NotAllowed without the right to store, NotFound for a step that the caller's organization has not begun,
    Conflict for one that has ended.
    """
    principal.require(Right.STORE)
    with bank.index.begin() as tx:
        step = tx.orders.performed(uid, principal.organization)
        if step is None:
            raise NotFound("there is no such performed procedure step")
        if step.state.is_over:
            raise Conflict("the step has ended and may no longer be changed")
        told = made or Made()
        ended = replace(step, state=state, changed_at=bank.now())
        ended = replace(
            ended,
            series=step.series if told.series is None else told.series,
            dose=step.dose if told.dose is None else told.dose,
        )
        tx.orders.change_performed(ended)
        tx.orders.advance(ended)
        expect(bank, tx, *_words(ended))
        tx.record([_event(bank, step.patient, principal, address, state)])


def _event(bank: Bank, patient: PatientId, principal: Principal, address: str, state: State) -> Event:
    return Event(
        bank.now(),
        Act.CHANGED,
        principal.name,
        principal.organization,
        address,
        detail=f"order {state}, says the modality",
        patient=patient,
    )


def _words(step: Performed) -> Iterator[Expectation]:
    """What a step says has to come of each study that it names."""
    studies = dict.fromkeys(one.study for one in step.references)
    series = tuple(ExpectedSeries(one.uid, one.instances) for one in step.series if one.instances)
    accession = next((one.accession for one in step.references if one.accession), "")
    for text in studies:
        try:
            study = Uid.parse(text)
        except Invalid:
            continue  # it names none, or nothing that a study can have
        word = Expectation(study, step.organization, step.patient, Origin.MPPS, str(step.uid), step.changed_at, step.by)
        yield replace(
            word,
            series=series,
            is_final=step.state.is_over,
            # Who has broken off an exam and names nothing expects nothing.
            is_withdrawn=step.state is State.STOPPED and not series,
            modality=step.modality,
            accession=accession,
        )
