"""Modality performed procedure steps (PS3.4 annex F): N-CREATE when an exam begins, N-SET as it goes on and ends."""

from collections.abc import Iterator
from typing import Final

from imagebank.actions import performing
from imagebank.bank import Bank
from imagebank.dicom.keys import text_of
from imagebank.dimse import command as commands
from imagebank.dimse.command import Command
from imagebank.dimse.handlers import Caller
from imagebank.errors import Invalid
from imagebank.model.imaging import DataSet
from imagebank.model.order import Performed, PerformedSeries, Reference, State
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid

_STATUS: Final = "00400252"
_SCHEDULED: Final = "00400270"
_PERFORMED_SERIES: Final = "00400340"
_DOSES: Final = {
    "00400300": "TotalTimeOfFluoroscopy",
    "00400301": "TotalNumberOfExposures",
    "00400302": "EntranceDose",
    "00408302": "EntranceDoseInmGy",
    "0018115E": "ImageAndFluoroscopyAreaDoseProduct",
    "00400310": "CommentsOnRadiationDose",
}
"""PS3.3 C.4.16, Radiation Dose."""
_STATES: Final = {"IN PROGRESS": State.STARTED, "COMPLETED": State.DONE, "DISCONTINUED": State.STOPPED}


def create(bank: Bank, caller: Caller, command: Command, attributes: DataSet) -> Uid:
    """Begin a step; its UID, which we give where the modality gives none (PS3.7 10.1.5.1.4).

    Raises Invalid for a step that is not in progress, NotAllowed and Conflict.
    """
    if _state(attributes) is not State.STARTED:
        raise Invalid("Performed Procedure Step Status has to be IN PROGRESS")
    given = commands.text(command, "AffectedSOPInstanceUID")
    uid = Uid.parse(given) if given else Uid.new()
    references = tuple(
        Reference(_text(item, "0020000D"), _text(item, "00080050"), _text(item, "00400009"))
        for item in _items(attributes, _SCHEDULED)
    )
    organization = caller.principal.organization
    patient = PatientId(_text(attributes, "00100021") or organization, _text(attributes, "00100020"))
    step = Performed(
        uid,
        organization,
        patient,
        State.STARTED,
        references,
        caller.principal.name,
        bank.now(),
        _text(attributes, "00080060"),
        _series(attributes) or (),
        _dose(attributes) or (),
    )
    performing.begin(bank, step, caller.principal, caller.address)
    return uid


def change(bank: Bank, caller: Caller, command: Command, attributes: DataSet) -> None:
    """Take in what is new of a step: that it has ended, and how, what was made, and with what dose.

    Raises Invalid, NotAllowed, NotFound, and Conflict for a step that has ended.
    """
    uid = Uid.parse(commands.text(command, "RequestedSOPInstanceUID"))
    state = _state(attributes) or State.STARTED
    made = performing.Made(_series(attributes), _dose(attributes))
    performing.end(bank, uid, state, caller.principal, caller.address, made)


def _state(attributes: DataSet) -> State | None:
    """How far the step is; None where it does not say."""
    text = _text(attributes, _STATUS)
    if text and text not in _STATES:
        raise Invalid("Performed Procedure Step Status is not one of three")
    return _STATES.get(text)


def _series(attributes: DataSet) -> tuple[PerformedSeries, ...] | None:
    """The series that it names, with what is in them; None where it says nothing of series."""
    if _PERFORMED_SERIES not in attributes:
        return None
    return tuple(
        PerformedSeries(_text(item, "0020000E"), tuple(_referenced(item)), _text(item, "0008103E"))
        for item in _items(attributes, _PERFORMED_SERIES)
    )


def _referenced(item: DataSet) -> Iterator[str]:
    """Images and other objects of a series, by SOP Instance UID (PS3.3 C.4.15)."""
    for key in ("00081140", "00400220"):
        yield from filter(None, (_text(one, "00081155") for one in _items(item, key)))


def _dose(attributes: DataSet) -> tuple[tuple[str, str], ...] | None:
    found = tuple((name, text) for key, name in _DOSES.items() if (text := _text(attributes, key)))
    return found or None


def _items(attributes: DataSet, key: str) -> list[DataSet]:
    return [item for item in attributes.get(key, {}).get("Value") or [] if isinstance(item, dict)]


def _text(attributes: DataSet, key: str) -> str:
    return text_of(attributes.get(key, {"vr": "LO"})).strip(" \0")
