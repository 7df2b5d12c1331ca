"""Uploads that may break off and go on: begun, filled piece by piece, and taken into the bank when they are whole.

What comes is sealed and durable with each answer (`upload_spool`). An archive is opened, as `imagebank import` does.
"""

import io
import json
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from imagebank import errors
from imagebank.actions import archives, contributing, media, proposing, upload_spool
from imagebank.actions.collect import BATCH_BYTES, BATCH_FILES
from imagebank.actions.contributing import Depositor
from imagebank.actions.ingest import Arrival
from imagebank.actions.medium import Inventory
from imagebank.actions.unnamed import spooled, write_all
from imagebank.bank import Bank
from imagebank.errors import BankError, Conflict, Invalid, NotFound, OutOfSpace, TooOften
from imagebank.model.access import Principal, Right
from imagebank.model.imaging import Outcome, Receipt, Selection, Source
from imagebank.model.proposal import Proposal
from imagebank.model.uid import Uid
from imagebank.model.upload import PERSON, SAID, read_about

WAY: Final = "upload"
MOST_OF_ONE: Final = 200
MOST: Final = 2000
"""How many uploads may be unfinished at a time: of one caller, and in all."""
PIECE: Final = 4 << 20
"""How many bytes are sealed together."""
_SPARE_BYTES: Final = 256 << 20
_LONGEST_NAME: Final = 1024
_IN_MEMORY: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload: how it is called here, what the sender calls it, how far it is, and when it is let go of."""

    name: str
    file: str
    length: int
    offset: int
    expires_at: datetime
    is_done: bool = False


@dataclass(frozen=True, slots=True)
class Became:
    """What became of one object of an upload. Unidentified is one that is kept and of nobody known."""

    receipt: Receipt
    is_unidentified: bool = False


def begin(bank: Bank, principal: Principal, length: int, file: str, said: Mapping[str, str]) -> Upload:
    """Begin an upload of so many bytes. `said` is what is known of the file, by `SAID`.

    Raises Invalid for what was said, or when it is too large, TooOften when many are unfinished, OutOfSpace.
    """
    require(principal)
    read_about(said)
    if contributing.is_owner(principal):
        contributing.check_room(bank, _depositor(bank, principal, said, ""), length)
    _check_room(bank, principal, length)
    fields = {name: said[name] for name in SAID if said.get(name)}
    state = json.dumps({"file": shown(file), "said": fields}).encode()
    name = upload_spool.begin(bank, upload_spool.folder_of(bank, principal), length, state)
    return find(bank, name, principal)


def require(principal: Principal) -> None:
    """Raises NotAllowed for who may not store. The owner of an account adds to their own images, by no right."""
    if not contributing.is_owner(principal):
        principal.require(Right.STORE)


def _depositor(bank: Bank, principal: Principal, said: Mapping[str, str], address: str) -> Depositor:
    return contributing.depositor(bank, principal, said.get(PERSON, ""), WAY, address)


def shown(file: str) -> str:
    """A file's name as it can be shown and kept."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in file)[:_LONGEST_NAME]


def most_bytes(bank: Bank) -> int:
    """How large an upload may be."""
    return bank.settings.max_upload_bytes


def _check_room(bank: Bank, principal: Principal, length: int) -> None:
    if not 0 <= length <= most_bytes(bank):
        raise Invalid("an upload has at most {most} bytes; send what is larger in parts", most=most_bytes(bank))
    of_one = upload_spool.heads(upload_spool.folder_of(bank, principal))
    unfinished = upload_spool.all_heads(bank)
    if len(of_one) >= MOST_OF_ONE or len(unfinished) >= MOST:
        raise TooOften("many uploads are unfinished; finish or end some of them, or wait until they are let go of")
    if sum(head.length for head in of_one.values()) + length > most_bytes(bank):
        raise TooOften("your unfinished uploads are as large as is allowed together; finish or end some of them")
    promised = sum(head.length - head.offset for head in unfinished)
    if promised + length + _SPARE_BYTES > shutil.disk_usage(bank.settings.data).free:
        raise OutOfSpace("there is no room on the disk for this upload")


