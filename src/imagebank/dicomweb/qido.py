"""Search: studies, series and instances, hierarchical and relational (PS3.18 10.6)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from pydicom.datadict import keyword_for_tag, tag_for_keyword
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from imagebank.actions import search
from imagebank.dicomweb.accept import Offer
from imagebank.dicomweb.edge import Call
from imagebank.dicomweb.tables import DEFAULT_LIMIT, JSON, MAX_LIMIT
from imagebank.errors import Invalid
from imagebank.model.access import Right
from imagebank.model.attribute import Attribute, Catalogue, Level, Path
from imagebank.model.imaging import DataSet, Selection
from imagebank.model.query import Between, Condition, OneOf, Query, condition

_CONTROLS: Final = frozenset({"accept", "charset", "fuzzymatching", "includefield", "limit", "offset"})
# Controls of the standard that change nothing here: DICOM's own matching rules are in force (10.6.1.2.1, .2).
_UNUSED: Final = frozenset({"emptyvaluematching", "multiplevaluematching"})
_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
_STUDY: Final = (0x0020000D,)
_SERIES: Final = (0x0020000E,)
_TIMEZONE: Final = (0x00080201,)
_MODALITIES: Final = "00080061"
# PS3.18 table 10.6.3-5: Rows and the like are there if the object is an image.
_IMAGE_GROUP: Final = "0028"
_DIGITS: Final = re.compile(r"\d{1,9}", re.ASCII)


@dataclass(slots=True)
class Question:
    """What the parameters of a search say. `asked` are paths of match keys, `wanted` of further ones to return."""

    conditions: dict[Path, Condition | None] = field(default_factory=dict)
    wanted: set[Path] = field(default_factory=set)
    wants_all: bool = False
    limit: int = DEFAULT_LIMIT
    offset: int = 0
    warnings: list[str] = field(default_factory=list)

    def query(self, level: Level) -> Query:
        """The question to the index at a level."""
        found = [one for one in self.conditions.values() if one is not None]
        ranges = {one.attribute.keyword for one in found if isinstance(one.match, Between)}
        return Query(level, tuple(found), self.limit, self.offset, combined={"StudyDate", "StudyTime"} <= ranges)


async def search_studies(call: Call) -> Response:
    """`/studies`."""
    return await _search(call, Level.STUDY, Level.PATIENT)


async def search_series(call: Call) -> Response:
    """`/series`, and `/studies/{study}/series`."""
    return await _search(call, Level.SERIES, Level.SERIES if call.selection.study else Level.PATIENT)


async def search_instances(call: Call) -> Response:
    """`/instances`, `/studies/{study}/instances`, and `/studies/{study}/series/{series}/instances`."""
    selection = call.selection
    highest = Level.INSTANCE if selection.series else Level.SERIES if selection.study else Level.PATIENT
    return await _search(call, Level.INSTANCE, highest)


async def _search(call: Call, level: Level, highest: Level) -> Response:
    """Answer with the attributes of the levels from `highest` to `level`."""
    call.principal.require(Right.FIND)
    media = call.prefers.require([Offer(JSON)])
    question = read_question(call.parameters, call.bank.catalogue, level)
    _narrow(question, call.selection, call.bank.catalogue)
    return await run_in_threadpool(_answer, call, question, level, highest, media.name)


def _answer(call: Call, question: Question, level: Level, highest: Level, media: str) -> Response:
    query, scope = question.query(level), call.principal.scope
    if search.is_ambiguous(call.bank, query, scope):
        question.warnings.append("several issuers have this PatientID; add IssuerOfPatientID")
        return Response(None, 204, {"X-Total-Count": "0", **_warned(call, question.warnings)})
    columns = _columns(question, call.bank.catalogue, level, highest)
    body = [_row(one.attributes, columns, question, call.base, level) for one in search.find(call.bank, query, scope)]
    total = question.offset + len(body)
    if len(body) == question.limit or not body:
        total = search.count(call.bank, query, scope)
    remaining = total - question.offset - len(body)
    if body and remaining > 0:
        question.warnings.append(f"There are {remaining} additional results that can be requested")
    headers = {"X-Total-Count": str(total), **_warned(call, question.warnings)}
    if not body:
        return Response(None, 204, headers)
    return Response(orjson.dumps(body), 200, headers, media)


def _warned(call: Call, warnings: Sequence[str]) -> dict[str, str]:
    return {"Warning": ", ".join(call.warning(text) for text in warnings)} if warnings else {}


def read_question(parameters: Sequence[tuple[str, str]], catalogue: Catalogue, level: Level) -> Question:
    """What the query parameters ask. Raises Invalid, naming the parameter, for a value that is none.

    Keys that are not indexed, or lie below the level, are left out of the matching, and a warning says so.
    """
    question = Question()
    is_fuzzy = _flag(parameters, "fuzzymatching")
    question.limit, question.offset = _page(parameters, question.warnings)
    creators = [value for name, value in parameters if _is_creator(_path(name, catalogue))]
    for name, value in parameters:
        if name in _CONTROLS or name in _UNUSED:
            continue
        path = _path(name, catalogue)
        if _is_creator(path):
            continue
        attribute = catalogue.by_path.get(path) if path else None
        if path in question.conditions:
            raise Invalid(f"{attribute.keyword if attribute else 'an attribute'} may be given once")
        if attribute is None or not _is_matchable(attribute, level, creators):
            question.warnings.append(f"The parameter {_printable(name)} is not supported here and was not used")
            continue
        question.conditions[attribute.path] = condition(attribute, value, fuzzy=is_fuzzy)
    _include(question, parameters, catalogue)
    return question


def _flag(parameters: Sequence[tuple[str, str]], name: str) -> bool:
    value = _once(parameters, name)
    if value is None or value.lower() in ("false", ""):
        return False
    if value.lower() == "true":
        return True
    raise Invalid(f"{name} is true or false")


def _page(parameters: Sequence[tuple[str, str]], warnings: list[str]) -> tuple[int, int]:
    limit, offset = _number(parameters, "limit"), _number(parameters, "offset")
    if limit is not None and limit > MAX_LIMIT:
        warnings.append(f"The limit is {MAX_LIMIT}")
    return min(DEFAULT_LIMIT if limit is None else limit, MAX_LIMIT), offset or 0


def _number(parameters: Sequence[tuple[str, str]], name: str) -> int | None:
    text = _once(parameters, name)
    if not text:
        return None
    if not _DIGITS.fullmatch(text):
        raise Invalid(f"{name} is a whole number, 0 or more")
    return int(text)


def _once(parameters: Sequence[tuple[str, str]], name: str) -> str | None:
    values = [value for key, value in parameters if key == name]
    if len(values) > 1:
        raise Invalid(f"{name} may be given once")
    return values[0] if values else None


def _include(question: Question, parameters: Sequence[tuple[str, str]], catalogue: Catalogue) -> None:
    names = [name for key, value in parameters if key == "includefield" for name in value.split(",") if name]
    if "all" in names:
        if len(names) > 1:
            raise Invalid("includefield=all stands alone")
        question.wants_all = True
        return
    # What is not in the index is not returned; PS3.18 10.6.1.2.3 lets a server leave out what it does not support.
    question.wanted = {path for name in names if (path := _path(name, catalogue))}


def _path(name: str, catalogue: Catalogue) -> Path | None:
    """The attribute that a parameter names by tags, keywords, or a dotted path of either; None for none."""
    if name in catalogue.by_keyword:
        return catalogue.by_keyword[name].path
    path = []
    for part in name.split("."):
        tag = int(part, 16) if _TAG.fullmatch(part) else tag_for_keyword(part)
        if tag is None:
            return None
        path.append(tag)
    return tuple(path)


def _is_creator(path: Path | None) -> bool:
    """PS3.5 7.8.1: (gggg,0010-00FF) of an odd group names the creator of private elements."""
    return path is not None and path[-1] >> 16 & 1 == 1 and 0x10 <= path[-1] & 0xFFFF <= 0xFF


def _is_matchable(attribute: Attribute, level: Level, creators: Sequence[str]) -> bool:
    # TimezoneOffsetFromUTC in a request would shift its dates (10.6.1.2.1), which is not offered: it is no match key.
    if attribute.path == _TIMEZONE or attribute.level > level:
        return False
    return not attribute.creator or attribute.creator in creators


def _printable(name: str) -> str:
    """A parameter's name as it may stand in a header field."""
    return "".join(c for c in name[:64] if c.isascii() and (c.isalnum() or c in "._-")) or "?"


