"""Peers that break the protocol, fall silent or ask for too much."""

import logging
import resource
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE

from bank import keep
from imagebank.dimse import command as commands
from imagebank.dimse.contexts import EXPLICIT_LE, IMPLICIT_LE, STUDY_FIND, STUDY_GET, VERIFICATION
from imagebank.dimse.dataset import encode
from imagebank.dimse.negotiation import Request, offered, request_pdu
from imagebank.model.access import Scope
from imagebank.model.attribute import Level
from imagebank.model.query import Query
from make import a_dataset, a_file, a_series, as_file, read
from protocol.dimse_peers import HOST, Site, a_line, a_site, associate, dcmtk, pdv, read_pdu
from running import wait_for

CT = "1.2.840.10008.5.1.4.1.1.2"
ABORT = 7


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("hostile"), dimse_timeout_s=2) as found:
        yield found


def store_command(uid: str = "1.2.3") -> bytes:
    return commands.encode(
        {
            "AffectedSOPClassUID": CT,
            "CommandField": 1,
            "MessageID": 1,
            "Priority": 0,
            "CommandDataSetType": 1,
            "AffectedSOPInstanceUID": uid,
        }
    )


def is_well(site: Site) -> bool:
    return dcmtk("echoscu", site).returncode == 0


def number_of_instances(site: Site) -> int:
    return site.bank.index.count(Query(Level.INSTANCE), Scope.of("local"))


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize(
    "garbage",
    [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(200), b"\xff" * 300, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
)
def test_garbage_before_an_association_closes_the_connection(site: Site, garbage: bytes) -> None:
    with a_line(site) as line:
        line.sendall(garbage)
        assert read_pdu(line)[0] in (0, ABORT)
        assert read_pdu(line)[0] == 0
    assert is_well(site)


def test_a_pdu_out_of_turn_is_answered_by_an_abort(site: Site) -> None:
    with a_line(site) as line:
        line.sendall(pdv(3, store_command()))
        kind, body = read_pdu(line)

    assert kind == ABORT
    assert body[2:] == bytes((2, 2))


@pytest.mark.parametrize("claimed", [200_000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_pdu_that_claims_too_much_is_refused_before_memory_is_taken(site: Site, claimed: int) -> None:
    before = peak_mib()
    with a_line(site, (CT, (EXPLICIT_LE,))) as line:
        line.sendall(struct.pack(">BxI", 4, claimed))
        kind, body = read_pdu(line)

    assert kind == ABORT
    assert body[2:] == bytes((2, 6))
    assert peak_mib() - before < 50


def test_an_association_request_that_claims_too_much_is_refused(site: Site) -> None:
    with a_line(site) as line:
        line.sendall(struct.pack(">BxI", 1, 0x40000000))

        assert read_pdu(line)[0] == ABORT


@pytest.mark.parametrize(
    "pdu",
    [
        struct.pack(">BxIIBB", 4, 6, 400, 1, 3),
        struct.pack(">BxIIBB", 4, 6, 1, 1, 3),
        struct.pack(">BxI", 4, 3) + b"abc",
        pdv(2, b"data before any command"),
        pdv(3, b"\1\2\3\4\5\6\7\x08 no command"),
        pdv(3, store_command(), context=99),
        pdv(3, store_command()) + pdv(3, store_command()),
        struct.pack(">BxI", 2, 4) + bytes(4),
    ],
    ids=[
        "longer than PDU",
        "too short",
        "cut header",
        "no command",
        "bad command",
        "no such context",
        "broken off",
        "AC",
    ],
)
def test_a_broken_message_is_answered_by_an_abort(site: Site, pdu: bytes) -> None:
    with a_line(site, (CT, (EXPLICIT_LE,))) as line:
        line.sendall(pdu)

        assert read_pdu(line)[0] == ABORT
    assert is_well(site)


def test_an_abort_in_mid_transfer_leaves_nothing_behind(site: Site) -> None:
    before, spooled = number_of_instances(site), set(site.bank.settings.data.iterdir())
    data = read_dataset(a_file())
    with a_line(site, (CT, (EXPLICIT_LE,))) as line:
        line.sendall(pdv(3, store_command()) + pdv(0, data[: len(data) // 2]))
        line.sendall(struct.pack(">BxI4B", ABORT, 4, 0, 0, 0, 0))
        assert read_pdu(line)[0] == 0

    assert is_well(site)
    assert number_of_instances(site) == before
    assert set(site.bank.settings.data.iterdir()) == spooled


def read_dataset(file: bytes) -> bytes:
    """The data set of a file, without its header."""
    length = int.from_bytes(file[140:144], "little")
    return file[144 + length :]


def test_a_peer_that_falls_silent_in_mid_transfer_is_aborted(site: Site) -> None:
    with a_line(site, (CT, (EXPLICIT_LE,))) as line:
        line.sendall(pdv(3, store_command()) + pdv(0, bytes(100)))

        assert read_pdu(line)[0] in (0, ABORT)


def test_a_peer_that_says_nothing_at_all_is_cut_off(site: Site) -> None:
    with a_line(site) as line:
        assert read_pdu(line)[0] in (0, ABORT)


def test_a_peer_that_stops_reading_is_cut_off_and_keeps_nobody_waiting(site: Site) -> None:
    study = generate_uid()
    keep(site.bank, *a_series(12, StudyInstanceUID=study, rows=1024, columns=1024))
    asked = encode(
        {"00080052": {"vr": "CS", "Value": ["STUDY"]}, "0020000D": {"vr": "UI", "Value": [study]}}, IMPLICIT_LE
    )
    get = commands.encode(
        {"AffectedSOPClassUID": STUDY_GET, "CommandField": 0x10, "MessageID": 5, "Priority": 0, "CommandDataSetType": 1}
    )
    request = Request(
        "IMAGEBANK", "STUCK", offered([(STUDY_GET, (IMPLICIT_LE,)), (CT, (EXPLICIT_LE,))]), 16384, {CT: (False, True)}
    )
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect((HOST, site.port))
        line.sendall(request_pdu(request))
        assert read_pdu(line)[0] == 2
        line.sendall(pdv(3, get) + pdv(2, asked))

        assert is_well(site)
        wait_until_only(site, 0)


def wait_until_only(site: Site, count: int) -> None:
    for _ in range(100):
        if site.server.count <= count:
            return
        threading.Event().wait(0.1)
    raise AssertionError("an association is still there")


def test_a_large_object_is_received_with_little_memory(site: Site) -> None:
    size = 200 << 20
    head = read_dataset(as_file(without_pixels()))
    pixels = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, size)
    block = bytes(120_000)
    before = peak_mib()
    with a_line(site, (CT, (EXPLICIT_LE,))) as line:
        line.sendall(pdv(3, store_command(UID)) + pdv(0, head + pixels))
        left = size
        while left:
            part = block[: min(left, len(block))]
            left -= len(part)
            line.sendall(pdv(0 if left else 2, part))
        _, body = read_pdu(line)

    assert commands.number(commands.decode(body[6:]), "Status") in (0x0000, 0xB007)
    # The object is mapped while it is digested: its pages count although they need no memory of ours.
    assert peak_mib() - before < size / (1 << 20) + 100


UID = generate_uid()


def without_pixels() -> Dataset:
    return a_dataset(PixelData=None, SOPInstanceUID=UID, rows=10240, columns=10240)


def test_an_object_above_the_limit_is_refused_and_the_association_goes_on(tmp_path: Path) -> None:
    with a_site(tmp_path, max_instance_bytes=20_000) as small:
        association = associate(small, CT)
        answers = [association.send_c_store(read(a_file(rows=side, columns=side))) for side in (200, 8)]
        association.release()

    assert answers[0].Status == 0xC000
    assert "20000 bytes" in answers[0].ErrorComment
    assert answers[1].Status == 0x0000


def test_associations_beyond_the_limit_are_rejected_for_now(tmp_path: Path) -> None:
    with a_site(tmp_path, max_associations=1) as small:
        first = associate(small, VERIFICATION)
        ae = AE("SECOND")
        ae.add_requested_context(VERIFICATION)
        second = ae.associate(HOST, small.port, ae_title="IMAGEBANK")
        answer: Any = second.acceptor.primitive
        first.release()

        assert second.is_rejected
        assert (answer.result, answer.result_source, answer.diagnostic) == (2, 3, 2)
        wait_until_only(small, 0)
        assert is_well(small)


def test_a_server_that_stops_lets_a_transfer_finish_and_takes_no_other(tmp_path: Path) -> None:
    file = a_file()
    uid = read(file).SOPInstanceUID
    with a_site(tmp_path) as stopping, a_line(stopping, (CT, (EXPLICIT_LE,))) as line:
        data = read_dataset(file)
        line.sendall(pdv(3, store_command(uid)) + pdv(0, data[:100]))
        threading.Event().wait(0.3)
        thread = threading.Thread(target=stopping.server.stop, args=(10,))
        thread.start()
        threading.Event().wait(0.5)
        line.sendall(pdv(2, data[100:]))
        _, body = read_pdu(line)
        assert commands.number(commands.decode(body[6:]), "Status") == 0x0000
        assert read_pdu(line)[0] in (0, ABORT)
        thread.join(20)

        assert not thread.is_alive()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, stopping.port), timeout=5)


def test_a_server_that_stops_does_not_wait_for_an_idle_peer(tmp_path: Path) -> None:
    with a_site(tmp_path) as stopping, a_line(stopping, (CT, (EXPLICIT_LE,))) as line:
        stopping.server.stop(30)

        assert read_pdu(line)[0] in (0, ABORT)


def test_an_identifier_that_is_no_data_set_is_refused(site: Site) -> None:
    find = commands.encode(
        {
            "AffectedSOPClassUID": STUDY_FIND,
            "CommandField": 0x20,
            "MessageID": 5,
            "Priority": 0,
            "CommandDataSetType": 1,
        }
    )
    with a_line(site, (STUDY_FIND, (EXPLICIT_LE,))) as line:
        line.sendall(pdv(3, find) + pdv(2, b"\x08\x00\x52\x00CS\xff\xffnot all of it"))
        _, body = read_pdu(line)

    assert commands.number(commands.decode(body[6:]), "Status") == 0xC000


def test_an_operation_that_a_context_does_not_offer_is_refused(site: Site) -> None:
    find = commands.encode(
        {"AffectedSOPClassUID": STUDY_FIND, "CommandField": 0x20, "MessageID": 5, "CommandDataSetType": 0x101}
    )
    with a_line(site, (VERIFICATION, (EXPLICIT_LE,))) as line:
        line.sendall(pdv(3, find))
        _, body = read_pdu(line)

    assert commands.number(commands.decode(body[6:]), "Status") == 0x0211


@pytest.mark.parametrize("is_reset", [False, True])
def test_who_only_looks_whether_we_listen_is_no_news(
    site: Site, caplog: pytest.LogCaptureFixture, is_reset: bool
) -> None:
    wait_for(lambda: not site.server.count, "nobody is connected")
    caplog.set_level(logging.DEBUG, "imagebank.dimse")
    probe = socket.create_connection((HOST, site.port))
    if is_reset:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    probe.close()
    wait_for(lambda: caplog.records, "the first connection is over")
    with a_line(site) as line:
        line.sendall(b"\x01")
    wait_for(lambda: len(caplog.records) == 2, "the second connection is over")

    assert [record.levelno for record in caplog.records] == [logging.DEBUG, logging.INFO]
