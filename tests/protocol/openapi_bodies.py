"""Loaded by schemathesis: how to send what OpenAPI cannot describe, a body that is DICOM."""

import re
from itertools import count
from typing import Any

from pydicom.uid import RE_VALID_UID, generate_uid
from schemathesis.transport import SerializationContext, register_serializer

from make import a_file
from protocol.dicomweb_site import BOUNDARY, DICOM, a_body

_uids = (generate_uid(entropy_srcs=[f"stored by schemathesis {number}"]) for number in count())


def _send_file(context: SerializationContext, _: Any) -> dict[str, Any]:
    return {"data": _new_object(context)}


def _send_parts(context: SerializationContext, _: Any) -> dict[str, Any]:
    # The type of the parts and the boundary are no part of a media type in OpenAPI.
    headers = {"Content-Type": f"{DICOM}; boundary={BOUNDARY.decode()}"}
    return {"data": a_body(_new_object(context)), "headers": headers}


def _send_bytes(_: SerializationContext, value: Any) -> dict[str, Any]:
    return {"data": value if isinstance(value, bytes) else b"x"}


def _new_object(context: SerializationContext) -> bytes:
    """A file in the study that the path names."""
    study = str((context.case.path_parameters or {}).get("study", ""))
    # What pydicom would not write as a UID is left to the path: the answer is then 400 or 409.
    if len(study) > 64 or not re.fullmatch(RE_VALID_UID, study):
        study = next(_uids)
    return a_file(StudyInstanceUID=study, SeriesInstanceUID=next(_uids), SOPInstanceUID=next(_uids))


register_serializer(_send_bytes, "application/offset+octet-stream")
register_serializer(_send_file, "application/dicom")
register_serializer(_send_parts, "multipart/related")
