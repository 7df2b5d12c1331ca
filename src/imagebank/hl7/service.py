"""What becomes of a message: kept, done, answered. A message never ends the connection that brought it."""

import hashlib
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from imagebank.actions import letters, orders, reports
from imagebank.bank import Bank
from imagebank.errors import BankError, Invalid, NotFound
from imagebank.hl7 import answers, fields, patients, persons
from imagebank.hl7 import orders as order_messages
from imagebank.hl7 import reports as report_messages
from imagebank.hl7.answers import Refused
from imagebank.hl7.framing import Frame
from imagebank.hl7.messages import Marks, Message, Segment, read
from imagebank.model.imaging import Digest, Location
from imagebank.model.message import Fate, Letter, Peer, Told
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid

_log = logging.getLogger(__name__)

_NOWHERE: Final = Location("", 0, 0, 0)
_NOBODY: Final = PatientId("", "")
_LOCKS: Final = tuple(threading.Lock() for _ in range(64))
_MAX_NAME: Final = 128
_US: Final = "IMAGEBANK"
DONE: Final = Told(Fate.DONE)
KINDS: Final = ("ADT", "ORM", "OMI", "ORU")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who may be at the other end, as the address and the certificate tell, and the address."""

    peers: list[Peer]
    address: str


def answer(bank: Bank, frame: Frame, sender: Sender) -> bytes | None:
    """The acknowledgement of a message; None where none is wanted."""
    try:
        message = read(frame.content)
    except Invalid as error:
        return _unread(bank, frame, sender, str(error))
    if message.header.get(9) in ("ACK", "MCF"):
        return None  # an answer to an answer would never end
    told = _told(bank, frame, message, sender)
    if not answers.is_wanted(message, told.fate):
        return None
    return answers.acknowledgement(message, told, us(bank), _control(), bank.now())


def us(bank: Bank) -> tuple[str, str]:
    """How we are called where a message does not say: application and facility."""
    return _US, bank.settings.organization


def _control() -> str:
    return Uid.new().rpartition(".")[2][-20:]


def _unread(bank: Bank, frame: Frame, sender: Sender, reason: str) -> bytes:
    """Refuse what is no message, and keep it for whoever looks into it, if somebody known may have sent it."""
    told = Told(Fate.REFUSED, answers.SEGMENT_SEQUENCE, reason)
    if frame.is_whole and sender.peers:
        peer = sender.peers[0]
        try:
            letter = letters.keep(bank, frame.content, _letter(bank, peer, sender.address, "", "unreadable"), _NOBODY)
            letters.tell(bank, letter, told)
        except BankError as error:
            _log.warning("%s: an unreadable message was not kept: %s", sender.address, error)
    blank = Segment("MSH", ["MSH", "|"], Marks())
    return answers.acknowledgement(Message([blank]), told, us(bank), _control(), bank.now())


def _letter(bank: Bank, peer: Peer, address: str, control: str, kind: str) -> Callable[[Digest], Letter]:
    def made(digest: Digest) -> Letter:
        name = peer.name or peer.host
        return Letter(
            name, control[:_MAX_NAME], kind[:_MAX_NAME], peer.organization, address, digest, bank.now(), _NOWHERE
        )

    return made


def _told(bank: Bank, frame: Frame, message: Message, sender: Sender) -> Told:
    """What became of a message that could be read; whatever it is, it is kept when this returns, but for a stranger's."""
    application, facility = message.header.get(3)[:_MAX_NAME], message.header.get(4)[:_MAX_NAME]
    try:
        peer = letters.named(bank, sender.peers, application, facility)
        if peer is None:
            bank.reads.refused(application or "unnamed", "", "HL7: not registered here", sender.address)
            return Told(Fate.REFUSED, answers.INTERNAL, "the sending application is not registered here", "MSH^1^3")
        if not frame.is_whole:
            limit = bank.settings.max_message_bytes
            return Told(Fate.REFUSED, answers.INTERNAL, f"a message has at most {limit} bytes; nothing of it was kept")
        return _kept_and_done(bank, frame.content, message, peer, sender.address)
    except BankError as error:
        _log.warning("%s: a message was not kept: %s", sender.address, error)
        return Told(Fate.FAILED, answers.INTERNAL, "the bank cannot keep it now; send it again")


def _kept_and_done(bank: Bank, raw: bytes, message: Message, peer: Peer, address: str) -> Told:
    """Keep a message and do it, unless it was done before. Raises what keeping it raises."""
    owner = _owner(message, peer.organization)
    letter = letters.keep(bank, raw, _letter(bank, peer, address, message.control, message.type), owner)
    return DONE if letter.told.fate is Fate.DONE else _settled(bank, letter, message, owner)


def _owner(message: Message, organization: str) -> PatientId:
    """Whose the message is, as far as it can be read."""
    pid = message.first("PID")
    return next(iter(fields.ids_of(pid, organization)), _NOBODY) if pid is not None else _NOBODY