def _narrow(question: Question, selection: Selection, catalogue: Catalogue) -> None:
    """The UIDs of the path are conditions, too."""
    for path, uid in ((_STUDY, selection.study), (_SERIES, selection.series)):
        if uid is None:
            continue
        also = question.conditions.get(path)
        if also is not None and isinstance(also.match, OneOf) and uid not in also.match.values:
            # The path and a parameter name different objects: nothing can be both.
            question.limit = 0
        question.conditions[path] = Condition(catalogue.by_path[path], OneOf((uid,)))


def _columns(question: Question, catalogue: Catalogue, level: Level, highest: Level) -> dict[str, Attribute | None]:
    """The attributes to return by tag, in ascending order; the required ones are there even when they are empty."""
    columns: dict[str, Attribute | None] = {}
    for attribute in catalogue.attributes:
        if len(attribute.path) > 1:
            continue
        is_here = highest <= attribute.level <= level and attribute.required
        is_asked = attribute.path in question.conditions or attribute.path in question.wanted
        if is_here or is_asked or attribute.path in (_STUDY, _SERIES):
            columns[f"{attribute.tag:08X}"] = attribute
    for path in (*question.conditions, *question.wanted, *_sequences(catalogue, level, highest)):
        if len(path) > 1 or path not in catalogue.by_path:
            columns.setdefault(f"{path[0]:08X}", None)
    if level < Level.SERIES:
        columns.pop("0020000E", None)
    return dict(sorted(columns.items()))


