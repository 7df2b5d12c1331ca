"""Command sets."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode as pynetdicom_encode

from imagebank.dimse import command as commands
from imagebank.errors import Invalid


def test_a_command_is_encoded_as_pynetdicom_encodes_it() -> None:
    primitive = C_STORE()
    primitive.MessageID = 7
    primitive.AffectedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    primitive.AffectedSOPInstanceUID = "1.2.3"
    primitive.Priority = 1
    primitive.MoveOriginatorApplicationEntityTitle = "MOVER"
    primitive.MoveOriginatorMessageID = 9
    message = C_STORE_RQ()
    message.primitive_to_message(primitive)

    ours = commands.encode(
        {
            "AffectedSOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
            "CommandField": 1,
            "MessageID": 7,
            "Priority": 1,
            "CommandDataSetType": commands.NO_DATA_SET,
            "AffectedSOPInstanceUID": "1.2.3",
            "MoveOriginatorApplicationEntityTitle": "MOVER",
            "MoveOriginatorMessageID": 9,
        }
    )

    assert ours == pynetdicom_encode(message.command_set, is_implicit_vr=True, is_little_endian=True)


def test_what_is_encoded_is_decoded_again() -> None:
    command: commands.Command = {"CommandField": 0x8020, "Status": 0xFF01, "ErrorComment": "odd", "MessageID": 65535}

    assert commands.decode(commands.encode(command)) == command


@given(st.binary(max_size=200))
def test_any_bytes_are_a_command_or_refused(data: bytes) -> None:
    with suppress(Invalid):
        assert "CommandField" in commands.decode(data)


def test_a_command_without_a_field_is_refused() -> None:
    with pytest.raises(Invalid):
        commands.decode(commands.encode({"MessageID": 1}))


def test_a_reply_names_the_request_and_its_class() -> None:
    reply = commands.reply({"CommandField": 0x0130, "MessageID": 3, "RequestedSOPClassUID": "1.2"}, 0x0112)

    assert reply == {
        "CommandField": 0x8130,
        "MessageIDBeingRespondedTo": 3,
        "Status": 0x0112,
        "AffectedSOPClassUID": "1.2",
    }