def _settled(bank: Bank, letter: Letter, message: Message, owner: PatientId, *, decides: bool = True) -> Told:
    """Do what a kept message says, one after the other for each patient, and note what became of it."""
    place = hashlib.blake2b(f"{owner.issuer}\0{owner.identifier}".encode("utf-8", "replace"), digest_size=2).digest()
    with _LOCKS[int.from_bytes(place, "big") % len(_LOCKS)]:
        try:
            _do(bank, letter, message, decides=decides)
            told = DONE
        except BankError as error:
            told = answers.told(error)
        except Exception:  # noqa: BLE001 - the last guard of an edge
            _log.exception("message %d failed by a fault of ours", letter.id)
            told = Told(Fate.FAILED, answers.INTERNAL, "a fault of the bank; the message is kept")
        letters.tell(bank, letter, told)
    if told.fate is not Fate.DONE:
        _log.warning("message %d of %s was not done: %s", letter.id, letter.sender, told.reason)
    return told


def again(bank: Bank, number: int) -> Told:
    """Do a kept message again. Raises NotFound."""
    letter, raw = letters.content(bank, number)
    try:
        message = read(raw)
    except Invalid as error:
        raise NotFound(f"message {number} cannot be read: {error}") from error
    return _settled(bank, letter, message, _owner(message, letter.organization))


def catch_up(bank: Bank, numbers: Sequence[int]) -> int:
    """Do messages anew whose rows were rebuilt from the objects; how many were done.

    What they decided about persons is there already, and may have been decided otherwise since.
    """
    done = 0
    for number in numbers:
        letter, raw = letters.content(bank, number)
        message = read(raw)
        told = _settled(bank, letter, message, _owner(message, letter.organization), decides=False)
        done += told.fate is Fate.DONE
    return done


def _do(bank: Bank, letter: Letter, message: Message, *, decides: bool) -> None:
    """Raises what the bank refuses. Without `decides` nothing is decided about whose records are one person's."""
    _require_ours(message)
    match message.type.partition("^")[::2]:
        case "ADT", event if event in patients.EVENTS:
            _patient(bank, letter, message, event, decides=decides)
        case ("ORM", "O01") | ("OMI", "O23"):
            found = order_messages.orders(message, letter.organization, letter.received_at)
            orders.hear(bank, found, letter.sender, letter.address, is_rebuilt=not decides)
        case "ORU", "R01":
            _reports(bank, letter, message)
        case code, _ if code in KINDS:
            raise Refused(
                "this event is not one that is done here", answers.UNSUPPORTED_EVENT, "MSH^1^9", is_final=True
            )
        case _:
            raise Refused("this message type is not done here", answers.UNSUPPORTED_TYPE, "MSH^1^9", is_final=True)


def _require_ours(message: Message) -> None:
    """Raises Refused for a message of another version, or that is meant for training."""
    header = message.header
    if header.get(12) and not header.get(12).startswith("2."):
        raise Refused("only version 2 is spoken here", answers.UNSUPPORTED_VERSION, "MSH^1^12", is_final=True)
    if header.get(11).upper() in ("D", "T"):
        words = "messages for training or debugging are not taken in here"
        raise Refused(words, answers.UNSUPPORTED_PROCESSING, "MSH^1^11", is_final=True)
    if not message.control:
        raise Refused("the message has no control ID", answers.MISSING, "MSH^1^10")


def _patient(bank: Bank, letter: Letter, message: Message, event: str, *, decides: bool) -> None:
    organization, now = letter.organization, letter.received_at
    if event in patients.MERGES:
        for pid, old in patients.merged(message, organization):
            told = patients.told(message, pid, organization, now)
            persons.merge(bank, old, told, letter, decides=decides)
        return
    if event in (patients.LINK, patients.UNLINK):
        first, second = (patients.told(message, pid, organization, now) for pid in patients.pair(message, organization))
        if decides:
            (persons.link if event == patients.LINK else persons.unlink)(bank, first, second, letter)
        return
    fields.patient(message, organization)
    own = message.first("PID")
    assert own is not None
    told = patients.told(message, own, organization, now)
    persons.hear(bank, told, letter)
    encounter = patients.visit(message, event, organization, now)
    if encounter is not None:
        orders.visit(bank, encounter, letter.sender, letter.address)


def _reports(bank: Bank, letter: Letter, message: Message) -> None:
    organization = letter.organization
    found = report_messages.reports(message, organization, letter.received_at)
    for (report, body), (placer, filler) in zip(found, report_messages.numbers(message), strict=True):
        order = None
        if not (report.accession or report.study):
            order = bank.index.orders.order_of(organization, placer, filler)
            if order is None:
                raise Refused("the report names no study, and no order is known that it answers", answers.UNKNOWN_KEY)
        reports.keep(bank, report, body, letter.sender, letter.address, order)
