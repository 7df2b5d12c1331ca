"""Another archive by DIMSE: C-FIND for what it holds (PS3.4 C.4.1), C-GET or C-MOVE for its objects (C.4.3, C.4.2)."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final

from imagebank.actions.arrival import Arrival
from imagebank.actions.other_archives import MOST_STUDIES, Archive, Way
from imagebank.actions.other_bank import MOST_OBJECTS, Named
from imagebank.bank import Bank
from imagebank.dicom.keys import text_element, text_of
from imagebank.dimse import command as commands
from imagebank.dimse import scu, status
from imagebank.dimse.association import Association, Lost
from imagebank.dimse.command import Command, Kind
from imagebank.dimse.contexts import MESSAGE_SYNTAXES, STUDY_FIND, STUDY_GET, STUDY_MOVE
from imagebank.dimse.dataset import decode, encode
from imagebank.dimse.identifier import INSTANCE_UID, ISSUER, PATIENT_ID, QUERY_LEVEL, SERIES_UID, STUDY_UID
from imagebank.dimse.message import Message, Spool
from imagebank.dimse.negotiation import Context
from imagebank.dimse.retrieve import FALLBACKS
from imagebank.dimse.service import object_spool
from imagebank.errors import Invalid, NotFound, Unavailable, noted
from imagebank.model.access import Device
from imagebank.model.imaging import DataSet
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid

# The classes of one association: each has a context for every coding that is kept as it is, and one for the others.
_CLASSES: Final = 8
_JPEG: Final = tuple(f"1.2.840.10008.1.2.4.{one}" for one in (201, 202, 203, 80, 81, 90, 91, 70, 57, 51, 50, 102, 100))
_ALONE: Final = (*_JPEG, "1.2.840.10008.1.2.5")
_AT_ONCE: Final = 50
"""Instances that one identifier names."""
_LARGEST: Final = 64 << 10
"""Bytes of one answer to a question."""
_PENDING: Final = (status.PENDING, status.PENDING_UNSUPPORTED_KEYS)
_ENDED: Final = (status.SUCCESS, status.SOME_FAILED)
_SOP_CLASS: Final = "00080016"
_STUDY_KEYS: Final = {
    "00080020": "DA",
    "00080030": "TM",
    "00080050": "SH",
    "00080061": "CS",
    "00081030": "LO",
    "00201208": "IS",
    ISSUER: "LO",
    STUDY_UID: "UI",
}
_MOVED_FOR: Final = timedelta(seconds=60)
_SILENT_S: Final = 90.0
_GONE: Final = noted("the archive names this study no more")


@dataclass(frozen=True, slots=True)
class _Object:
    """An object of a study, as an archive names it. The class is empty where it does not say."""

    series: str
    uid: str
    sop_class: str


def studies(bank: Bank, archive: Archive, patient: PatientId) -> list[DataSet]:
    """`Way.studies`."""
    asked = {QUERY_LEVEL: text_element("CS", "STUDY"), PATIENT_ID: text_element("LO", patient.identifier)}
    wanted = {key: text_element(vr) for key, vr in _STUDY_KEYS.items()}
    with _associated(bank, archive, [(STUDY_FIND, MESSAGE_SYNTAXES)], archive.timeout_s) as association:
        return list(_found(bank, archive, association, asked | wanted, MOST_STUDIES))


def named(bank: Bank, archive: Archive, study: Uid) -> Named:
    """`Way.named`."""
    found: dict[str, list[str]] = {}
    for one in _objects(bank, archive, study):
        found.setdefault(one.series, []).append(one.uid)
    return found


def bring(bank: Bank, archive: Archive, study: Uid, named: Named, here: set[str]) -> Iterator[Arrival]:
    """`Way.bring`."""
    if archive.retrieve == "move":
        _move(bank, archive, study, named, here)
        return
    wanted = [one for one in _objects(bank, archive, study) if one.uid not in here]
    classes = sorted({one.sop_class for one in wanted})
    if "" in classes:
        raise Unavailable("it does not say of which SOP classes its objects are, so that C-GET cannot ask for them")
    for first in range(0, len(classes), _CLASSES):
        group = classes[first : first + _CLASSES]
        yield from _got(bank, archive, study, [one for one in wanted if one.sop_class in group], group)


def _objects(bank: Bank, archive: Archive, study: Uid) -> list[_Object]:
    """What the archive names of a study: its series, then the objects of each, which hierarchical queries need."""
    with _associated(bank, archive, [(STUDY_FIND, MESSAGE_SYNTAXES)], archive.timeout_s) as association:
        about = {STUDY_UID: text_element("UI", study)}
        asked = {QUERY_LEVEL: text_element("CS", "SERIES"), **about, SERIES_UID: text_element("UI")}
        found: list[_Object] = []
        # All of one question is read before the next is asked: one operation at a time (PS3.7 D.3.3.3).
        for each in list(_found(bank, archive, association, asked, MOST_OBJECTS)):
            series = Uid.parse(text_of(each.get(SERIES_UID, {"vr": "UI"})))
            below = {QUERY_LEVEL: text_element("CS", "IMAGE"), **about, SERIES_UID: text_element("UI", series)}
            below |= {key: text_element("UI") for key in (INSTANCE_UID, _SOP_CLASS)}
            found += [_object(series, one) for one in _found(bank, archive, association, below, MOST_OBJECTS)]
    if not found:
        raise NotFound(_GONE)
    return found


def _object(series: Uid, said: DataSet) -> _Object:
    uid, sop_class = (text_of(said.get(key, {"vr": "UI"})) for key in (INSTANCE_UID, _SOP_CLASS))
    return _Object(series, Uid.parse(uid), Uid.parse(sop_class) if sop_class else "")


def _associated(
    bank: Bank, archive: Archive, offers: Sequence[scu.Offer], timeout_s: float, scp_of: Sequence[str] = ()
) -> AbstractContextManager[Association]:
    settings = replace(bank.settings, dimse_timeout_s=timeout_s)
    return scu.associated(settings, _device(bank, archive), offers, dict.fromkeys(scp_of, (False, True)))


def _device(bank: Bank, archive: Archive) -> Device:
    device = bank.index.device(archive.device)
    if device is None:
        raise Unavailable("no device is registered as {aet}", aet=archive.device)
    return device


def _context(association: Association, service: str) -> Context:
    for context in scu.accepted(association, service):
        return context
    raise Unavailable("it does not offer what is asked of it ({service})", service=service)


def _found(bank: Bank, archive: Archive, association: Association, asked: DataSet, most: int) -> Iterator[DataSet]:
    """Answers to a C-FIND, within bounds: their number, their length, and the time of the whole."""
    until = bank.now() + timedelta(seconds=4 * archive.timeout_s)
    association.open_spool = lambda *_: Spool(_LARGEST)
    context = _context(association, STUDY_FIND)
    message_id = _asked(association, context, STUDY_FIND, Kind.C_FIND, asked)
    for count in range(most + 2):
        response = association.response_to(message_id)
        try:
            answer = commands.number(response.command, "Status")
            said = response.read()
        except Invalid as error:
            raise Unavailable("its answer cannot be read: {why}", why=error) from error
        finally:
            response.close()
        if answer not in _PENDING:
            _require_success(answer)
            return
        if count >= most or bank.now() > until:
            break
        try:
            yield decode(said, context.transfer_syntax)
        except Invalid as error:
            raise Unavailable("its answer cannot be read: {why}", why=error) from error
    raise Unavailable("it names more than {most}, or takes too long to", most=most)


def _asked(association: Association, context: Context, service: str, kind: Kind, about: DataSet, **further: str) -> int:
    message_id = scu.new_message_id()
    command: Command = {"AffectedSOPClassUID": service, "CommandField": int(kind), "Priority": 0, **further}
    data = encode(about, context.transfer_syntax)
    association.send(context, command | {"MessageID": message_id}, iter((data,)))
    return message_id


def _require_success(answer: int) -> None:
    if answer not in _ENDED:
        said = f"{answer:#06x}"
        raise Unavailable("it answered with status {status}", status=said)


def _got(
    bank: Bank, archive: Archive, study: Uid, wanted: Sequence[_Object], classes: Sequence[str]
) -> Iterator[Arrival]:
    """Objects of some SOP classes by C-GET, each acknowledged once it has been taken in."""
    offers: list[scu.Offer] = [(STUDY_GET, MESSAGE_SYNTAXES)]
    offers += [(one, syntaxes) for one in classes for syntaxes in (*((each,) for each in _ALONE), FALLBACKS)]
    with _associated(bank, archive, offers, bank.settings.dimse_timeout_s, classes) as association:
        association.open_spool = partial(object_spool, bank, archive.device)
        context = _context(association, STUDY_GET)
        for about in _asked_for(study, wanted):
            message_id = _asked(association, context, STUDY_GET, Kind.C_GET, about)
            yield from _arriving(bank, association, message_id)


def _asked_for(study: Uid, wanted: Sequence[_Object]) -> Iterator[DataSet]:
    """Identifiers of objects, series by series, some at a time."""
    by_series: dict[str, list[str]] = {}
    for one in wanted:
        by_series.setdefault(one.series, []).append(one.uid)
    for series, uids in by_series.items():
        for first in range(0, len(uids), _AT_ONCE):
            yield {
                QUERY_LEVEL: text_element("CS", "IMAGE"),
                STUDY_UID: text_element("UI", study),
                SERIES_UID: text_element("UI", series),
                INSTANCE_UID: text_element("UI", *uids[first : first + _AT_ONCE]),
            }


def _arriving(bank: Bank, association: Association, message_id: int) -> Iterator[Arrival]:
    """Objects that come on the association as sub-operations (PS3.4 C.4.3.3.2), until the last response."""
    while True:
        message = association.receive()
        if message.kind == Kind.C_STORE:
            yield from _stored(bank, association, message)
            continue
        message.close()
        is_ours = message.command.get("MessageIDBeingRespondedTo") == message_id
        if message.kind != Kind.C_GET | commands.RESPONSE or not is_ours:
            raise Lost("a message that nobody asked for")
        answer = commands.number(message.command, "Status")
        if answer not in _PENDING:
            _require_success(answer)
            return


def _stored(bank: Bank, association: Association, message: Message) -> Iterator[Arrival]:
    spool, name = message.data, commands.text(message.command, "AffectedSOPInstanceUID")
    answer = status.CANNOT_UNDERSTAND
    if spool is not None and spool.error is None:
        spool.content.seek(0)
        yield Arrival(spool.content, spool.size, name, has_own_header=False)
        # It says so itself whether it was taken in: acknowledged is what is held.
        answer = status.SUCCESS if bank.index.held(Uid(name)) is not None else status.DOES_NOT_MATCH
    message.close()
    association.send(message.context, commands.reply(message.command, answer))


def _move(bank: Bank, archive: Archive, study: Uid, named: Named, here: set[str]) -> None:
    """Have the archive send series to us, as the device that it is; some of them, if it takes long."""
    device, until = _device(bank, archive), bank.now() + _MOVED_FOR
    if device.organization != archive.organization:
        raise Invalid(
            "the device {aet} deposits for {one}, and the archive is {other}'s: what it sends would be another's",
            aet=device.aet,
            one=device.organization,
            other=archive.organization,
        )
    with _associated(bank, archive, [(STUDY_MOVE, MESSAGE_SYNTAXES)], _SILENT_S) as association:
        context = _context(association, STUDY_MOVE)
        for series in (one for one, objects in named.items() if not here.issuperset(objects)):
            about = {
                QUERY_LEVEL: text_element("CS", "SERIES"),
                STUDY_UID: text_element("UI", study),
                SERIES_UID: text_element("UI", series),
            }
            to = bank.settings.ae_title
            message_id = _asked(association, context, STUDY_MOVE, Kind.C_MOVE, about, MoveDestination=to)
            while (answer := _answer_to(association, message_id)) in _PENDING:
                pass
            _require_success(answer)
            if bank.now() > until:
                return


def _answer_to(association: Association, message_id: int) -> int:
    response = association.response_to(message_id)
    response.close()
    return commands.number(response.command, "Status")


WAY: Final = Way(studies, named, bring, batch=1)
