"""Sending studies to another place for whoever may take them along: durably, under what permits it, with a receipt.

What is to go is written down once; each object is noted as soon as the place has taken it, so that nothing goes twice
and a broken transfer goes on where it broke. Before each object is asked again whether it may still be seen.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from itertools import groupby
from typing import Any, Final

from imagebank.actions import destinations, retrieve, rights
from imagebank.actions.audit import event
from imagebank.actions.lasting import Lasting
from imagebank.bank import Bank
from imagebank.errors import BankError, Invalid, NotAllowed, NotFound, Unavailable, noted
from imagebank.model.access import Principal, Right
from imagebank.model.event import Act, Event
from imagebank.model.imaging import Instance, Selection
from imagebank.model.person import PatientId
from imagebank.model.transfer import Destination, Sent, State, Transfer
from imagebank.model.uid import Uid

JOB: Final = "transfer"
MOST_OBJECTS: Final = 100_000
MOST_LISTED: Final = 100
GIVEN_UP: Final = timedelta(days=3)
"""How long a place may be away."""
_NOTED_EVERY: Final = 50
_ENDED: Final = noted("what permitted this has ended, or the images are not here any more")
_GONE: Final = noted("this destination is not offered any more")

Send = Callable[[Bank, Principal, Destination, Sequence[Instance], str, Callable[[Instance], None]], list[str]]
"""Sends objects to a place for a caller from an address, and says each that was taken; why others were refused.

Raises Unavailable when the place does not answer, NotFound when the caller may not see them any more."""


def ask(bank: Bank, studies: Sequence[Uid], destination: str, principal: Principal, address: str = "") -> Transfer:
    """Have studies sent; a worker does so. That somebody wants it stands in the ledger.

    What the caller has on its way there already is not sent a second time: it is that which is told.

    Raises NotFound for a study that is not there for the caller and a place that is not offered, NotAllowed for who may
    take nothing along, Invalid for nothing and too much.
    """
    principal.require(Right.GET)
    principal.require_taking()
    if destinations.place(bank, destination, principal) is None:
        raise NotFound("there is no destination {name}", name=destination)
    wanted = [one for study in dict.fromkeys(studies) for one in _of(bank, study, principal)]
    if not 0 < len(wanted) <= MOST_OBJECTS:
        raise Invalid("choose studies with 1 to {most} images at a time", most=MOST_OBJECTS)
    studies = tuple(dict.fromkeys(studies))
    if (same := _on_its_way(bank, studies, destination, len(wanted), principal)) is not None:
        return same
    made = Transfer(
        secrets.token_hex(16),
        principal.name,
        principal.role,
        principal.organization,
        principal.purpose,
        address,
        destination,
        studies,
        bank.now(),
        len(wanted),
    )
    objects = [Sent(one.study, one.uid, str(one.content_digest)) for one in wanted]
    with bank.index.begin() as tx:
        tx.transfers.put(made, objects)
        tx.record(_told(bank, made, wanted, principal, f"transfer {made.id}: to {destination}"))
        tx.defer(JOB, {"transfer": made.id}, bank.now(), key=made.id)
    return made


def _on_its_way(
    bank: Bank, studies: tuple[Uid, ...], destination: str, total: int, principal: Principal
) -> Transfer | None:
    """The caller's own that waits for the same: somebody has pressed twice, or asked again."""
    wanted = (principal.name, principal.role, principal.organization, destination, frozenset(studies), total)
    for one in bank.index.transfers.transfers(principal.name, MOST_LISTED):
        same = (one.by, one.role, one.organization, one.destination, frozenset(one.studies), one.total)
        if one.state is State.WAITING and same == wanted:
            return one
    return None


def _of(bank: Bank, study: Uid, principal: Principal) -> list[Instance]:
    return retrieve.select(bank, Selection(study=study), principal.scope)


def _told(bank: Bank, made: Transfer, instances: Iterable[Instance], principal: Principal, detail: str) -> list[Event]:
    noted = event(bank, Act.DECIDED, principal, made.address, detail)
    owners = {one.study: one.patient for one in instances}
    return [replace(noted, study=study, patient=_known(owner)) for study, owner in owners.items()]


def _known(owner: PatientId) -> PatientId | None:
    return owner if owner.identifier else None


def listed(bank: Bank, principal: Principal) -> list[Transfer]:
    """What the caller has had sent, the newest first; an admin is told of everybody's."""
    found = bank.index.transfers.transfers("" if principal.keeps else principal.name, MOST_LISTED)
    return [one for one in found if principal.may_know(one)]


def kept(bank: Bank, identifier: str, principal: Principal) -> tuple[Transfer, list[Sent]]:
    """One transfer with its receipt: each object, the digest of its data set, and when it was taken. Raises NotFound."""
    found = bank.index.transfers.transfer(identifier)
    if found is None or not principal.may_know(found):
        raise NotFound("you have sent nothing of this name")
    return found, bank.index.transfers.objects(identifier)


