"""Sub-operations and the contexts that they need."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bank import keep, open_test_bank
from imagebank.dimse.move import grouped
from imagebank.dimse.negotiation import Context
from imagebank.dimse.retrieve import FAILED_LIST, Following, give, offers
from imagebank.errors import NotFound, Unavailable
from imagebank.model.access import Scope
from imagebank.model.imaging import Digest, Instance, Location, Selection
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from make import a_file

CT, ELE, J2K = Uid("1.2.840.10008.5.1.4.1.1.2"), Uid("1.2.840.10008.1.2.1"), Uid("1.2.840.10008.1.2.4.90")


def an_instance(number: int, sop_class: str = CT, syntax: str = ELE) -> Instance:
    digest = Digest("blake3", bytes(32))
    at = datetime(2026, 1, 1, tzinfo=UTC)
    ids = (Uid(f"1.2.{number}"), Uid("1.3"), Uid("1.4"), PatientId("local", "P1"))
    place = Location("s", 0, 4096, 10)
    return Instance(*ids, Uid(sop_class), Uid(syntax), number, place, digest, digest, 0, None, at)


INSTANCES = [an_instance(number) for number in range(1, 5)]


@pytest.mark.parametrize(
    ("codes", "status", "tally"),
    [
        ([0, 0, 0, 0], 0x0000, (0, 4, 0, 0)),
        ([0, 0xB000, 0xB007, 0], 0xB000, (0, 2, 0, 2)),
        ([0xA700, 0, 0xC001, 0x0110], 0xB000, (0, 1, 3, 0)),
        ([0xA700, 0xA900, 0x0122, 0x0124], 0xA702, (0, 0, 4, 0)),
        ([0xA700, 0xA900, 0x0122, 0xB000], 0xB000, (0, 0, 3, 1)),
    ],
)
def test_the_final_status_follows_from_the_count(codes: list[int], status: int, tally: tuple[int, ...]) -> None:
    waiting = list(codes)

    *pending, final = give(INSTANCES, lambda _: waiting.pop(0), lambda: False)
    assert [answer.status for answer in pending] == [0xFF00] * 4
    assert final.status == status
    assert final.tally is not None
    assert (final.tally.remaining, final.tally.completed, final.tally.failed, final.tally.warning) == tally


def test_what_cannot_be_sent_is_listed() -> None:
    def send(instance: Instance) -> int:
        if instance.number == 2:
            raise Unavailable("gone")
        return 0

    *_, final = give(INSTANCES, send, lambda: False)
    assert final.identifier == {FAILED_LIST: {"vr": "UI", "Value": ["1.2.2"]}}


def test_a_cancel_ends_it_between_two_objects_and_tells_what_was_left() -> None:
    answers = [False, False, True]

    *_, final = give(INSTANCES, lambda _: 0, lambda: answers.pop(0))
    assert final.status == 0xFE00
    assert final.tally is not None
    assert (final.tally.remaining, final.tally.completed) == (2, 2)


def test_what_cannot_be_read_ahead_is_refused_when_it_is_its_turn(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        keep(bank, *(a_file(SOPInstanceUID=f"1.2.9.{number}", InstanceNumber=number) for number in range(1, 4)))
        first, gone, last = bank.index.instances(Selection(), Scope(organizations=None))
        context = Context(1, first.sop_class, first.transfer_syntax)
        following = Following(bank, [first, gone, last], lambda _: [context])
        bank.blobs.destroy([gone.location])

        sent = []
        for instance in (first, gone, last):
            with suppress(NotFound):
                _, data = following.take(instance)
                sent.append((instance.uid, len(b"".join(data))))
            following.read_after(instance)

    assert sent == [(one.uid, one.location.size - one.dataset_offset) for one in (first, last)]


def test_each_stored_syntax_is_proposed_alone_beside_a_fallback() -> None:
    found = offers([an_instance(1), an_instance(2, syntax=J2K)])

    assert found == {CT: [(ELE,), (J2K,), (ELE, "1.2.840.10008.1.2")]}


def test_contexts_that_do_not_fit_into_one_association_go_into_another() -> None:
    many = offers([an_instance(number, sop_class=f"1.2.3.{number}") for number in range(100)])

    groups = grouped(many)
    assert [len(group) for group in groups] == [128, 72]
    assert not {offer[0] for offer in groups[0]} & {offer[0] for offer in groups[1]}
