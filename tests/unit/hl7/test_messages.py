"""Reading messages: leniently, and whatever comes."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7 import adt, msh, omi, orm, oru, pid, segments
from imagebank.errors import BankError, Invalid
from imagebank.hl7 import answers, fields, orders, patients, reports
from imagebank.hl7.framing import Framer, framed
from imagebank.hl7.messages import MAX_SEGMENTS, Marks, Message, Value, escape, read, unescape
from imagebank.model.message import Fate, Told
from imagebank.model.order import Code, Patient
from imagebank.model.person import PatientId

T = TypeVar("T")
NOW = datetime(2026, 3, 1, tzinfo=UTC)
SAMPLES = (omi(), orm(), oru(), adt("A01", "PV1|1|I|W"), adt("A40", "MRG|P2"))


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r\n"])
def test_segments_may_end_in_any_way(end: str) -> None:
    message = read(segments(msh("ADT^A01"), pid(), "PV1|1|I", end=end))

    assert [one.name for one in message.segments] == ["MSH", "PID", "PV1"]
    assert (message.type, message.header.get(1), message.header.get(2)) == ("ADT^A01", "|", "")


def test_separators_are_those_that_the_message_names() -> None:
    message = read(b"MSH#*!$%#RIS#N#US#H#20260301##ADT*A01#1#P#2.5\rPID###a%b*c!d*e$F$#")
    segment = message.first("PID")
    assert segment is not None

    assert message.header.get(3) == "RIS"
    assert [[value.component(n) for n in (1, 2)] for value in segment.values(3)] == [["a", "c"], ["d", "e#"]]
    assert segment.get(3, 1, 2) == "b"


def test_separators_that_are_missing_are_as_usual() -> None:
    assert read(b"MSH|^|RIS\r").marks == Marks()


@pytest.mark.parametrize(
    "raw", [b"", b"MSH", b"PID|1", b"MSHA^~", b"MSH|^^\\&|", b"MSH|a~\\&|", b"MSH |", b"\xff\xfe", b"msh|^~\\&|"]
)
def test_what_is_no_message_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid):
        read(raw)


def test_a_message_has_an_end() -> None:
    with pytest.raises(Invalid):
        read(b"MSH|^~\\&|\r" + b"ZZZ|\r" * MAX_SEGMENTS)


@pytest.mark.parametrize(
    ("named", "text", "encoding"),
    [
        ("", "Müller", "utf-8"),
        ("", "Müller", "latin-1"),
        ("UNICODE UTF-8", "山田", "utf-8"),
        ("8859/1", "Müller", "latin-1"),
        ("8859/2", "Őry", "iso8859-2"),
        ("8859/5", "Иванов", "iso8859-5"),
        ("GB 18030-2000", "王小东", "gb18030"),
        ("BIG-5", "王小東", "big5"),
        ("KS X 1001", "홍길동", "euc-kr"),
        ("ASCII~ISO IR87", "山田", "iso2022_jp"),
        ("ASCII", "Müller", "latin-1"),
        ("no such set", "Müller", "utf-8"),
    ],
)
def test_text_is_read_by_the_character_set_that_is_named(named: str, text: str, encoding: str) -> None:
    head = f"MSH|^~\\&|RIS|N|||1||ADT^A01|1|P|2.5||||||{named}\r"
    message = read(b"\xef\xbb\xbf" + (head + pid(name=text)).encode(encoding))

    assert fields.patient(message, "north").name == text


def test_escapes_are_resolved_and_what_is_none_stays() -> None:
    marks = Marks()
    pairs = {
        "a\\F\\b\\S\\\\T\\\\R\\\\E\\": "a|b^&~\\",
        "\\H\\bold\\N\\": "bold",
        "one\\.br\\two\\.sp2\\": "one\ntwo\n",
        "\\XC3A9\\": "é",
        "C:\\temp\\new": "C:\\temp\\new",
        "\\Zx\\kept": "kept",
        "\\": "\\",
    }

    assert {text: unescape(text, marks) for text in pairs} == pairs


@given(st.text())
def test_what_we_write_is_read_again(text: str) -> None:
    written = escape(text)

    assert not set("|^&~\r\n") & set(written)
    assert unescape(written, Marks()) == "".join(
        "\n" if each == "\r" else each for each in text if each in "\r\n" or each.isprintable()
    )


@given(st.binary(max_size=400))
def test_no_bytes_do_harm(raw: bytes) -> None:
    for content in (raw, b"MSH|" + raw, b"MSH|^~\\&|" + raw):
        message = attempted(partial(read, content))
        if message is not None:
            look_at(message)


@given(st.sampled_from(SAMPLES), st.data())
def test_no_damaged_message_does_harm(sample: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(sample)))
    length = data.draw(st.integers(0, 20))
    damaged = sample[:at] + data.draw(st.binary(max_size=10)) + sample[at + length :]
    message = attempted(lambda: read(damaged))
    if message is not None:
        look_at(message)


def attempted(work: Callable[[], T]) -> T | None:
    """What comes of it; None where it is refused, in HL7's words."""
    try:
        return work()
    except BankError as error:
        refused = error
    assert answers.told(refused).code in answers.MEANINGS
    return None


