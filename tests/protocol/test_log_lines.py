"""What a stranger can write into the log of a bank as it runs."""

import socket
import struct
from itertools import product
from pathlib import Path

import httpx

from running import HOST, running_bank

FORGED = (b"A\nFAKE LOG LINE ", b"\x1b[2J\x1b[31mred    ", b"A\rFAKE LOG LINE ")


def item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(content)) + content


def asked(calling: bytes, called: bytes) -> bytes:
    """An A-ASSOCIATE-RQ for Verification (PS3.8 9.3.2)."""
    context = item(0x20, bytes([1, 0, 0, 0]) + item(0x30, b"1.2.840.10008.1.1") + item(0x40, b"1.2.840.10008.1.2"))
    user = item(0x50, item(0x51, struct.pack(">I", 16384)) + item(0x52, b"1.2.3"))
    names = called.ljust(16)[:16] + calling.ljust(16)[:16] + bytes(32)
    body = struct.pack(">HH", 1, 0) + names + item(0x10, b"1.2.840.10008.3.1.1.1") + context + user
    return struct.pack(">BxI", 1, len(body)) + body


def test_a_title_or_a_name_that_holds_control_characters_writes_none_into_the_log(tmp_path: Path) -> None:
    with running_bank(tmp_path) as running:
        for place, forged in product((0, 1), FORGED):
            names = [b"GOOD", b"IMAGEBANK"]
            names[place] = forged
            with socket.create_connection((HOST, running.dimse_port), timeout=20) as line:
                line.sendall(asked(*names))
                assert line.recv(100)
        with socket.create_connection((HOST, running.http_port), timeout=20) as line:
            line.sendall(b"GET /\x1b[31mred HTTP/1.1\r\nHost: x\x1b[31m\r\n\r\n")
            line.recv(100)
        httpx.get(f"{running.url}/readyz").raise_for_status()

    said = running.said()
    assert "\x1b" not in said
    assert "\r" not in said
    assert not any(line.startswith("FAKE") for line in said.splitlines())
