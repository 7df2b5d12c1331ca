"""Modality performed procedure steps (PS3.4 annex F): N-CREATE when an exam begins, N-SET as it goes on and ends."""

from typing import Final

from imagebank.actions import performing
from imagebank.bank import Bank
from imagebank.dimse import command as commands
from imagebank.dimse.command import Command
from imagebank.dimse.dataset import text_of
from imagebank.dimse.handlers import Caller
from imagebank.errors import Invalid
from imagebank.model.imaging import DataSet
from imagebank.model.order import Performed, Reference, State
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid

_STATUS: Final = "00400252"
_SCHEDULED: Final = "00400270"
_STATES: Final = {"IN PROGRESS": State.STARTED, "COMPLETED": State.DONE, "DISCONTINUED": State.STOPPED}


def create(bank: Bank, caller: Caller, command: Command, attributes: DataSet) -> Uid:
    """Begin a step; its UID, which we give where the modality gives none (PS3.7 10.1.5.1.4).

    Raises Invalid for a step that is not in progress, NotAllowed and Conflict.
    """
    if _state(attributes) is not State.STARTED:
        raise Invalid("Performed Procedure Step Status has to be IN PROGRESS")
    given = commands.text(command, "AffectedSOPInstanceUID")
    uid = Uid.parse(given) if given else Uid.new()
    items = attributes.get(_SCHEDULED, {}).get("Value") or []
    references = tuple(
        Reference(_text(item, "0020000D"), _text(item, "00080050"), _text(item, "00400009"))
        for item in items
        if isinstance(item, dict)
    )
    organization = caller.principal.organization
    patient = PatientId(_text(attributes, "00100021") or organization, _text(attributes, "00100020"))
    step = Performed(uid, organization, patient, State.STARTED, references, caller.principal.name, bank.now())
    performing.begin(bank, step, caller.principal, caller.address)
    return uid


def change(bank: Bank, caller: Caller, command: Command, attributes: DataSet) -> None:
    """Take in what is new of a step: that it has ended, and how.

    Raises Invalid, NotAllowed, NotFound, and Conflict for a step that has ended.
    """
    uid = Uid.parse(commands.text(command, "RequestedSOPInstanceUID"))
    state = _state(attributes) or State.STARTED
    performing.end(bank, uid, state, caller.principal, caller.address)


def _state(attributes: DataSet) -> State | None:
    """How far the step is; None where it does not say."""
    text = _text(attributes, _STATUS)
    if text and text not in _STATES:
        raise Invalid("Performed Procedure Step Status is not one of three")
    return _STATES.get(text)


def _text(attributes: DataSet, key: str) -> str:
    return text_of(attributes.get(key, {"vr": "LO"})).strip(" \0")
