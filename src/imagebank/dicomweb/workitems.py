"""UPS-RS (PS3.18 chapter 11): tasks of the reconciliation queue as workitems; they are made by the bank alone."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from imagebank.actions import workitems
from imagebank.dicom.keys import asked_of, match
from imagebank.dicom.workitem import STATE, TRANSACTION, described
from imagebank.dicomweb.accept import Offer
from imagebank.dicomweb.edge import Call
from imagebank.dicomweb.qido import flag, number
from imagebank.dicomweb.tables import JSON, MAX_LIMIT
from imagebank.errors import Invalid
from imagebank.http.bodies import body_of, decoded
from imagebank.model.imaging import DataSet
from imagebank.model.uid import Uid
from imagebank.model.workitem import Status, StepRefused

_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
_CONTROLS: Final = frozenset({"accept", "charset", "fuzzymatching", "includefield", "limit", "offset"})
_REASON: Final = "00741238"


async def search(call: Call) -> Response:
    """`/workitems`: those that have what the parameters say, what has waited longest first (11.9)."""
    media = call.prefers.require([Offer(JSON)])
    flag(call.parameters, "fuzzymatching")  # names are compared without case and accents, and no further
    asked = [(name, value) for name, value in call.parameters if name not in _CONTROLS]
    keys: DataSet = {}
    for name, value in asked:
        _put(keys, name, value)
    sought = "UPS-RS workitems by " + (", ".join(sorted(keys)) or "nothing")
    found = await run_in_threadpool(workitems.listed, call.bank, _state(keys), call.principal, sought, call.address)
    matches = [held for one in found if match(keys, held := described(one, call.bank.settings.ae_title))]
    limit, start = number(call.parameters, "limit"), number(call.parameters, "offset") or 0
    most = MAX_LIMIT if limit is None else min(limit, MAX_LIMIT)
    page = matches[start : start + most]
    left = len(matches) - start - len(page)
    words = f"There are {left} additional results that can be requested"
    headers = {"Warning": call.warning(words)} if page and left > 0 else {}
    return Response(orjson.dumps(page) if page else None, 200 if page else 204, headers, media.name)


def _put(keys: DataSet, name: str, value: str) -> None:
    """Add a key by keyword or tag, or by a path of these. Raises Invalid for one that the standard does not know."""
    tags = [int(part, 16) if _TAG.fullmatch(part) else tag_for_keyword(part) for part in name.split(".")]
    if any(tag is None or not keyword_for_tag(tag) for tag in tags):
        raise Invalid("a workitem is looked for by attributes of the standard: a keyword, a tag, or a path of these")
    inner = keys
    for tag in tags[:-1]:
        sequence = inner.setdefault(f"{tag:08X}", {"vr": "SQ", "Value": [{}]})
        inner = sequence["Value"][0]
    vr = dictionary_VR(tags[-1] or 0).partition(" ")[0]
    texts = value.replace(",", "\\").split("\\") if vr == "UI" else [value]
    inner[f"{tags[-1]:08X}"] = {"vr": vr, "Value": [{"Alphabetic": one} for one in texts] if vr == "PN" else texts}


def _state(keys: DataSet) -> Status | None:
    text = asked_of(keys, STATE)
    if text and text not in set(Status):
        raise Invalid("Procedure Step State is one of " + ", ".join(Status))
    return Status(text) if text else None


async def retrieve(call: Call) -> Response:
    """`/workitems/{workitem}`: its attributes, but who works on it (11.5)."""
    media = call.prefers.require([Offer(JSON)])
    one = await run_in_threadpool(workitems.shown, call.bank, _uid(call), call.principal, call.address)
    return Response(orjson.dumps([described(one, call.bank.settings.ae_title)]), 200, {}, media.name)


async def update(call: Call) -> Response:
    """What whoever works on it says of it; the Transaction UID stands in the address or in the body (11.6)."""
    said = _data_set(await body_of(call.request))
    transaction = call.parameter("transaction-uid") or _bare(call) or asked_of(said, TRANSACTION)
    told = {key: element for key, element in said.items() if key != TRANSACTION}
    return await _changed(call, workitems.update, 200, transaction, told)


async def change_state(call: Call) -> Response:
    """`/workitems/{workitem}/state`: begin it, or give it up (11.7)."""
    said = _data_set(await body_of(call.request))
    state = _state(said)
    if state is None:
        raise Invalid("say which state, in Procedure Step State (0074,1000)")
    return await _changed(call, workitems.change_state, 200, asked_of(said, TRANSACTION), state)


async def ask_to_cancel(call: Call) -> Response:
    """`/workitems/{workitem}/cancelrequest`: cancel one that nobody has begun (11.8)."""
    body = await body_of(call.request)
    reason = asked_of(_data_set(body), _REASON) if body.strip() else ""
    return await _changed(call, _asked_to_cancel, 202, reason)


def _asked_to_cancel(bank: Any, uid: Uid, reason: str, principal: Any, address: str) -> None:
    workitems.ask_to_cancel(bank, uid, principal, reason, address)


async def _changed(call: Call, action: Callable[..., None], status: int, *given: object) -> Response:
    """Do it; where the state forbids it, 409 with the reason as a Warning, too, as clients look for it there."""
    try:
        await run_in_threadpool(action, call.bank, _uid(call), *given, call.principal, call.address)
    except StepRefused as error:
        words = {"error": "Conflict", "message": str(error)}
        headers = {"Warning": call.warning(str(error)), "Cache-Control": "no-store"}
        return Response(orjson.dumps(words), 409, headers, "application/json")
    return Response(None, status)


def _uid(call: Call) -> Uid:
    return Uid.parse(call.request.path_params["workitem"])


def _bare(call: Call) -> str:
    """A Transaction UID that is the whole query, as the template of the standard reads."""
    return next((name for name, value in call.parameters if not value and name[:1].isdigit()), "")


def _data_set(body: bytes) -> DataSet:
    """A data set in the DICOM JSON model, by itself or as the only one of a list. Raises Invalid."""
    found = decoded(body, orjson.loads)
    found = found[0] if isinstance(found, list) and len(found) == 1 else found
    if not isinstance(found, Mapping):
        raise Invalid("the body is one data set in the DICOM JSON model")
    for key, element in found.items():
        values = element.get("Value", []) if isinstance(element, Mapping) and "vr" in element else None
        if not _TAG.fullmatch(key) or not isinstance(values, list):
            raise Invalid("the body is one data set in the DICOM JSON model")
    return {key.upper(): dict(element) for key, element in found.items()}
