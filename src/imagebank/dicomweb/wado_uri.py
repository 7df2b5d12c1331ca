"""WADO-URI: one object by query parameters (PS3.18 chapter 9)."""

import re
from dataclasses import replace
from typing import Final

from starlette.responses import Response

from imagebank.dicom import render
from imagebank.dicom.scan import EXPLICIT_LE
from imagebank.dicomweb.accept import ANY, NotAcceptable, Offer, preferences
from imagebank.dicomweb.edge import CACHING, Call
from imagebank.dicomweb.media import TEXT_TYPES, is_text, media_type_of
from imagebank.dicomweb.rendered import Wish, is_picture, picture_offers, show, unheeded
from imagebank.dicomweb.tables import DICOM
from imagebank.dicomweb.wado import file_offers, one_file
from imagebank.errors import Invalid
from imagebank.http.errors import say
from imagebank.model.imaging import Instance, Selection
from imagebank.model.uid import Uid

_MAX_SIDE: Final = 8192
_MAX_FRAME: Final = 10_000_000
_REGION: Final = re.compile(",".join([r"(\d*\.?\d+|\d+\.)"] * 4), re.ASCII)
PARAMETERS: Final = (
    *("requestType", "studyUID", "seriesUID", "objectUID", "contentType", "charset", "anonymize", "annotation"),
    *("rows", "columns", "region", "windowCenter", "windowWidth", "frameNumber", "imageQuality"),
    *("presentationUID", "presentationSeriesUID", "transferSyntax"),
)


async def retrieve_by_uri(call: Call) -> Response:
    """One object as a DICOM file or as something to look at."""
    if (call.parameter("requestType") or "").upper() != "WADO":
        raise Invalid("requestType has to be WADO")
    study, series, instance_uid = (_uid(call, name) for name in ("studyUID", "seriesUID", "objectUID"))
    for name, unused in (("anonymize", "no"), ("presentationUID", "")):
        if (call.parameter(name) or unused).lower() != unused:
            # Sending what was not asked for could show who the patient is, or hide a finding.
            return say(501, "Unsupported", f"{name} is not offered")
    instance = (await call.select(Selection(study, series, instance_uid)))[0]
    wish = call.parameter("contentType")
    call = replace(call, prefers=preferences(wish, None) if wish else call.prefers)
    kind = media_type_of(instance)
    shown = _shown(instance, kind)
    files = [Offer(DICOM)]
    offer = call.prefers.require(shown + files if _is_shown_first(instance, kind) else files + shown)
    if offer.name != DICOM:
        return await show(call, instance, Wish(_rendering(call, instance), unheeded(call, annotation="")))
    return await _file(call, instance)


def _shown(instance: Instance, kind: str) -> list[Offer]:
    if kind:
        return [Offer(kind)]
    if is_text(instance):
        return [Offer(name, is_usual=name == TEXT_TYPES[0]) for name in TEXT_TYPES]
    return picture_offers(forms=[False]) if is_picture(instance) else []


def _uid(call: Call, name: str) -> Uid:
    text = call.parameter(name)
    if not text:
        raise Invalid(f"{name} is missing")
    return Uid.parse(text)


def _is_shown_first(instance: Instance, kind: str) -> bool:
    """PS3.18 9.1.2.1.3: a report or a single frame is shown, a loop or a video is given as DICOM."""
    return is_text(instance) or (not kind and instance.pixels is not None and instance.pixels.frames == 1)


async def _file(call: Call, instance: Instance) -> Response:
    call.principal.require_taking()
    offers = [one for one in file_offers(instance, is_single=True) if not one.is_related]
    asked = call.parameter("transferSyntax")
    # What is stored stands first, unless it may not leave.
    usable = [one for one in offers if (one.syntax == asked if asked else one.is_default) or asked == ANY]
    if not usable:
        raise NotAcceptable(f"this object cannot be given in transfer syntax {Uid.parse(asked or EXPLICIT_LE)}")
    await call.reading([instance], "WADO-URI")
    return await one_file(call, instance, Uid(usable[0].syntax), {"Cache-Control": CACHING})


def _rendering(call: Call, instance: Instance) -> render.Rendering:
    """The parameters of 9.1.2.2 in the words of the newer service. Raises Invalid."""
    rendering = render.Rendering(viewport=_viewport(call, instance))
    center, width = call.parameter("windowCenter"), call.parameter("windowWidth")
    if bool(center) != bool(width):
        raise Invalid("windowCenter and windowWidth come together")
    if center and width:
        rendering = replace(rendering, window=render.parse_window(f"{center},{width},linear"))
    if quality := call.parameter("imageQuality"):
        rendering = replace(rendering, quality=render.parse_quality(quality))
    if number := call.parameter("frameNumber"):
        rendering = replace(rendering, frames=(_count(number, "frameNumber", _MAX_FRAME),))
    return rendering


def _viewport(call: Call, instance: Instance) -> render.Viewport | None:
    rows, columns, region = call.parameter("rows"), call.parameter("columns"), call.parameter("region")
    if not rows and not columns and not region:
        return None
    width = _count(columns, "columns", _MAX_SIDE) if columns else _MAX_SIDE if rows else 0
    height = _count(rows, "rows", _MAX_SIDE) if rows else _MAX_SIDE if columns else 0
    if not region or instance.pixels is None:
        return render.Viewport(width, height)
    wide, high = instance.pixels.columns, instance.pixels.rows
    left, top, right, bottom = _region(region)
    return render.Viewport(
        width or max(1, min(_MAX_SIDE, round((right - left) * wide))),
        height or max(1, min(_MAX_SIDE, round((bottom - top) * high))),
        left * wide,
        top * high,
        (right - left) * wide,
        (bottom - top) * high,
    )


def _region(text: str) -> tuple[float, float, float, float]:
    """9.1.2.2.5: left, top, right, bottom, each from 0 to 1."""
    match = _REGION.fullmatch(text)
    if match is not None:
        left, top, right, bottom = (float(part) for part in match.groups())
        if left < right <= 1 and top < bottom <= 1:
            return left, top, right, bottom
    raise Invalid("the region is written as xmin,ymin,xmax,ymax with numbers from 0 to 1")


def _count(text: str, name: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= most):
        raise Invalid(f"{name} is a whole number from 1 to {most}")
    return int(text)
