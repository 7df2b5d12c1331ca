"""Storage commitment push model (PS3.4 annex J): requests by N-ACTION, results by N-EVENT-REPORT."""

from dataclasses import dataclass
from typing import Any, Final

from imagebank.actions import commitment
from imagebank.actions.commitment import Committed
from imagebank.bank import Bank
from imagebank.dimse import command as commands
from imagebank.dimse import scu
from imagebank.dimse.command import Command, Kind
from imagebank.dimse.contexts import MESSAGE_SYNTAXES, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
from imagebank.dimse.dataset import encode, text_element, text_of
from imagebank.dimse.handlers import Caller
from imagebank.dimse.status import SUCCESS
from imagebank.errors import Invalid, NotFound, Unavailable, Unsupported
from imagebank.model.access import Right
from imagebank.model.imaging import DataSet
from imagebank.model.uid import Uid

JOB: Final = "commitment-result"
REQUEST_ACTION: Final = 1
ALL_HELD, SOME_FAILED = 1, 2

_TRANSACTION: Final = "00081195"
_REFERENCED: Final = "00081199"
_FAILED: Final = "00081198"
_REASON: Final = "00081197"
_SOP_CLASS: Final = "00081150"
_SOP_INSTANCE: Final = "00081155"
_RETRIEVE_AET: Final = "00080054"


@dataclass(frozen=True, slots=True)
class Request:
    """What a device wants to be told: of which (SOP class, SOP instance), under which transaction."""

    transaction: Uid
    references: tuple[tuple[Uid, Uid], ...]


def request(caller: Caller, command: Command, information: DataSet) -> Request:
    """Understand an N-ACTION. Raises NotAllowed, NotFound, Unsupported and Invalid."""
    caller.principal.require(Right.STORE)
    if commands.text(command, "RequestedSOPInstanceUID") != STORAGE_COMMITMENT_INSTANCE:
        raise NotFound("storage commitment has one well-known SOP instance")
    if command.get("ActionTypeID") != REQUEST_ACTION:
        raise Unsupported("the only action is 1, Request Storage Commitment")
    transaction = Uid.parse(text_of(information.get(_TRANSACTION, {"vr": "UI"})))
    items = information.get(_REFERENCED, {}).get("Value") or []
    references = tuple((_uid(item, _SOP_CLASS), _uid(item, _SOP_INSTANCE)) for item in items)
    if not references:
        raise Invalid("Referenced SOP Sequence (0008,1199) is empty")
    return Request(transaction, references)


def _uid(item: DataSet, key: str) -> Uid:
    return Uid.parse(text_of(item.get(key, {"vr": "UI"})))


def checked(bank: Bank, caller: Caller, asked: Request) -> Committed:
    """Look at the bytes of every reference."""
    return commitment.commit(bank, asked.references, caller.principal.scope)


def report(ae_title: str, transaction: Uid, result: Committed) -> tuple[Command, DataSet]:
    """The N-EVENT-REPORT of a result: command and event information (PS3.4 J.3.3)."""
    information: DataSet = {
        _TRANSACTION: text_element("UI", transaction),
        _RETRIEVE_AET: text_element("AE", ae_title),
    }
    if result.held:
        information[_REFERENCED] = {"vr": "SQ", "Value": [_reference(*pair) for pair in result.held]}
    if result.failed:
        information[_FAILED] = {
            "vr": "SQ",
            "Value": [
                _reference(sop_class, uid) | {_REASON: {"vr": "US", "Value": [reason]}}
                for sop_class, uid, reason in result.failed
            ],
        }
    command: Command = {
        "AffectedSOPClassUID": STORAGE_COMMITMENT,
        "AffectedSOPInstanceUID": STORAGE_COMMITMENT_INSTANCE,
        "CommandField": int(Kind.N_EVENT_REPORT),
        "EventTypeID": SOME_FAILED if result.failed else ALL_HELD,
    }
    return command, information


def _reference(sop_class: Uid, uid: Uid) -> DataSet:
    return {_SOP_CLASS: text_element("UI", sop_class), _SOP_INSTANCE: text_element("UI", uid)}


def defer(bank: Bank, aet: str, transaction: Uid, result: Committed) -> None:
    """Have a result delivered on a new association, however long the device takes to answer."""
    payload = {
        "aet": aet,
        "transaction": str(transaction),
        "held": [list(pair) for pair in result.held],
        "failed": [list(one) for one in result.failed],
    }
    with bank.index.begin() as tx:
        tx.defer(JOB, payload, bank.now(), f"{aet} {transaction}")


def deliver_commitment(bank: Bank, payload: dict[str, Any]) -> None:
    """Deliver a deferred result. Raises NotFound when the device is not registered, Unavailable to be tried again."""
    device = bank.index.device(payload["aet"])
    if device is None:
        raise NotFound(f"no device is registered as {payload['aet']}, so its commitment result cannot be delivered")
    result = Committed(
        tuple((Uid(sop_class), Uid(uid)) for sop_class, uid in payload["held"]),
        tuple((Uid(sop_class), Uid(uid), int(reason)) for sop_class, uid, reason in payload["failed"]),
    )
    command, information = report(bank.settings.ae_title, Uid(payload["transaction"]), result)
    # PS3.4 J.3.1: whoever reports on an association of its own proposes itself as the SCP.
    with scu.associated(
        bank.settings,
        device,
        [(STORAGE_COMMITMENT, MESSAGE_SYNTAXES)],
        roles={STORAGE_COMMITMENT: (False, True)},
    ) as association:
        contexts = scu.accepted(association, STORAGE_COMMITMENT)
        if not contexts:
            raise Unavailable(f"device {device.aet} does not take storage commitment results")
        data = encode(information, contexts[0].transfer_syntax)
        status = scu.request(association, contexts[0], command, iter((data,)))
    if status != SUCCESS:
        raise Unavailable(f"device {device.aet} answered the commitment result with status {status:#06x}")