def look_at(message: Message) -> None:
    """Ask a message for all that is ever asked."""
    assert isinstance(message.type + message.control, str)
    fields.happened(message)
    attempted(lambda: orders.orders(message, "north", NOW))
    attempted(lambda: reports.reports(message, "north", NOW))
    attempted(lambda: patients.merged(message, "north"))
    attempted(lambda: patients.pair(message, "north"))
    attempted(lambda: patients.visit(message, "A01", "north", NOW))
    for fate in Fate:
        answer = answers.acknowledgement(message, Told(fate, 101, "words", "PID^1^3"), ("A", "B"), "1", NOW)
        assert read(answer).type.startswith("ACK")


@given(st.lists(st.binary(max_size=60).filter(lambda one: not {0x0B, 0x1C} & set(one)), max_size=6), st.data())
def test_messages_are_found_however_they_are_cut(messages: list[bytes], data: st.DataObject) -> None:
    stream = b"noise\r" + b"".join(framed(one) + b"\n" for one in messages)
    framer, found = Framer(1000), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += framer.feed(stream[:size])
        stream = stream[size:]

    assert [one.content for one in found] == messages
    assert all(one.is_whole for one in found)
    assert not framer.is_inside


@given(st.binary(max_size=300), st.integers(1, 50))
def test_no_stream_does_harm_and_none_is_held_beyond_the_limit(stream: bytes, limit: int) -> None:
    framer = Framer(limit)
    found = [frame for place in range(0, len(stream), 7) for frame in framer.feed(stream[place : place + 7])]

    assert all(len(one.content) <= limit for one in found)


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        ("Doe^Jane^Q^Jr^Dr", "Doe^Jane^Q^Dr^Jr"),
        ("Doe&van^Jane", "Doe^Jane"),
        ("Yamada^Hanako~山田^花子^^^^^^I~やまだ^はなこ^^^^^^P", "Yamada^Hanako=山田^花子=やまだ^はなこ"),
        ("山田^花子^^^^^^I", "=山田^花子"),
        ('""', ""),
        ("", ""),
        ("A\\S\\B=C\\E\\D^E", "A B C D^E"),
        ("First^One~Second^One^^^^^L", "First^One"),
    ],
)
def test_names_are_as_dicom_writes_them(texts: str, name: str) -> None:
    assert fields.names(Value(each, Marks()) for each in texts.split("~") if each) == name


@pytest.mark.parametrize(
    ("text", "moment", "clock"),
    [
        ("20260301", datetime(2026, 3, 1, tzinfo=UTC), "20260301"),
        ("202603011230", datetime(2026, 3, 1, 12, 30, tzinfo=UTC), "202603011230"),
        ("20260301123045.1234+0130", datetime(2026, 3, 1, 11, 0, 45, tzinfo=UTC), "20260301123045"),
        ("20260301123045-0500", datetime(2026, 3, 1, 17, 30, 45, tzinfo=UTC), "20260301123045"),
        ("20261301", None, ""),
        ("20260230", None, ""),
        ("2026", None, ""),
        ("yesterday", None, ""),
        ("20260301+9900", None, ""),
        ("00010101+1400", None, ""),
    ],
)
def test_times_are_moments_or_none(text: str, moment: datetime | None, clock: str) -> None:
    assert (fields.moment(text), fields.clock(text)) == (moment, clock)


