"""Command sets (PS3.7 6.3 and annex E): group 0000, always Implicit VR Little Endian."""

import struct
from enum import IntEnum
from typing import Final

from imagebank.errors import Invalid

Command = dict[str, int | str]
"""A command set by the keywords of PS3.7 E.1."""

NO_DATA_SET: Final = 0x0101
HAS_DATA_SET: Final = 0x0001
RESPONSE: Final = 0x8000


class Kind(IntEnum):
    """Command Field values of requests; a response has the same with the highest bit set (`RESPONSE`)."""

    C_STORE = 0x0001
    C_GET = 0x0010
    C_FIND = 0x0020
    C_MOVE = 0x0021
    C_ECHO = 0x0030
    N_EVENT_REPORT = 0x0100
    N_GET = 0x0110
    N_SET = 0x0120
    N_ACTION = 0x0130
    N_CREATE = 0x0140
    C_CANCEL = 0x0FFF


_FIELDS: Final = {
    0x0002: ("UI", "AffectedSOPClassUID"),
    0x0003: ("UI", "RequestedSOPClassUID"),
    0x0100: ("US", "CommandField"),
    0x0110: ("US", "MessageID"),
    0x0120: ("US", "MessageIDBeingRespondedTo"),
    0x0600: ("AE", "MoveDestination"),
    0x0700: ("US", "Priority"),
    0x0800: ("US", "CommandDataSetType"),
    0x0900: ("US", "Status"),
    0x0901: ("AT", "OffendingElement"),
    0x0902: ("LO", "ErrorComment"),
    0x0903: ("US", "ErrorID"),
    0x1000: ("UI", "AffectedSOPInstanceUID"),
    0x1001: ("UI", "RequestedSOPInstanceUID"),
    0x1002: ("US", "EventTypeID"),
    0x1005: ("AT", "AttributeIdentifierList"),
    0x1008: ("US", "ActionTypeID"),
    0x1020: ("US", "NumberOfRemainingSuboperations"),
    0x1021: ("US", "NumberOfCompletedSuboperations"),
    0x1022: ("US", "NumberOfFailedSuboperations"),
    0x1023: ("US", "NumberOfWarningSuboperations"),
    0x1030: ("AE", "MoveOriginatorApplicationEntityTitle"),
    0x1031: ("US", "MoveOriginatorMessageID"),
}
_ELEMENTS: Final = {keyword: (element, vr) for element, (vr, keyword) in _FIELDS.items()}
_HEAD: Final = struct.Struct("<HHI")


def encode(command: Command) -> bytes:
    """A command set with its group length."""
    parts = []
    for element, (vr, keyword) in _FIELDS.items():
        if keyword not in command:
            continue
        value = command[keyword]
        if isinstance(value, int):
            # An attribute tag is two numbers of 16 bits, the group first.
            raw = struct.pack("<HH", value >> 16, value & 0xFFFF) if vr == "AT" else struct.pack("<H", value & 0xFFFF)
        else:
            raw = value.encode("ascii", "replace")
            raw += (b"\0" if vr == "UI" else b" ") * (len(raw) % 2)
        parts.append(_HEAD.pack(0, element, len(raw)) + raw)
    body = b"".join(parts)
    return _HEAD.pack(0, 0, 4) + struct.pack("<I", len(body)) + body


def decode(data: bytes) -> Command:
    """Read a command set; elements that nobody needs are passed over. Raises Invalid."""
    command: Command = {}
    position = 0
    while position < len(data):
        if position + 8 > len(data):
            raise Invalid("a command set ends within an element")
        group, element, length = _HEAD.unpack_from(data, position)
        raw = data[position + 8 : position + 8 + length]
        if group != 0 or len(raw) != length:
            raise Invalid("a command set has an element that is not of group 0000 or ends too early")
        position += 8 + length
        if element in _FIELDS:
            vr, keyword = _FIELDS[element]
            command[keyword] = _value(vr, keyword, raw)
    if "CommandField" not in command:
        raise Invalid("a command set without a Command Field")
    return command


def _value(vr: str, keyword: str, raw: bytes) -> int | str:
    if keyword == "AttributeIdentifierList":
        # Several tags (PS3.7 10.1.2.1.4), each of two numbers: as text, in the form of the DICOM JSON model.
        pairs = (raw[start : start + 4] for start in range(0, len(raw) - 3, 4))
        return "\\".join(
            f"{tag:08X}" for tag in (struct.unpack("<HH", one)[0] << 16 | struct.unpack("<HH", one)[1] for one in pairs)
        )
    if vr in ("US", "AT"):
        if len(raw) < 2:
            raise Invalid(f"{keyword} has no value")
        return int.from_bytes(raw[:2], "little")
    # PS3.7 6.3.1: the default repertoire; what a peer writes beyond it must not stop the association.
    return raw.decode("latin-1").strip(" \0")


def number(command: Command, keyword: str) -> int:
    """A number that the command has to hold. Raises Invalid."""
    value = command.get(keyword)
    if not isinstance(value, int):
        raise Invalid(f"the command has no {keyword}")
    return value


def text(command: Command, keyword: str) -> str:
    """A text of the command; empty when it has none."""
    value = command.get(keyword, "")
    return value if isinstance(value, str) else ""


def reply(request: Command, status: int, **further: int | str) -> Command:
    """The response to a request, with the fields that every response repeats."""
    # N-ACTION and its like name the class and instance as requested, and answer with them as affected (PS3.7 10.1.4).
    sop_class = text(request, "AffectedSOPClassUID") or text(request, "RequestedSOPClassUID")
    instance = text(request, "AffectedSOPInstanceUID") or text(request, "RequestedSOPInstanceUID")
    command: Command = {
        "CommandField": number(request, "CommandField") | RESPONSE,
        "MessageIDBeingRespondedTo": number(request, "MessageID"),
        "Status": status,
    }
    if sop_class:
        command["AffectedSOPClassUID"] = sop_class
    if instance:
        command["AffectedSOPInstanceUID"] = instance
    return command | further
