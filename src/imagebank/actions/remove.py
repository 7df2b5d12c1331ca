"""Taking out for good. Rows go first; the keys follow by a durable job, done at once unless the program dies."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec

from imagebank.actions import audit, notes
from imagebank.actions.expecting import deleted, expect
from imagebank.bank import Bank
from imagebank.errors import BankError, Invalid, NotFound
from imagebank.model.access import Principal, Right, Scope
from imagebank.model.event import Act
from imagebank.model.imaging import Instance, Kept, Location, Selection
from imagebank.model.uid import Uid
from imagebank.ports import Transaction

_log = logging.getLogger(__name__)
_QUIET = timedelta(seconds=5)


def remove(bank: Bank, selection: Selection, principal: Principal, address: str = "") -> int:
    """Delete a study, series or instance and destroy the keys of its bytes; how many instances went.

    Raises NotAllowed without the right to delete, NotFound when there is nothing in scope.
    """
    principal.require(Right.DELETE)
    return take_out(bank, selection, principal.scope, principal, address)


def take_out(bank: Bank, selection: Selection, scope: Scope, principal: Principal, address: str = "") -> int:
    """The same for who may delete what the scope shows, without asking for a right. Raises NotFound."""
    with bank.index.begin() as tx:
        removed = tx.remove(selection, scope)
        if removed:
            now = bank.now()
            about = audit.event(bank, Act.REMOVED, principal, address)
            study, patient = removed[0].study, removed[0].patient
            tx.record([replace(about, study=study, patient=patient, count=len(removed))])
            tx.defer("destroy", destroy_payload([one.location for one in removed]), now)
            # A copy of which no row tells, as a failed deposit leaves one, must not come back by a rebuild.
            notes.defer(bank, tx, removed=tuple(str(one.uid) for one in removed))
            _expect_no_more(bank, tx, removed)
            # What the others say of the study is found again once it is written down anew.
            tx.defer("words", {"study": study}, now + 2 * _QUIET, key=study)
            for left in tx.described_by(removed):
                # Not at once: whoever deletes one instance of a study often goes on with the next.
                tx.defer("describe", {"study": left}, now + _QUIET, key=left)
    if not removed:
        raise NotFound("there is no such study, series or instance here")
    destroy(bank, [one.location for one in removed])
    return len(removed)


def _expect_no_more(bank: Bank, tx: Transaction, removed: Sequence[Instance]) -> None:
    """What was deleted is not missing; of a study that is gone nothing is expected any more."""
    study, now = removed[0].study, bank.now()
    owner = tx.expectations.owner_of(study)
    if owner is None:
        words = [replace(one, said_at=now, is_withdrawn=True) for one in tx.expectations.withdraw(study)]
    else:
        words = [deleted(study, owner, removed, now)]
    expect(bank, tx, *words)


def describe_again(bank: Bank, study: Uid) -> None:
    """Let the instances that are left say what their study is, as if the removed ones had never been here.

    Else a study would go on under the patient's name that an instance brought which was deleted for that name.
    Repeating it changes nothing.
    """
    scope = audit.unbounded(bank, Scope.everything("describe a study by the instances that are left"))
    owner = bank.index.owner_of(study, scope)
    known = {one.location: _kept(bank, one.location) for one in bank.index.instances(Selection(study=study), scope)}
    with bank.index.begin() as tx:
        there = [one.location for one in tx.unfold(study)]
        # One that came in the meantime is read here: it must not be left out.
        kept = [known.get(location) or _kept(bank, location) for location in there]
        # The study stays its owner's as long as anything of the owner's is in it.
        kept = [replace(one, is_guest=one.source.organization != owner) for one in kept]
        tx.enter(sorted(kept, key=lambda one: (one.is_guest, one.received_at)))
        # Its instances are new rows, of whose pictures nothing is known (`actions.pixels`).
        tx.defer("pixels", {}, bank.now(), key="all")
        tx.defer("words", {"study": study}, bank.now(), key=study)


def describe_job(bank: Bank, payload: dict[str, str]) -> None:
    """What the job `describe` does."""
    describe_again(bank, Uid(payload["study"]))


def _kept(bank: Bank, location: Location) -> Kept:
    return notes.kept_again(bank, notes.note_at(bank, location), location)


def destroy(bank: Bank, locations: list[Location]) -> None:
    """Destroy keys now; a job that was deferred with the rows does it later where that fails."""
    try:
        _destroy(bank, locations)
    except BankError:
        _log.warning("keys could not be destroyed at once; a job tries again", exc_info=True)


def destroy_job(bank: Bank, payload: dict[str, list[list[str | int]]]) -> None:
    """What the job `destroy` does; repeating it changes nothing."""
    _destroy(bank, [msgspec.convert(one, Location) for one in payload["locations"]])


def _destroy(bank: Bank, locations: Sequence[Location]) -> None:
    """What lay there before it was compressed goes first: without the compressed record nobody knows of it."""
    former = []
    for location in locations:
        if bank.blobs.is_compressed(location):
            with suppress(NotFound, Invalid):
                former.append(notes.note_at(bank, location).stands_for)
    bank.blobs.destroy([one for one in former if one is not None])
    bank.blobs.destroy(locations)


def destroy_payload(locations: Sequence[Location]) -> dict[str, Any]:
    """What the job `destroy` is told."""
    return {"locations": [msgspec.to_builtins(one) for one in locations]}