def _sequences(catalogue: Catalogue, level: Level, highest: Level) -> Iterator[Path]:
    for attribute in catalogue.attributes:
        if len(attribute.path) > 1 and attribute.required and highest <= attribute.level <= level:
            yield attribute.path


def _row(
    found: DataSet, columns: Mapping[str, Attribute | None], question: Question, base: str, level: Level
) -> dict[str, Any]:
    row: dict[str, Any] = dict(found) if question.wants_all else {}
    for tag, attribute in columns.items():
        element = found.get(tag)
        if element is not None:
            row[tag] = element
        elif attribute is not None and not tag.startswith(_IMAGE_GROUP):
            row[tag] = {"vr": attribute.vr}
    if not row.get(_MODALITIES, {}).get("Value"):
        # An empty ModalitiesInStudy leaves OHIF's whole list blank.
        row.pop(_MODALITIES, None)
    row["00080056"] = {"vr": "CS", "Value": ["ONLINE"]}
    row["00081190"] = {"vr": "UR", "Value": [_retrieve_url(found, base, level)]}
    return dict(sorted(row.items()))


def _retrieve_url(found: DataSet, base: str, level: Level) -> str:
    names = (("studies", "0020000D"), ("series", "0020000E"), ("instances", "00080018"))
    return base + "".join(f"/{name}/{found[tag]['Value'][0]}" for name, tag in names[:level])


def key_name(path: Path) -> str:
    """A match key as people read it."""
    return ".".join(keyword_for_tag(tag) or f"{tag:08X}" for tag in path)
