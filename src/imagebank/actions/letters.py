"""Messages of other systems: who may send them, and keeping each as it came, with what became of it."""

import io
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address

from imagebank.actions import audit, notes
from imagebank.bank import Bank
from imagebank.dicom.digest import digest_of
from imagebank.errors import Invalid, NotFound
from imagebank.model.access import Principal, Right
from imagebank.model.certificate import fingerprint, is_shown
from imagebank.model.event import Act, Event
from imagebank.model.imaging import Digest
from imagebank.model.key import owner_of
from imagebank.model.message import Fate, Letter, Peer, Told
from imagebank.model.note import Enclosure, MessageKey
from imagebank.model.person import PatientId

MAX_NAME = 227
"""As long as HL7 lets the name of an application or facility be (HD)."""
Resolve = Callable[[str], frozenset[str]]
"""The addresses of a host name; empty when it has none."""


def add_peer(bank: Bank, peer: Peer) -> bool:
    """Let a system send messages, or change how; in force at its next connection. Whether one was replaced.

    Raises Invalid.
    """
    names = (peer.application, peer.facility)
    if not peer.application.strip() or any(len(name) > MAX_NAME or not name.isprintable() for name in names):
        raise Invalid(
            "a system has a name as in MSH-3, printable and of at most {longest} characters", longest=MAX_NAME
        )
    if any("|" in name for name in names):
        raise Invalid("a name has no vertical bar; the facility is given by itself")
    if not peer.host.strip():
        raise Invalid("a system has an address or a host name")
    key = (peer.application, peer.facility)
    is_known = any((one.application, one.facility) == key for one in bank.index.orders.peers())
    with bank.index.begin() as tx:
        tx.orders.put_peer(peer)
        tx.record([_changed(bank, peer.name, "HL7 system registered")])
    return is_known


def remove_peer(bank: Bank, application: str, facility: str = "") -> None:
    """Take a system off the register. Raises NotFound."""
    peer = Peer(application, facility, "", "")
    with bank.index.begin() as tx:
        removed = tx.orders.remove_peer(application, facility)
        if removed:
            tx.record([_changed(bank, peer.name, "HL7 system removed")])
    if not removed:
        raise NotFound("no HL7 system is registered as {name}", name=peer.name)


def _changed(bank: Bank, name: str, what: str) -> Event:
    return Event(bank.now(), Act.CHANGED, name, bank.settings.organization, detail=what)


def callers(bank: Bank, address: str, resolve: Resolve, certificate: bytes | None = b"") -> list[Peer]:
    """Who may be calling from an address; empty when nobody may. None for a certificate that is not known yet.

    On a bank that accepts strangers, any name that nobody registered may call from this machine: such a peer is
    listed with empty names, last.
    """
    shown = fingerprint(certificate or b"")
    known = [one for one in bank.index.orders.peers() if certificate is None or is_shown(one.certificate, shown)]
    found = [one for one in known if _is_at(one.host, address, resolve)]
    if bank.settings.accepts_strangers and ip_address(address).is_loopback:
        found.append(Peer("", "", address, bank.settings.organization))
    return found


def named(bank: Bank, peers: list[Peer], application: str, facility: str) -> Peer | None:
    """Which of these a message is of; None for one that nobody registered, or registered elsewhere.

    A system that is registered without a facility may name any.
    """
    exact = [one for one in peers if (one.application, one.facility) == (application, facility)]
    broad = [one for one in peers if one.application and (one.application, one.facility) == (application, "")]
    found = next(iter(exact + broad), None)
    if found is not None and found.application:
        return found
    is_registered = any(
        one.application == application and one.facility in ("", facility) for one in bank.index.orders.peers()
    )
    stranger = next((one for one in peers if not one.application), None)
    if stranger is None or is_registered:
        return None
    return replace(stranger, application=application, facility=facility)


def _is_at(host: str, address: str, resolve: Resolve) -> bool:
    if host == address:
        return True
    places = resolve(host)
    is_here = ip_address(address).is_loopback
    return address in places or (is_here and any(ip_address(place).is_loopback for place in places))


def keep(bank: Bank, raw: bytes, letter: Callable[[Digest], Letter], owner: PatientId) -> Letter:
    """Keep a message as it came, durably, before anybody answers it; the same one again is the one that was kept.

    It is sealed as objects of its patient are, or of its organization where it names none. Raises OutOfSpace and
    Unavailable, and then nothing is kept.
    """
    digest = digest_of(raw)
    wanted = letter(digest)
    held = bank.index.orders.letter_like(wanted.sender, wanted.control, digest)
    if held is not None:
        return held
    key = bank.keys.of(owner_of(owner, wanted.organization))
    location = bank.blobs.write(io.BytesIO(raw), len(raw), notes.pack(Enclosure(digest, message=wanted)), key)
    bank.blobs.sync([location])
    kept = replace(wanted, location=location)
    with bank.index.begin() as tx:
        number = tx.orders.put_letter(kept, key.name)
    return replace(kept, id=number)


def tell(bank: Bank, letter: Letter, told: Told) -> None:
    """Note what became of a message; among the objects, too, unless it was simply done."""
    with bank.index.begin() as tx:
        tx.orders.tell_letter(letter.id, told)
        if (letter.told.fate, told.fate) != (Fate.WAITING, Fate.DONE):
            notes.defer(bank, tx, told=((key_of(letter), told),))


def key_of(letter: Letter) -> MessageKey:
    """By what a message is known again."""
    return MessageKey(letter.sender, letter.control, letter.digest)


def content(bank: Bank, number: int) -> tuple[Letter, bytes]:
    """A message and its bytes as they came. Raises NotFound, also when its patient's account was destroyed."""
    letter = bank.index.orders.letter(number)
    if letter is None:
        raise NotFound("there is no message of this number")
    return letter, bank.blobs.read(letter.location)


def shown(bank: Bank, number: int, principal: Principal) -> tuple[Letter, bytes]:
    """The same for somebody's eyes; that it was read is in the ledger. Raises NotAllowed, NotFound."""
    principal.require(Right.ADMINISTER)
    found = content(bank, number)
    with bank.index.begin() as tx:
        tx.record([audit.event(bank, Act.VIEWED, principal, "", f"HL7 message {number}")])
    return found


def listed(bank: Bank, *, failed_only: bool, limit: int) -> list[Letter]:
    """The newest messages, or those that were not done."""
    fates = (Fate.FAILED, Fate.REFUSED, Fate.WAITING) if failed_only else ()
    return bank.index.orders.letters(fates, limit)
