"""One association, both of its ends in this process."""

import io
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imagebank.dimse.association import Association, Lost, Reason, Released, Silent, Violation
from imagebank.dimse.command import Command
from imagebank.dimse.message import IN_MEMORY_BYTES, Spool
from imagebank.dimse.negotiation import Agreement, Context, Request
from imagebank.errors import Invalid, OutOfSpace

CONTEXT = Context(1, "1.2.840.10008.1.1", "1.2.840.10008.1.2")
RESPONSE: Command = {"CommandField": 0x8001, "MessageIDBeingRespondedTo": 4, "Status": 0}
REQUEST: Command = {"CommandField": 0x0001, "MessageID": 4}


@pytest.fixture
def ends() -> Iterator[tuple[Association, Association]]:
    ours, theirs = (Association(end, max_pdu_bytes=1024, timeout_s=0.3) for end in socket.socketpair())
    for end in (ours, theirs):
        end.begin(Agreement(Request("A", "B", ()), {1: CONTEXT}, 1024))
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.mark.parametrize("size", [0, 1, 1018, 1019, 50_000])
def test_a_data_set_arrives_as_it_was_sent(ends: tuple[Association, Association], size: int) -> None:
    ours, theirs = ends
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    ours.send(CONTEXT, REQUEST, iter((data[:10], b"", data[10:])))

    message = theirs.receive()
    assert message.read() == data
    assert message.id == 4
    message.close()


@pytest.mark.parametrize("size", [0, 1, 900, 1018, 1019, 5000])
def test_a_data_set_at_hand_arrives_as_it_was_sent(ends: tuple[Association, Association], size: int) -> None:
    ours, theirs = ends
    data = bytes(range(250)) * (size // 250) + bytes(size % 250)
    for number in (4, 5):
        ours.send(CONTEXT, REQUEST | {"MessageID": number}, data)

    for number in (4, 5):
        message = theirs.receive()
        assert (message.id, message.read()) == (number, data)


def test_what_is_followed_waits_for_what_follows_and_comes_in_order(ends: tuple[Association, Association]) -> None:
    ours, theirs = ends
    sent = [ours.send(CONTEXT, {"CommandField": 1, "MessageID": 0}, iter((bytes(4000),)), is_followed=True)]
    while not sent[-1] or len(sent) < 5:
        sent.append(
            ours.send(CONTEXT, {"CommandField": 1, "MessageID": len(sent)}, iter((b"ab",)), is_followed=len(sent) < 40)
        )
    messages = [theirs.receive() for _ in sent]

    assert sent[0]
    assert [message.id for message in messages] == list(range(len(sent)))
    assert [message.read() for message in messages[1:]] == [b"ab"] * (len(sent) - 1)


def test_what_comes_before_a_response_is_kept_for_later(ends: tuple[Association, Association]) -> None:
    ours, theirs = ends
    theirs.send(CONTEXT, {"CommandField": 0x0030, "MessageID": 9})
    theirs.send(CONTEXT, {"CommandField": 0x0FFF, "MessageIDBeingRespondedTo": 2})
    theirs.send(CONTEXT, RESPONSE)

    assert ours.response_to(4).command["Status"] == 0
    assert ours.is_cancelled(2)
    assert not ours.is_cancelled(2)
    assert ours.receive().id == 9


def test_a_peer_that_sends_without_waiting_for_answers_is_stopped(ends: tuple[Association, Association]) -> None:
    ours, theirs = ends
    for number in range(20):
        theirs.send(CONTEXT, {"CommandField": 0x0030, "MessageID": number})

    with pytest.raises(Violation):
        ours.is_cancelled(1)


def test_a_release_is_told_apart_from_a_loss(ends: tuple[Association, Association]) -> None:
    ours, theirs = ends
    theirs.write_pdu(bytes((5, 0, 0, 0, 0, 4, 0, 0, 0, 0)))

    with pytest.raises(Released):
        ours.receive()
    theirs.abort()
    with pytest.raises(Lost):
        ours.receive()


def test_silence_in_the_midst_of_a_pdu_ends_it(ends: tuple[Association, Association]) -> None:
    ours, theirs = ends
    theirs.write_pdu(b"\4\0\0\0\0\x20")

    with pytest.raises(Silent):
        ours.receive()


def test_a_byte_now_and_then_is_silence_too(ends: tuple[Association, Association]) -> None:
    ours, theirs = ends
    theirs.write_pdu(b"\4\0\0\0\0\x20")
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.05):
            theirs.write_pdu(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        with pytest.raises(Silent):
            ours.receive()
    finally:
        stop.set()
        thread.join()


def test_an_unknown_pdu_is_a_violation(ends: tuple[Association, Association]) -> None:
    ours, theirs = ends
    theirs.write_pdu(b"\x63\0\0\0\0\0")

    with pytest.raises(Violation) as caught:
        ours.receive()
    assert caught.value.reason is Reason.UNRECOGNISED_PDU


def test_a_large_data_set_goes_to_a_file_that_has_no_name(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(IN_MEMORY_BYTES * 2, b"head", folder)
    block = bytes(1 << 20)
    for _ in range(IN_MEMORY_BYTES // len(block)):
        spool.write(block)

    assert not isinstance(spool.content, io.BytesIO)
    assert list(folder.iterdir()) == []
    assert spool.size == IN_MEMORY_BYTES + 4
    assert spool.start(8) == bytes(8)
    spool.close()


def test_what_is_above_the_limit_is_passed_over_and_refused() -> None:
    spool = Spool(10)
    spool.write(bytes(11))
    spool.write(bytes(1))

    with pytest.raises(Invalid):
        spool.read()


def test_a_spool_folder_without_room_refuses_the_object_and_not_the_peer() -> None:
    spool = Spool(100)
    spool.content = open("/dev/full", "r+b", buffering=0)  # noqa: SIM115, PTH123 - a device that is always full
    spool.write(b"x")

    with pytest.raises(OutOfSpace):
        spool.read()


@pytest.mark.parametrize("fragment", [1000, 16378, 130_000])
def test_a_spool_file_that_meets_the_end_of_the_disk_says_so_and_no_more(tmp_path: Path, fragment: int) -> None:
    spool = Spool(1 << 30, b"head", tmp_path)
    with files_of_at_most(IN_MEMORY_BYTES + 2500):
        for _ in range((IN_MEMORY_BYTES + (1 << 20)) // fragment):
            spool.write(bytes(fragment))
        with pytest.raises(OutOfSpace):
            spool.read()
        spool.close()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a disk that fills: writing stops after so many bytes of a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