def stop(bank: Bank, identifier: str, principal: Principal, address: str = "") -> None:
    """Send no more of it. What is there already stays there. Raises NotFound, also for one that has ended."""
    found, _ = kept(bank, identifier, principal)
    with bank.index.begin() as tx:
        is_open = tx.transfers.settle(identifier, State.STOPPED, "you stopped it", bank.now())
        tx.record([event(bank, Act.DECIDED, principal, address, f"transfer {found.id}: stopped")] if is_open else [])
    if not is_open:
        raise NotFound("this transfer has ended already")


@dataclass(slots=True)
class _Taken:
    """What the place has taken and is not noted yet."""

    bank: Bank
    transfer: str
    waiting: list[Uid]

    def __call__(self, instance: Instance) -> None:
        self.waiting.append(instance.uid)
        if len(self.waiting) >= _NOTED_EVERY:
            self.note()

    def note(self) -> None:
        if self.waiting:
            with self.bank.index.begin() as tx:
                tx.transfers.sent(self.transfer, self.waiting, self.bank.now())
            self.waiting = []


def work(senders: Mapping[str, Send], bank: Bank, payload: dict[str, Any]) -> None:
    """What the job does; `senders` are by kind of place, `device` and `url`. Raises Unavailable to be tried again."""
    found = bank.index.transfers.transfer(payload["transfer"])
    if found is None or found.state is not State.WAITING:
        return
    state, reason = _outcome(senders, bank, found)
    _settle(bank, found, state, reason)


def _outcome(senders: Mapping[str, Send], bank: Bank, found: Transfer) -> tuple[State, str]:
    """Send what is left, and say how it ended, and why. Raises what is to be tried again."""
    sender = _sender(bank, found)
    place = destinations.place(bank, found.destination, sender)
    if place is None:
        return State.STOPPED, _GONE
    waiting = [one for one in bank.index.transfers.objects(found.id) if one.sent_at is None]
    held = {one.uid: one for study in found.studies for one in _still(bank, study, sender)}
    due = [held[one.instance] for one in waiting if one.instance in held]
    try:
        refused = _send(senders["device" if place.device else "url"], bank, found, place, sender, due)
    except NotFound:
        return State.STOPPED, _ENDED
    except (NotAllowed, Unavailable) as error:
        return _put_off(bank, found, error)
    if refused:
        why = Unavailable("{count} images were not taken: {why}", count=len(refused), why=refused[0])
        return _put_off(bank, found, why)
    return (State.STOPPED, _ENDED) if len(due) < len(waiting) else (State.DONE, "")


def _sender(bank: Bank, found: Transfer) -> Principal:
    """Who wants it, as the rules and their card have them now."""
    return rights.principal(bank, found.by, found.role, found.organization, found.purpose)


def _may_take(sender: Principal) -> bool:
    return Right.GET in sender.rights and not sender.only_looks


def _still(bank: Bank, study: Uid, sender: Principal) -> list[Instance]:
    return bank.index.instances(Selection(study=study), sender.scope) if _may_take(sender) else []


def _send(
    send: Send, bank: Bank, found: Transfer, place: Destination, sender: Principal, due: Sequence[Instance]
) -> list[str]:
    taken, lasting = _Taken(bank, found.id, []), Lasting(bank, sender)
    refused: list[str] = []
    try:
        # Study by study, so that what has ended meanwhile is found between them at the latest.
        for _, of_study in groupby(sorted(due, key=lambda one: one.study), key=lambda one: one.study):
            group = list(of_study)
            lasting.require(group[0])
            if not _may_take(_sender(bank, found)):
                raise NotFound(_ENDED)
            refused += send(bank, sender, place, group, found.address, taken)
    finally:
        taken.note()
    return refused


def _put_off(bank: Bank, found: Transfer, error: BankError) -> tuple[State, str]:
    """Note why, and raise it, so that it is tried again later; but when the place has been away for days, that is the end."""
    if bank.now() - found.made_at > GIVEN_UP:
        return State.STOPPED, str(error)
    with bank.index.begin() as tx:
        tx.transfers.settle(found.id, State.WAITING, str(error), None)
    raise error


def _settle(bank: Bank, found: Transfer, state: State, reason: str) -> None:
    """The end of a transfer, which stands in the ledger with how much was taken, and one digest over all of that."""
    sender = _sender(bank, found)
    objects = [one for one in bank.index.transfers.objects(found.id) if one.sent_at is not None]
    detail = f"transfer {found.id}: {state}, {len(objects)} of {found.total}, {digest_of(objects)}"
    noted = replace(event(bank, Act.DECIDED, sender, found.address, detail), count=max(1, len(objects)))
    owners = {
        study: one.patient
        for study in found.studies
        for one in bank.index.instances(Selection(study=study), sender.scope)[:1]
    }
    with bank.index.begin() as tx:
        if tx.transfers.settle(found.id, state, reason, bank.now()):
            tx.record(
                replace(noted, study=study, patient=_known(owners[study]) if study in owners else None)
                for study in found.studies
            )


def digest_of(objects: Iterable[Sent]) -> str:
    """One digest over a receipt: SHA-256 of lines of UID and digest, ordered by UID."""
    lines = sorted(f"{one.instance} {one.digest}\n" for one in objects)
    return f"sha256:{sha256(''.join(lines).encode()).hexdigest()}"