def find(bank: Bank, name: str, principal: Principal) -> Upload:
    """How far an upload of the caller's is. Raises NotFound, also for somebody else's and one that waited too long."""
    require(principal)
    place = upload_spool.place_of(bank, name, principal)
    done = upload_spool.answer_of(bank, place)
    head = done[0] if done else upload_spool.head_of(place)
    if bank.now() >= head.expires_at:
        raise upload_spool.missing()
    file = "" if done else str(_state(bank, place)["file"])
    return Upload(name, file, head.length, head.offset, head.expires_at, done is not None)


def append(bank: Bank, name: str, principal: Principal, offset: int, data: bytes) -> Upload:
    """Keep the next bytes. Of two who send the same, the first is heard and the other is told where to go on.

    Raises NotFound, Conflict when they are not the next, Invalid when they are more than was announced, OutOfSpace.
    """
    found = find(bank, name, principal)
    if found.is_done:
        raise Conflict("this upload is whole already")
    head = upload_spool.append(bank, upload_spool.place_of(bank, name, principal), offset, data)
    return Upload(name, found.file, head.length, head.offset, head.expires_at)


def end(bank: Bank, name: str, principal: Principal) -> None:
    """Let go of an upload, finished or not. What the bank has taken in stays. Raises NotFound."""
    require(principal)
    if not upload_spool.remove(upload_spool.place_of(bank, name, principal)):
        raise upload_spool.missing()


def deposit(bank: Bank, name: str, principal: Principal, address: str = "") -> list[Became]:
    """Take a whole upload into the bank, and say what became of it; the same again to whoever asks again.

    Raises NotFound, Conflict while bytes are to come or another is doing this, and as `ingest.receive` does.
    """
    place = upload_spool.place_of(bank, name, principal)
    found = find(bank, name, principal)
    if not found.is_done:
        if found.offset < found.length:
            raise Conflict("{missing} bytes of this upload are still to come", missing=found.length - found.offset)
        # It may be gone because another request has finished it meanwhile: then the answer is there.
        with suppress(NotFound), upload_spool.held(place):
            state = _state(bank, place)
            pieces = upload_spool.pieces(bank, place)
            became = take(bank, pieces, found.length, state["file"], state["said"], principal, address)
            upload_spool.finish(bank, place, json.dumps([_written(one) for one in became]).encode())
    done = upload_spool.answer_of(bank, place)
    if done is None:
        raise upload_spool.missing()
    return [_read(one) for one in json.loads(done[1])]


def _state(bank: Bank, place: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(upload_spool.state_of(bank, place))
    return found


def take(
    bank: Bank,
    pieces: Iterable[bytes],
    size: int,
    file: str,
    said: Mapping[str, str],
    principal: Principal,
    address: str = "",
) -> list[Became]:
    """Take one file in that is all here, an archive with all that it holds. Raises as `ingest.receive` does, and Invalid.

    What the owner of an account brings is added to the images of the person that they name (`contributing`).
    """
    require(principal)
    about, inventory = read_about(said), Inventory()
    if contributing.is_owner(principal):
        who = _depositor(bank, principal, said, address)

        def receive(waiting: Sequence[Arrival]) -> list[Receipt]:
            return contributing.receive(bank, waiting, who, about, inventory)
    else:
        source = Source(WAY, principal.name, principal.organization, address)

        def receive(waiting: Sequence[Arrival]) -> list[Receipt]:
            return media.receive(bank, waiting, source, about, principal.joins, inventory=inventory)

    with closing(_arrivals(bank, pieces, size, file, principal)) as arrivals:
        receipts = _received(arrivals, receive, inventory)
    return [Became(one, _is_of_nobody(bank, one, principal)) for one in proposing.told(principal, receipts)]


def _arrivals(
    bank: Bank, pieces: Iterable[bytes], size: int, file: str, principal: Principal
) -> Generator[Arrival | Receipt, None, None]:
    """The objects of a file: itself, or what lies in it. A receipt stands for what is refused unseen."""
    if not size:
        yield archives.refused(file, Invalid("the file is empty"))
    elif archives.may_be_one(file):
        yield from _opened(bank, pieces, size, file, principal)
    else:
        yield _whole(bank, pieces, size, file)


def _whole(bank: Bank, pieces: Iterable[bytes], size: int, file: str) -> Arrival:
    if size <= _IN_MEMORY:
        return Arrival(io.BytesIO(b"".join(pieces)), size, file)
    return Arrival(spooled(bank.settings.data, pieces, "to take this file in"), size, file)


def _opened(
    bank: Bank, pieces: Iterable[bytes], size: int, file: str, principal: Principal
) -> Generator[Arrival | Receipt, None, None]:
    """What lies in an archive, by the names that it has there. It is opened from a plain copy, which goes afterwards."""
    folder = upload_spool.folder_of(bank, principal)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="plain-", dir=folder) as around:
        # The kind is told by the suffixes, and by nothing else of a stranger's name.
        inner = ".tar" if Path(file.lower()).suffixes[-2:-1] == [".tar"] else ""
        path = Path(around) / f"content{inner}{Path(file.lower()).suffix}"
        try:
            with path.open("wb", buffering=0) as copy:
                for piece in pieces:
                    write_all(copy, piece)
        except OSError as error:
            raise OutOfSpace("there is no room on the disk to open this archive") from error
        contents = archives.contents_of(path)
        if contents is None:
            yield Arrival(path.open("rb"), size, file)
            return
        for one in contents:
            yield _renamed(one, path, file)


