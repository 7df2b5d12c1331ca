"""HL7 messages for tests, made from the standard's facts, and a client that sends them."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from bank import open_test_bank
from imagebank.bank import Bank
from imagebank.hl7.listener import Server, start
from imagebank.hl7.messages import Message, read

_numbers = count(1)
HOST = "127.0.0.1"


def segments(*lines: str, end: str = "\r") -> bytes:
    return "".join(line + end for line in lines).encode()


def msh(kind: str, *, control: str = "", at: str = "20260301120000", version: str = "2.5.1", sender: str = "RIS|NORTH",
        further: str = "") -> str:  # fmt: skip
    number = control or f"C{next(_numbers)}"
    return f"MSH|^~\\&|{sender}|IMAGEBANK|HOSP|{at}||{kind}|{number}|P|{version}{further}"


def pid(identifier: str = "P1", name: str = "Doe^Jane^^^", birth: str = "19700101", sex: str = "F") -> str:
    return f"PID|1||{identifier}^^^^MR||{name}||{birth}|{sex}|||1 Main St^^Town^^1000^HU||+36 1 234"


def omi(control: str = "NW", *, filler: str = "F1", status: str = "SC", patient: str = "", at: str = "20260301120000",
        ipc: Sequence[str] | None = None, **head: Any) -> bytes:  # fmt: skip
    """An imaging order (OMI^O23) with one step, or with these."""
    steps = ipc or [
        f"IPC|A{filler}|RP{filler}|1.2.3.{filler.strip('F') or 9}|S{filler}|CT|PROT^Head native^L|ROOM1|R1^Room 1|CT1"
    ]
    return segments(
        msh("OMI^O23^OMI_O23", at=at, **head),
        patient or pid(),
        "PV1|1|O|WARD^1^2|||||REF^House^Gregory",
        f"ORC|{control}|PL{filler}|{filler}||{status}||||{at}|||REQ^Cuddy^Lisa",
        "TQ1|1||||||202603021030||S",
        f"OBR|1|PL{filler}|{filler}|CTH^CT head^LOCAL|||||||||headache|||||||||||CT|||||||^stroke?",
        *steps,
    )


def orm(control: str = "NW", *, filler: str = "F1", status: str = "", at: str = "20260301120000", patient: str = "",
        study: str = "1.2.3.77", **head: Any) -> bytes:  # fmt: skip
    """An order in version 2.3.1 (ORM^O01)."""
    return segments(
        msh("ORM^O01", at=at, version="2.3.1", **head),
        patient or pid(),
        "PV1|1|O",
        f"ORC|{control}|PL{filler}|{filler}||{status}||^^^202603021030^^R||{at}",
        f"OBR|1|PL{filler}|{filler}|CTH^CT head^LOCAL^P1^Native^LOCAL||||||||||||||A{filler}|RP{filler}|S{filler}|CT2|||CT",
        *([f"ZDS|{study}^^Application^DICOM"] if study else []),
    )


def oru(*observations: str, accession: str = "A1", status: str = "F", filler: str = "R1", patient: str = "",
        at: str = "20260301130000", **head: Any) -> bytes:  # fmt: skip
    """A report (ORU^R01) with these OBX segments."""
    words = observations or ("OBX|1|TX|18748-4^Diagnostic imaging report^LN||No bleeding.||||||F",)
    return segments(
        msh("ORU^R01^ORU_R01", at=at, **head),
        patient or pid(),
        f"OBR|1||{filler}|CTH^CT head^LOCAL||||||||||||||{accession}||||{at}|||{status}",
        *words,
    )


def adt(event: str = "A01", *further: str, patient: str = "", at: str = "20260301120000", **head: Any) -> bytes:
    return segments(msh(f"ADT^{event}^ADT_{event}", at=at, **head), f"EVN||{at}", patient or pid(), *further)


class Client:
    """A system that sends messages and waits for each answer."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._held = b""

    def put(self, data: bytes) -> None:
        self._connection.sendall(data)

    def send(self, message: bytes) -> Message:
        self.put(b"\x0b" + message + b"\x1c\r")
        return self.answer()

    def answer(self) -> Message:
        while b"\x1c\r" not in self._held:
            piece = self._connection.recv(65536)
            if not piece:
                raise EOFError("the connection was closed")
            self._held += piece
        found, _, self._held = self._held.partition(b"\x1c\r")
        assert found.startswith(b"\x0b")
        return read(found[1:])

    def is_closed(self) -> bool:
        """Whether the other end has closed; it waits for that."""
        try:
            return self._connection.recv(1) == b""
        except ConnectionResetError:
            return True


def code(answer: Message) -> str:
    msa = answer.first("MSA")
    assert msa is not None
    return msa.get(1)


@contextmanager
def calling(port: int) -> Iterator[Client]:
    with socket.create_connection((HOST, port), timeout=60) as connection:
        yield Client(connection)


@contextmanager
def listening(folder: Path, **settings: Any) -> Iterator[tuple[Bank, Server]]:
    """A bank with a listener on loopback; settings by name."""
    with open_test_bank(folder, **settings) as bank:
        server = start(bank, HOST, 0)
        try:
            yield bank, server
        finally:
            server.stop(5)