def test_identifiers_have_whoever_gave_them_and_medical_records_come_first() -> None:
    segment = read(b"MSH|^~\\&|\rPID|1||1^^^^SS~2^^^HOSP&1.2&ISO^MR~3^^^&1.2.3&ISO^PI~^^^X^MR~2^^^HOSP^MR\r").first(
        "PID"
    )
    old = read(b"MSH|^~\\&|\rPID|1|9^^^OLD\r").first("PID")
    assert segment is not None
    assert old is not None

    assert fields.ids_of(segment, "north") == [
        PatientId("HOSP", "2"), PatientId("1.2.3", "3"), PatientId("north", "1"),
    ]  # fmt: skip
    assert fields.ids_of(old, "north") == [PatientId("OLD", "9")]


def test_codes_persons_and_the_rest() -> None:
    marks = Marks()

    assert fields.code(Value("A^b^L", marks)) == Code("A", "b", "L")
    assert fields.code(Value("^^^B^c^M", marks)) == Code("B", "c", "M")
    assert [fields.sex(text) for text in ("F", "m", "A", "U", "")] == ["F", "M", "O", "", ""]
    assert fields.physician(Value("1^House^Greg^^^Dr", marks)) == "House^Greg^^Dr"
    assert [fields.reader(Value(text, marks)) for text in ("1&House&Greg^20260301", "1^House^Greg", "1^20260301")] == [
        "House^Greg", "House^Greg", "",
    ]  # fmt: skip
    assert fields.patient(read(adt()), "north") == Patient(PatientId("north", "P1"), "Doe^Jane", "19700101", "F")


def test_a_merge_names_who_gives_way_to_whom() -> None:
    message = read(adt("A40", "MRG|P2^^^OLD", pid("P3"), "MRG|P4"))
    found = patients.merged(message, "north")
    told = patients.told(message, found[0][0], "north", NOW)

    assert [(fields.ids_of(new, "north")[0].identifier, old) for new, old in found] == [
        ("P1", PatientId("OLD", "P2")), ("P3", PatientId("north", "P4")),
    ]  # fmt: skip
    assert (told.address, told.phone, told.at) == (
        "1 Main St, Town, 1000, HU", "+36 1 234", datetime(2026, 3, 1, 12, tzinfo=UTC),
    )  # fmt: skip
    for broken in (adt("A40"), adt("A40", "MRG|")):
        with pytest.raises(answers.Refused):
            patients.merged(read(broken), "north")


def test_a_link_names_two() -> None:
    first, second = patients.pair(read(adt("A24", pid("P2"))), "north")

    assert [fields.ids_of(one, "north")[0].identifier for one in (first, second)] == ["P1", "P2"]
    with pytest.raises(answers.Refused):
        patients.pair(read(adt("A24")), "north")


def test_a_report_is_of_the_types_that_its_section_its_service_and_its_observations_name() -> None:
    places = {1: "1", 3: "R1", 4: "60567-5^Pathology panel^LN^LOCAL1^Biopsy^L", 18: "A1", 24: "SP", 25: "F"}
    lines = (
        "|".join(["OBR", *(places.get(place, "") for place in range(1, 26))]),
        "OBX|1|TX|22637-3^Final diagnosis^LN||Words||||||F",
        "OBX|2|ST|113014^DICOM Study^DCM||1.2.3||||||F",
    )
    ((report, _),) = reports.reports(read(segments(msh("ORU^R01^ORU_R01"), pid(), *lines)), "north", NOW)

    assert report.types == ("section:sp", "60567-5", "local1", "22637-3")
    assert [one.types for one, _ in reports.reports(read(oru()), "north", NOW)] == [("cth", "18748-4")]