def _renamed(one: Arrival | Receipt, path: Path, file: str) -> Arrival | Receipt:
    inside = one.name.removeprefix(archives.name_of(path))
    # A single file that was compressed is called as its archive, without the suffix.
    name = file + (archives.ARCHIVED + Path(file).stem if inside == archives.ARCHIVED + path.stem else inside)
    if isinstance(one, Receipt):
        return Receipt(one.outcome, name, error=one.error)
    return Arrival(one.content, one.size, name)


def _received(
    arrivals: Iterable[Arrival | Receipt], receive: Callable[[Sequence[Arrival]], list[Receipt]], inventory: Inventory
) -> list[Receipt]:
    """What became of each, in order; many are sent together."""
    receipts: list[Receipt] = []
    waiting: list[Arrival] = []

    def send() -> None:
        try:
            receipts.extend(receive(waiting) if waiting else [])
        finally:
            for one in waiting:
                one.content.close()
            waiting.clear()

    for one in arrivals:
        inventory.saw(one.name)
        if isinstance(one, Receipt):
            send()
            receipts.append(one)
            continue
        waiting.append(one)
        if len(waiting) >= BATCH_FILES or sum(arrival.size for arrival in waiting) >= BATCH_BYTES:
            send()
    send()
    # Of a DICOMDIR that comes by itself, the other files come by themselves, too.
    return receipts if len(inventory.names) < 2 else [*receipts, *inventory.missing()]


def _is_of_nobody(bank: Bank, receipt: Receipt, principal: Principal) -> bool:
    """Whether an object is kept without a patient, as far as the caller may see it."""
    if not receipt.is_kept or receipt.uid is None:
        return False
    found = bank.index.instances(Selection(instance=receipt.uid), principal.scope)
    return bool(found) and not found[0].patient.identifier


_UIDS: Final = ("study", "series", "uid", "sop_class")
_ERRORS: Final[Mapping[str, type[BankError]]] = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, BankError)
}


def _written(one: Became) -> dict[str, Any]:
    receipt = one.receipt
    return {
        "outcome": receipt.outcome,
        "name": receipt.name,
        **{name: uid for name in _UIDS if (uid := getattr(receipt, name)) is not None},
        "warnings": list(receipt.warnings),
        "error": [type(receipt.error).__name__, str(receipt.error)] if receipt.error else None,
        "quarantine": receipt.quarantine,
        "rule": receipt.rule,
        "changed": list(receipt.changed),
        "unidentified": one.is_unidentified,
        "proposals": msgspec.to_builtins(receipt.proposals),
    }


def _read(said: Mapping[str, Any]) -> Became:
    kind, words = said["error"] or ("", "")
    study, series, uid, sop_class = (Uid(said[name]) if name in said else None for name in _UIDS)
    receipt = Receipt(
        Outcome(said["outcome"]),
        said["name"],
        study,
        series,
        uid,
        sop_class,
        warnings=tuple(said["warnings"]),
        error=_ERRORS[kind](words) if kind else None,
        quarantine=said["quarantine"],
        rule=said.get("rule", ""),
        changed=tuple(said.get("changed", ())),
        # An answer that was kept before there were any has none.
        proposals=msgspec.convert(said.get("proposals", []), tuple[Proposal, ...]),
    )
    return Became(receipt, said["unidentified"])
