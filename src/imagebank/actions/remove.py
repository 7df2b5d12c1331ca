"""Taking out for good. Rows go first; the keys follow by a durable job, done at once unless the program dies."""

import msgspec

from imagebank.bank import Bank
from imagebank.errors import NotFound
from imagebank.model.access import Principal, Right
from imagebank.model.event import Act, Event
from imagebank.model.imaging import Location, Selection


def remove(bank: Bank, selection: Selection, principal: Principal, address: str = "") -> int:
    """Delete a study, series or instance and destroy the keys of its bytes; how many instances went.

    Raises NotAllowed without the right to delete, NotFound when there is nothing in scope.
    """
    principal.require(Right.DELETE)
    with bank.index.begin() as tx:
        removed = tx.remove(selection, principal.scope)
        if removed:
            now = bank.now()
            study = removed[0].study
            tx.record([Event(now, Act.REMOVED, principal.name, principal.organization, address, study, len(removed))])
            tx.defer("destroy", {"locations": [_as_json(one.location) for one in removed]}, now)
    if not removed:
        raise NotFound("there is no such study, series or instance here")
    destroy(bank, [one.location for one in removed])
    return len(removed)


def destroy(bank: Bank, locations: list[Location]) -> None:
    """Destroy keys; repeating it changes nothing."""
    bank.blobs.destroy(locations)


def destroy_job(bank: Bank, payload: dict[str, list[list[str | int]]]) -> None:
    """What the job `destroy` does."""
    destroy(bank, [msgspec.convert(one, Location) for one in payload["locations"]])


def _as_json(location: Location) -> dict[str, str | int]:
    return {"segment": location.segment, "offset": location.offset, "length": location.length, "size": location.size}
