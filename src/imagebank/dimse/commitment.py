"""Storage commitment push model (PS3.4 annex J): requests by N-ACTION, results by N-EVENT-REPORT."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from imagebank.actions import commitment
from imagebank.actions.commitment import Committed
from imagebank.bank import Bank
from imagebank.dicom.keys import text_element, text_of
from imagebank.dimse import command as commands
from imagebank.dimse import scu
from imagebank.dimse.command import Command, Kind
from imagebank.dimse.contexts import MESSAGE_SYNTAXES, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
from imagebank.dimse.dataset import encode
from imagebank.dimse.handlers import Caller
from imagebank.dimse.status import SUCCESS
from imagebank.errors import BankError, Invalid, NotFound, Unavailable, Unsupported
from imagebank.model.access import Right, Scope
from imagebank.model.imaging import DataSet
from imagebank.model.uid import Uid

_log = logging.getLogger(__name__)

JOB: Final = "commitment-result"
# How long the worker leaves a request to the association that it came on, where it is looked after at once.
_GRACE: Final = timedelta(minutes=10)
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


def undertake(bank: Bank, caller: Caller, asked: Request) -> None:
    """Make the request durable before it is acknowledged, so that its result comes whatever happens here."""
    with bank.index.begin() as tx:
        tx.defer(JOB, _payload(caller, asked), bank.now() + _GRACE, _key(caller, asked))


def settle(bank: Bank, caller: Caller, asked: Request, *, is_told: bool) -> None:
    """The association is done with a request: forget it, or have the worker deliver its result now."""
    try:
        with bank.index.begin() as tx:
            tx.forget(JOB, _key(caller, asked))
            if not is_told:
                tx.defer(JOB, _payload(caller, asked), bank.now(), _key(caller, asked))
    except BankError as error:
        _log.warning("a commitment result of %s will be delivered later, or twice: %s", caller.aet, error)


def _key(caller: Caller, asked: Request) -> str:
    return f"{caller.aet} {asked.transaction}"


def _payload(caller: Caller, asked: Request) -> dict[str, Any]:
    return {
        "aet": caller.aet,
        "organization": caller.principal.organization,
        "transaction": str(asked.transaction),
        "references": [list(pair) for pair in asked.references],
    }


def deliver_commitment(bank: Bank, payload: dict[str, Any]) -> None:
    """Look at the references of a request and deliver the result on an association of our own.

    Raises NotFound when the device is not registered, Unavailable to be tried again.
    """
    device = bank.index.device(payload["aet"])
    if device is None:
        raise NotFound(f"no device is registered as {payload['aet']}, so its commitment result cannot be delivered")
    references = [(Uid(sop_class), Uid(uid)) for sop_class, uid in payload["references"]]
    result = commitment.commit(bank, references, Scope.of(payload["organization"]))
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
