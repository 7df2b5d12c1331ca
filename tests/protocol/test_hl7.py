"""HL7 by MLLP with a real socket on loopback: what is answered, what is kept, and what comes of it."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from authority import Authority
from bank import open_test_bank
from hl7 import HOST, Client, adt, calling, code, listening, msh, omi, orm, oru, pid, segments
from imagebank.actions import letters
from imagebank.actions import orders as orders_done
from imagebank.bank import Bank
from imagebank.dimse.tls import server_context
from imagebank.hl7 import listener, service
from imagebank.hl7.listener import Server
from imagebank.listener import plain_address, resolve
from imagebank.model.access import Scope
from imagebank.model.certificate import fingerprint
from imagebank.model.encounter import Stay
from imagebank.model.message import Fate, Peer, Told
from imagebank.model.order import Order, State
from imagebank.model.person import PatientId
from imagebank.ports.orders import Wanted

ALL = Scope(None)
P1 = PatientId("local", "P1")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Bank, Server]]:
    with listening(tmp_path) as made:
        yield made


@pytest.fixture
def bank(site: tuple[Bank, Server]) -> Bank:
    return site[0]


@pytest.fixture
def ris(site: tuple[Bank, Server]) -> Iterator[Client]:
    with calling(site[1].port) as client:
        yield client


def orders(bank: Bank, *, is_open: bool = False) -> list[Order]:
    return bank.index.orders.orders(Wanted(is_open=is_open), ALL)


def an_order(bank: Bank) -> Order:
    (only,) = orders(bank)
    return only


def fates(bank: Bank) -> list[Fate]:
    return [one.told.fate for one in reversed(bank.index.orders.letters())]


def test_an_order_is_taken_in_with_all_that_a_modality_needs(bank: Bank, ris: Client) -> None:
    answer = ris.send(omi())

    order = an_order(bank)
    assert code(answer) == "AA"
    assert (order.patient.id, order.patient.name, order.patient.birth_date, order.patient.sex) == (
        P1, "Doe^Jane", "19700101", "F",
    )  # fmt: skip
    assert (order.placer, order.filler, order.accession, order.procedure_id, order.step_id, order.study) == (
        "PLF1", "F1", "AF1", "RPF1", "SF1", "1.2.3.1",
    )  # fmt: skip
    assert (order.modality, order.station_aet, order.scheduled_at) == ("CT", "CT1", "202603021030")
    asked = order.ordered
    assert (asked.procedure.meaning, asked.protocol.value, asked.reason, asked.priority) == (
        "CT head", "PROT", "stroke?", "STAT",
    )  # fmt: skip
    assert (asked.referring, asked.requesting, asked.place) == ("House^Gregory", "Cuddy^Lisa", "Room 1")


def test_an_order_of_version_2_3_1_has_its_numbers_in_obr_and_its_uid_in_zds(bank: Bank, ris: Client) -> None:
    assert code(ris.send(orm())) == "AA"

    order = an_order(bank)
    assert (order.accession, order.procedure_id, order.step_id, order.study) == ("AF1", "RPF1", "SF1", "1.2.3.77")
    assert (order.modality, order.station_aet, order.scheduled_at) == ("CT", "CT2", "202603021030")
    assert (order.ordered.procedure.value, order.ordered.protocol.value, order.ordered.priority) == (
        "CTH", "P1", "ROUTINE",
    )  # fmt: skip


def test_orders_change_are_done_and_are_cancelled(bank: Bank, ris: Client) -> None:
    ris.send(omi())
    ris.send(omi("XO", at="20260301130000", ipc=["IPC|||||MR||||MR1"]))
    changed = an_order(bank)
    ris.send(omi("SC", status="IP", at="20260301140000"))
    begun = an_order(bank)
    ris.send(omi("SC", status="CM", at="20260301150000"))
    done = an_order(bank)
    ris.send(omi("CA", filler="F2", at="20260301150000"))

    assert (changed.modality, changed.station_aet, changed.accession, changed.state) == (
        "MR", "MR1", "AF1", State.SCHEDULED,
    )  # fmt: skip
    assert (begun.state, done.state) == (State.STARTED, State.DONE)
    assert {one.filler: one.state for one in orders(bank)} == {"F1": State.DONE, "F2": State.CANCELLED}
    assert orders(bank, is_open=True) == []


@pytest.mark.parametrize("first", ["new", "cancel"])
def test_whatever_comes_first_a_cancelled_order_is_cancelled(bank: Bank, ris: Client, first: str) -> None:
    new, cancel = omi(at="20260301120000"), omi("CA", at="20260301140000", ipc=["IPC|||"])
    answers = [code(ris.send(one)) for one in ((new, cancel) if first == "new" else (cancel, new))]

    order = an_order(bank)
    assert answers == ["AA", "AA"]
    assert (order.state, order.station_aet, order.accession) == (State.CANCELLED, "CT1", "AF1")


def test_steps_of_one_order_are_orders_of_their_own_and_end_together(bank: Bank, ris: Client) -> None:
    two = ["IPC|A1|RP1|1.2.3.1|S1|CT||||CT1", "IPC|A1|RP1|1.2.3.1|S2|MR||||MR1"]
    ris.send(omi(ipc=two))
    before = [(one.step_id, one.modality) for one in orders(bank)]
    ris.send(segments(msh("ORM^O01", at="20260301160000"), pid(), "ORC|CA|PLF1|F1"))

    assert before == [("S1", "CT"), ("S2", "MR")]
    assert [one.state for one in orders(bank)] == [State.CANCELLED] * 2


def test_an_order_without_a_uid_gets_one_that_stays(bank: Bank, ris: Client) -> None:
    ris.send(orm(study=""))
    first = an_order(bank).study
    ris.send(orm("XO", study="", at="20260301140000"))
    kept = an_order(bank).study
    ris.send(orm("XO", study="1.2.3.5", at="20260301150000"))

    assert first == kept
    assert str(first).startswith("2.25.")
    assert an_order(bank).study == "1.2.3.5"


def test_a_repeated_message_is_acknowledged_again_and_done_once(bank: Bank, ris: Client) -> None:
    message = omi()
    answers = [code(ris.send(message)) for _ in range(3)]

    assert answers == ["AA", "AA", "AA"]
    assert fates(bank) == [Fate.DONE]
    assert len(orders(bank)) == 1
    changes = [one for one in bank.index.events(ALL) if one.detail.startswith("order")]
    assert len(changes) == 1


def test_several_messages_come_on_one_connection_with_noise_between(bank: Bank, ris: Client) -> None:
    one, two = omi(), oru()
    ris.put(b"GET / HTTP/1.1\r\n\r\n\x0b" + one + b"\x1c\r\n\n\x0b" + two + b"\x1c")
    answers = [code(ris.answer()) for _ in range(2)]
    ris.put(b"\x0bMSH|^~\\&|cut off\x0b" + orm(filler="F3") + b"\x1c\r")
    answers.append(code(ris.answer()))

    assert answers == ["AA"] * 3
    assert len(orders(bank)) == 2


def test_a_message_that_comes_byte_by_byte_is_one(bank: Bank, ris: Client) -> None:
    for byte in b"\x0b" + omi() + b"\x1c\r":
        ris.put(bytes([byte]))

    assert code(ris.answer()) == "AA"
    assert len(orders(bank)) == 1


@pytest.mark.parametrize(
    ("message", "answered", "error"),
    [
        (b"junk", "AR", "100"),
        (b"", "AR", "100"),
        (b"MSH", "AR", "100"),
        (segments(msh("ADT^A99")), "AR", "201"),
        (segments(msh("SIU^S12")), "AR", "200"),
        (segments(msh("")), "AR", "200"),
        (segments(msh("ADT^A01", version="3.0")), "AR", "203"),
        (omi().replace(b"|P|2.5.1", b"|T|2.5.1"), "AR", "202"),
        (segments(msh("ADT^A01")), "AE", "101"),
        (segments(msh("ADT^A01"), "PID|1||"), "AE", "101"),
        (omi("??"), "AE", "103"),
        (segments(msh("OMI^O23"), pid(), "OBR|1"), "AE", "100"),
        (segments(msh("OMI^O23"), pid()), "AE", "101"),
        (segments(msh("OMI^O23"), pid(), "ORC|NW"), "AE", "101"),
        (omi(ipc=["IPC|||not a uid"]), "AE", "102"),
        (oru("OBX|1|ED|PDF^R||^application^pdf^Base64^@@@@"), "AE", "102"),
        (oru("OBX|1|ED|PDF^R||^application^pdf^Base64^QUJD"), "AE", "102"),
        (oru("OBX|1|ED|PDF^R||^application^pdf^Hex^00"), "AE", "102"),
        (oru("OBX|1|TX|R||"), "AE", "101"),
        (oru(status="Q"), "AE", "103"),
        (oru(accession=""), "AE", "204"),
        (segments(msh("ORU^R01"), pid()), "AE", "101"),
    ],
)
def test_what_cannot_be_done_is_refused_in_hl7s_words_kept_and_ends_nothing(
    bank: Bank, ris: Client, message: bytes, answered: str, error: str
) -> None:
    answer = ris.send(message)

    err = answer.first("ERR")
    assert err is not None
    assert (code(answer), err.get(3), err.get(4)) == (answered, error, "E")
    assert fates(bank) == [Fate.REFUSED if answered == "AR" else Fate.FAILED]
    assert letters.content(bank, 1)[1] == message
    assert code(ris.send(omi(filler="F9"))) == "AA"


def test_before_version_2_5_the_error_stands_where_it_stood_then(ris: Client) -> None:
    answer = ris.send(orm("??"))

    err = answer.first("ERR")
    assert err is not None
    assert (err.get(1), err.get(1, 2), err.get(1, 3), err.get(1, 4)) == ("ORC", "1", "1", "103")


def test_the_answer_names_the_message_and_whoever_sent_it(ris: Client) -> None:
    answer = ris.send(adt("A04", control="Z1", sender="HIS|NORTH"))

    header = answer.header
    assert [header.get(number) for number in (3, 4, 5, 6)] == ["IMAGEBANK", "HOSP", "HIS", "NORTH"]
    assert (answer.type, header.get(12), header.get(18)) == ("ACK^A04", "2.5.1", "UNICODE UTF-8")
    msa = answer.first("MSA")
    assert msa is not None
    assert msa.get(2) == "Z1"


@pytest.mark.parametrize(
    ("asks", "answers"),
    [("AL|NE", ["CA", "CE"]), ("AL|AL", ["AA", "AE"]), ("NE|AL", ["AA", "AE"]), ("ER|NE", ["CE"]), ("SU|NE", ["CA"]),
     ("NE|NE", [])],
)  # fmt: skip
def test_in_enhanced_mode_a_sender_says_what_it_wants_to_hear(ris: Client, asks: str, answers: list[str]) -> None:
    further = f"|||{asks}"
    ris.put(b"\x0b" + omi(further=further) + b"\x1c\r\x0b" + omi("??", further=further) + b"\x1c\r")
    heard = [code(ris.answer()) for _ in answers]
    after = ris.send(omi(control="CA", further=""))

    assert heard == answers
    assert code(after) == "AA"


def test_an_acknowledgement_is_never_answered(bank: Bank, ris: Client) -> None:
    ris.put(b"\x0b" + segments(msh("ACK^A01"), "MSA|AA|1") + b"\x1c\r")

    assert code(ris.send(omi())) == "AA"
    assert fates(bank) == [Fate.DONE]


def test_a_message_that_is_too_long_is_refused_and_the_next_one_is_taken(tmp_path: Path) -> None:
    with listening(tmp_path, max_message_bytes=100_000) as (bank, server), calling(server.port) as ris:
        too_long = ris.send(oru("OBX|1|TX|R||" + "x" * 1_000_000))
        after = ris.send(omi())

        assert (code(too_long), code(after)) == ("AR", "AA")
        assert len(bank.index.orders.letters()) == 1


def test_a_visit_begins_moves_ends_and_is_cancelled(bank: Bank, ris: Client) -> None:
    def a_visit(number: str, place: str) -> str:
        return f"PV1|1|I|{place}{'|' * 16}{number}"

    ris.send(adt("A01", a_visit("V1", "ICU^1^2^HOSP"), at="20260301120000"))
    ris.send(adt("A01", a_visit("V2", "ER"), at="20260301120000"))
    ris.send(adt("A11", a_visit("V2", "ER"), at="20260301130000"))
    ris.send(adt("A08", a_visit("V1", "WARD^7"), at="20260301140000"))
    (open_one,) = bank.index.orders.encounters(P1, ALL)
    ris.send(adt("A03", a_visit("V1", ""), at="20260301150000"))
    ris.send(adt("A01", a_visit("V1", "LATE"), at="20260301120000"))
    (ended,) = bank.index.orders.encounters(P1, ALL)

    assert (open_one.number, open_one.kind, open_one.place, open_one.stay) == ("V1", "I", "WARD 7", Stay.OPEN)
    assert (ended.place, ended.stay, ended.ended_at) == ("WARD 7", Stay.ENDED, "20260301150000")


def test_a_patients_new_name_is_that_of_the_open_orders(bank: Bank, ris: Client) -> None:
    ris.send(omi())
    ris.send(omi("CM", filler="F2"))
    ris.send(adt("A08", patient=pid(name="Roe^Jane"), at="20260302"))
    ris.send(adt("A08", patient=pid(name="Old^Jane"), at="20250302"))

    assert {one.filler: one.patient.name for one in orders(bank)} == {"F1": "Roe^Jane", "F2": "Doe^Jane"}


def test_a_report_whose_order_comes_later_can_be_done_again(bank: Bank, ris: Client) -> None:
    message = oru(accession="", filler="F1")
    first = code(ris.send(message))
    ris.send(omi())
    told = service.again(bank, 1)

    assert (first, told.fate) == ("AE", Fate.DONE)
    assert fates(bank) == [Fate.DONE, Fate.DONE]


def test_from_this_machine_a_registered_name_is_taken_as_it_is_registered(bank: Bank, ris: Client) -> None:
    letters.add_peer(bank, Peer("RIS", "NORTH", "10.9.9.9", "north"))
    letters.add_peer(bank, Peer("HIS", "", HOST, "south"))
    elsewhere = code(ris.send(omi()))
    with calling_again(ris) as anew:
        here = code(anew.send(adt(sender="HIS|ANY")))

    assert (elsewhere, here) == ("AR", "AA")
    assert [(one.sender, one.organization) for one in bank.index.orders.letters()] == [("HIS", "south")]


def calling_again(ris: Client) -> "contextlib.AbstractContextManager[Client]":
    return calling(ris._connection.getpeername()[1])


def test_nobody_who_is_not_registered_is_heard_on_a_bank_that_accepts_no_strangers(tmp_path: Path) -> None:
    with listening(tmp_path, open_loopback=False) as (bank, server):
        with calling(server.port) as stranger:
            assert stranger.is_closed()
        letters.add_peer(bank, Peer("RIS", "NORTH", "localhost", "north"))
        with calling(server.port) as ris:
            answers = [code(ris.send(one)) for one in (omi(), omi(sender="OTHER|NORTH"), omi(sender="RIS|SOUTH"))]
        letters.remove_peer(bank, "RIS", "NORTH")
        with calling(server.port) as gone:
            assert gone.is_closed()

    assert answers == ["AA", "AR", "AR"]


def test_connections_beyond_the_limit_are_closed_and_the_others_served(tmp_path: Path) -> None:
    with listening(tmp_path, max_mllp_connections=2) as (_, server), calling(server.port) as one:
        assert code(one.send(omi())) == "AA"
        with calling(server.port) as two:
            assert code(two.send(omi())) == "AA"
            with calling(server.port) as three:
                assert three.is_closed()
            assert code(one.send(omi())) == "AA"


def test_who_is_silent_in_a_message_or_for_too_long_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "SILENCE_S", 0.05)
    with listening(tmp_path, mllp_idle_s=0.1) as (_, server):
        with calling(server.port) as slow:
            slow.put(b"\x0bMSH|")
            assert slow.is_closed()
        with calling(server.port) as idle:
            assert idle.is_closed()


def test_a_server_that_stops_answers_what_it_has_and_lets_go(tmp_path: Path) -> None:
    with listening(tmp_path) as (_, server), calling(server.port) as ris:
        assert code(ris.send(omi())) == "AA"
        server.stop(5)

        assert ris.is_closed()
        with pytest.raises(OSError):
            socket.create_connection((HOST, server.port), timeout=5)


def test_a_clock_that_is_far_ahead_does_not_win_for_ever(bank: Bank, ris: Client) -> None:
    ris.send(omi(at="29990101000000"))

    assert an_order(bank).event_at < datetime(2998, 1, 1, tzinfo=UTC)


def test_no_log_line_and_no_reason_names_a_patient(bank: Bank, ris: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    for message in (omi("??"), adt("A40"), oru(status="Q"), segments(msh("ADT^A01"), "PID|1||^^^Doe||Doe^Jane")):
        ris.send(message)

    said = caplog.text + " ".join(one.told.reason + one.told.place for one in bank.index.orders.letters())
    assert "Doe" not in said
    assert "19700101" not in said


def test_a_message_that_was_kept_and_not_done_is_done_when_it_comes_again(bank: Bank, ris: Client) -> None:
    message = omi()
    ris.send(message)
    letters.tell(bank, bank.index.orders.letters()[0], Told(Fate.WAITING))
    again = code(ris.send(message))

    assert again == "AA"
    assert fates(bank) == [Fate.DONE]


def test_a_fault_of_ours_is_answered_and_the_message_is_there_to_be_done_again(
    bank: Bank, ris: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(orders_done, "hear", None)
        failed = ris.send(omi())
    told = service.again(bank, 1)

    err = failed.first("ERR")
    assert err is not None
    assert (code(failed), err.get(3), told.fate) == ("AE", "207", Fate.DONE)
    assert "Doe" not in caplog.text


def test_by_tls_a_system_is_known_by_its_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    ours, theirs, other = (authority.pair(name) for name in ("bank", "ris", "other"))
    files = {"tls_cert": ours.cert, "tls_key": ours.key, "tls_ca": authority.cert}

    with open_test_bank(tmp_path, open_loopback=False, **files) as bank:
        letters.add_peer(bank, Peer("RIS", "NORTH", HOST, "north", fingerprint(theirs.der)))
        server = listener.start(bank, HOST, 0, server_context(bank.settings))
        answers = []
        for pair in (theirs, other):
            context = ssl.create_default_context(cafile=str(authority.cert))
            context.load_cert_chain(pair.cert, pair.key)
            with (
                socket.create_connection((HOST, server.port), timeout=60) as plain,
                context.wrap_socket(plain, server_hostname=HOST) as secured,
            ):
                answers.append(code(Client(secured).send(omi())))
        with calling(server.port) as plain_caller:
            plain_caller.put(b"\x0b" + omi() + b"\x1c\r")
            assert plain_caller.is_closed()
        server.stop(5)

    assert answers == ["AA", "AR"]


@pytest.mark.parametrize("name", ["localhost", "no.such.host.invalid"])
def test_names_of_hosts_are_looked_up(name: str) -> None:
    assert (HOST in resolve(name)) is (name == "localhost")
    assert plain_address("::ffff:10.0.0.1") == "10.0.0.1"


@pytest.mark.parametrize(
    "message",
    [
        omi(patient=pid("x" * 100_000)),
        adt(patient=pid("1^^^" + "y" * 100_000)),
        omi().replace(b"|F1|", b"|" + b"z" * 100_000 + b"|", 1),
        adt("A01", "PV1|1|I|W" + "|" * 16 + "v" * 100_000),
        oru(accession="", filler="r" * 100_000),
    ],
)
def test_what_is_too_long_to_be_a_number_is_none(bank: Bank, ris: Client, message: bytes) -> None:
    answers = [code(ris.send(message)), code(ris.send(omi(filler="F9")))]

    assert answers == ["AE", "AA"]
    assert bank.index.orders.letters()[1].told.code in (101, 102)


def test_names_and_texts_of_any_length_are_cut_and_not_refused(bank: Bank, ris: Client) -> None:
    long = "N" * 100_000
    answers = [
        code(ris.send(adt(patient=pid(name=f"{long}^{long}"), control="c" * 5_000, sender=f"{long}|{long}"))),
        code(ris.send(omi().replace(b"stroke?", long.encode()))),
    ]

    assert answers == ["AA", "AA"]
    assert len(an_order(bank).ordered.reason) == 512
