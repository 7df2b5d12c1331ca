"""Unified Procedure Steps (PS3.4 annex CC): tasks of the reconciliation queue, found, looked at, begun and given up.

Steps are made by the bank alone, so the Push service is not offered; nor are subscriptions.
"""

from collections.abc import Iterator
from typing import Final

from imagebank.actions import workitems
from imagebank.bank import Bank
from imagebank.dicom.keys import asked_of, match, returned
from imagebank.dicom.workitem import SOP_CLASS, STATE, TRANSACTION, described
from imagebank.dimse import command as commands
from imagebank.dimse import status
from imagebank.dimse.command import Command
from imagebank.dimse.handlers import Answer, Caller, refused
from imagebank.errors import BankError, Invalid, Mismatch, Unsupported
from imagebank.model.imaging import DataSet
from imagebank.model.uid import Uid
from imagebank.model.workitem import Status

_CHANGE_STATE: Final = 1


def find(bank: Bank, caller: Caller, identifier: DataSet) -> Iterator[Answer]:
    """Answer a query (PS3.4 CC.2.8): one pending answer for each step, then the final one."""
    try:
        sought = "C-FIND workitems by " + (
            ", ".join(sorted(key for key in identifier if asked_of(identifier, key))) or "nothing"
        )
        found = workitems.listed(bank, _state(identifier), caller.principal, sought, caller.address)
        for one in found:
            held = described(one, bank.settings.ae_title)
            if match(identifier, held):
                told = {key: returned(element, held.get(key)) for key, element in identifier.items()}
                yield Answer(status.PENDING, identifier=told)
    except BankError as error:
        yield refused(error, status.FIND)
        return
    yield Answer(status.SUCCESS)


def _state(attributes: DataSet) -> Status | None:
    """The state that is named; None for any. Raises Invalid."""
    text = asked_of(attributes, STATE)
    if not text or set(text) <= {"*"}:
        return None
    if text not in set(Status):
        raise Invalid("Procedure Step State is one of " + ", ".join(Status))
    return Status(text)


def get(bank: Bank, caller: Caller, command: Command) -> DataSet:
    """The attributes of a step that are asked for, or all (PS3.4 CC.2.7). Raises Mismatch, NotAllowed, NotFound."""
    held = described(workitems.shown(bank, _uid(command), caller.principal, caller.address), bank.settings.ae_title)
    wanted = commands.text(command, "AttributeIdentifierList").split("\\")
    return {key: held[key] for key in wanted if key in held} if any(wanted) else held


def change(bank: Bank, caller: Caller, command: Command, attributes: DataSet) -> None:
    """Keep what its performer says of a step (PS3.4 CC.2.6). Raises StepRefused, Mismatch, Invalid, NotFound."""
    said = {key: element for key, element in attributes.items() if key != TRANSACTION}
    transaction = asked_of(attributes, TRANSACTION)
    workitems.update(bank, _uid(command), transaction, said, caller.principal, caller.address)


def act(bank: Bank, caller: Caller, command: Command, information: DataSet) -> None:
    """Change the state of a step (PS3.4 CC.2.1). Raises StepRefused, Mismatch, Invalid, NotFound, Unsupported."""
    if commands.number(command, "ActionTypeID") != _CHANGE_STATE:
        raise Unsupported("of workitems the state can be changed, and nothing else asked for")
    wanted = _state(information)
    if wanted is None:
        raise Invalid("say which state, in Procedure Step State")
    transaction = asked_of(information, TRANSACTION)
    workitems.change_state(bank, _uid(command), transaction, wanted, caller.principal, caller.address)


def _uid(command: Command) -> Uid:
    """The step that is meant. Its class is that of every step, whichever service it comes by (PS3.4 CC.3.1.1)."""
    if commands.text(command, "RequestedSOPClassUID") != SOP_CLASS:
        raise Mismatch("the SOP class of a workitem is Unified Procedure Step - Push")
    return Uid.parse(commands.text(command, "RequestedSOPInstanceUID"))
