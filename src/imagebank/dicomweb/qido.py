"""Search: studies, series and instances, hierarchical and relational (PS3.18 10.6)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, TypeGuard

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
from imagebank.model.attribute import Attribute, Catalogue, Level, Path, block_of, is_private
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
# In every answer, or told in another way: character set, availability, address.
_ANY_OF: Final = frozenset({_MODALITIES, "ModalitiesInStudy"})
_ALWAYS: Final = frozenset({(0x00080005,), (0x00080056,), (0x00081190,)})
_MOST_NAMED: Final = 20
_OFFERS: Final = (Offer(JSON),)
_FEW: Final = 20
"""Matches that are told at once; more are told in a thread, so that nobody else waits for them."""
_DIGITS: Final = re.compile(r"\d{1,9}", re.ASCII)

Columns = Mapping[str, Attribute | None]
_Asked = tuple[Level, Level, frozenset[Path]]


@dataclass(slots=True)
class Question:
    """What the parameters of a search say.

    `conditions` go by the paths of match keys, `wanted` are paths of further attributes to return. `places` has the tags
    by which private attributes were asked for, `creators` those of the elements that name creators.
    """

    conditions: dict[Path, Condition | None] = field(default_factory=dict)
    creators: dict[int, str] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
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
    media = call.prefers.require(_OFFERS)
    # Looked at once: another one may be in force in the next moment.
    catalogue = call.bank.catalogue
    question = read_question(call.parameters, catalogue, level)
    _narrow(question, call.selection, catalogue)
    query = question.query(level)
    levels, name = (highest, level), media.name
    told = (call.bank, call.principal, query, "QIDO-RS", call.address)
    if not search.searching_again(*told):
        # The first of its kind waits for its line of the ledger to be durable.
        await run_in_threadpool(search.searching, *told)
    if call.bank.settings.is_embedded and level < Level.INSTANCE and search.is_about_few(query):
        answer = await call.quickly(_answer, call, question, query, catalogue, levels, name, most=_FEW)
        if answer is not None:
            return answer
    answer = await run_in_threadpool(_answer, call, question, query, catalogue, levels, name)
    assert answer is not None, "only few matches are asked for in place"
    return answer


def _answer(
    call: Call,
    question: Question,
    query: Query,
    catalogue: Catalogue,
    levels: tuple[Level, Level],
    media: str,
    most: int | None = None,
) -> Response | None:
    """The answer; None where there are more matches than `most`."""
    highest, level = levels
    scope = call.principal.scope
    found = search.of_one(call.bank, query, scope)
    if found is None:
        question.warnings.append("several issuers have this PatientID; add IssuerOfPatientID")
        return Response(None, 204, {"X-Total-Count": "0", **_warned(call, question.warnings)})
    if most is not None:
        first = [*islice(found, most + 1)]
        if len(first) > most:
            return None
        found = iter(first)
    columns = _columns.of(question, catalogue, level, highest)
    blocks = _blocks(question, catalogue)
    matches = (_row(one.attributes, columns, question, call.base, level) for one in found)
    body = [_in_blocks(row, blocks) if blocks else row for row in matches]
    total = search.Total(question.offset + len(body))
    if len(body) == question.limit or (question.offset and not body):
        total = search.total(call.bank, query, scope)
    remaining = total.number - question.offset - len(body)
    if body and remaining > 0:
        least = "" if total.is_exact else "more than "
        question.warnings.append(f"There are {least}{remaining} additional results that can be requested")
    headers = {"X-Total-Count": str(total.number)} if total.is_exact else {}
    headers |= _warned(call, question.warnings)
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
    is_fuzzy = flag(parameters, "fuzzymatching")
    question.limit, question.offset = _page(parameters, question.warnings)
    asked = [(name, value) for name, value in parameters if name not in _CONTROLS | _UNUSED]
    question.creators = {path[0]: value for name, value in asked if _is_creator(path := _path(name))}
    for name, value in _joined(asked):
        path = _path(name)
        if _is_creator(path):
            continue
        attribute = _attribute(question, name, path, catalogue)
        if attribute is None or not _is_matchable(attribute, level):
            question.warnings.append(f"The parameter {_printable(name)} is not supported here and was not used")
            continue
        if attribute.path in question.conditions:
            raise Invalid(f"{attribute.keyword} may be given once")
        question.conditions[attribute.path] = condition(attribute, value, fuzzy=is_fuzzy)
        if attribute.is_partial:
            question.warnings.append(f"{_printable(name)} is not known yet of all that was deposited before")
    _include(question, parameters, catalogue)
    return question


def _joined(asked: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Modalities that a client asks for one by one are a list: no other key may be there twice (PS3.18 8.3.4.1)."""
    modalities = [value for name, value in asked if name in _ANY_OF]
    if modalities:
        yield _MODALITIES, "\\".join(modalities)
    yield from ((name, value) for name, value in asked if name not in _ANY_OF)


def flag(parameters: Sequence[tuple[str, str]], name: str) -> bool:
    """A parameter that is true or false; false where it is not there. Raises Invalid."""
    value = _once(parameters, name)
    if value is None or value.lower() in ("false", ""):
        return False
    if value.lower() == "true":
        return True
    raise Invalid(f"{name} is true or false")


def _page(parameters: Sequence[tuple[str, str]], warnings: list[str]) -> tuple[int, int]:
    limit, offset = number(parameters, "limit"), number(parameters, "offset")
    if limit is not None and limit > MAX_LIMIT:
        warnings.append(f"The limit is {MAX_LIMIT}")
    return min(DEFAULT_LIMIT if limit is None else limit, MAX_LIMIT), offset or 0


def number(parameters: Sequence[tuple[str, str]], name: str) -> int | None:
    """A parameter that is a whole number; None where it is not there, or empty. Raises Invalid."""
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
    missing: dict[str, None] = {}
    for name in names:
        path = _path(name)
        attribute = _attribute(question, name, path, catalogue)
        if attribute is not None:
            question.wanted.add(attribute.path)
        elif path is not None and len(path) == 1 and any(a.path[0] == path[0] for a in catalogue.attributes):
            question.wanted.add(path)  # a sequence of which attributes are held
        elif path not in _ALWAYS and not _is_creator(path):
            missing[_printable(name)] = None
    if missing:
        # PS3.18 10.6.1.2.3 lets a server leave out what it does not support.
        named = ", ".join(list(missing)[:_MOST_NAMED]) + (" and others" if len(missing) > _MOST_NAMED else "")
        question.warnings.append(f"includefield: the index does not hold {named}")


def _attribute(question: Question, name: str, path: Path | None, catalogue: Catalogue) -> Attribute | None:
    """The attribute that a parameter names; where it is private, the answer will have it under the same tag."""
    if name in catalogue.by_keyword:
        return catalogue.by_keyword[name]
    found = catalogue.find(path, question.creators) if path else None
    if found is not None and found.creator and path and len(path) == 1:
        question.places[found.key] = path[0]
    return found


def _path(name: str) -> Path | None:
    """The tags of a parameter: tags, keywords, or a dotted path of either; None for none."""
    path = []
    for part in name.split("."):
        tag = int(part, 16) if _TAG.fullmatch(part) else tag_for_keyword(part)
        if tag is None:
            return None
        path.append(tag)
    return tuple(path)


def _is_creator(path: Path | None) -> TypeGuard[Path]:
    """PS3.5 7.8.1: (gggg,0010-00FF) of an odd group names the creator of private elements."""
    return path is not None and len(path) == 1 and is_private(path[0]) and 0x10 <= path[0] & 0xFFFF <= 0xFF


def _is_matchable(attribute: Attribute, level: Level) -> bool:
    # TimezoneOffsetFromUTC in a request would shift its dates (10.6.1.2.1), which is not offered: it is no match key.
    return attribute.path != _TIMEZONE and attribute.level <= level


def _printable(name: str) -> str:
    """A parameter's name as it may stand in a header field."""
    return "".join(c for c in name[:64] if c.isascii() and (c.isalnum() or c in "._-")) or "?"


def _narrow(question: Question, selection: Selection, catalogue: Catalogue) -> None:
    """The UIDs of the path are conditions, too."""
    for path, uid in ((_STUDY, selection.study), (_SERIES, selection.series)):
        if uid is None:
            continue
        also = question.conditions.get(path)
        # Where the path and a parameter name different objects, nothing can be both.
        is_other = also is not None and isinstance(also.match, OneOf) and uid not in also.match.values
        question.conditions[path] = Condition(catalogue.by_path[path], OneOf(() if is_other else (uid,)))


class _Kept:
    """The columns of answers, by what was asked for: clients ask for the same few again and again.

    They are those of the catalogue that was in force at the last question.
    """

    _MOST = 200

    def __init__(self) -> None:
        self._columns: tuple[Catalogue | None, dict[_Asked, Columns]] = None, {}

    def of(self, question: Question, catalogue: Catalogue, level: Level, highest: Level) -> Columns:
        of_whom, columns = self._columns
        if of_whom is not catalogue or len(columns) >= self._MOST:
            columns = {}
            self._columns = catalogue, columns
        asked = frozenset(question.conditions.keys() | question.wanted)
        key = level, highest, asked
        found = columns.get(key)
        if found is None:
            found = columns[key] = _columns_of(asked, catalogue, level, highest)
        return found


_columns: Final = _Kept()


def _columns_of(asked: frozenset[Path], catalogue: Catalogue, level: Level, highest: Level) -> Columns:
    """The attributes to return by tag, in ascending order; with None for one that is left out when it is empty."""
    columns: dict[str, Attribute | None] = {}
    for attribute in catalogue.attributes:
        if len(attribute.path) > 1:
            continue
        is_here = highest <= attribute.level <= level and attribute.required
        if is_here or attribute.path in asked or attribute.path in (_STUDY, _SERIES):
            columns[attribute.key] = attribute
        elif attribute.when_known and (attribute.level == level or attribute.path == _TIMEZONE):
            columns[attribute.key] = None
    for path in (*asked, *_sequences(catalogue, level, highest)):
        if len(path) > 1 or path not in catalogue.by_path:
            columns.setdefault(f"{path[0]:08X}", None)
    if level < Level.SERIES:
        columns.pop("0020000E", None)
    return dict(sorted(columns.items()))


def _sequences(catalogue: Catalogue, level: Level, highest: Level) -> Iterator[Path]:
    for attribute in catalogue.attributes:
        if len(attribute.path) > 1 and attribute.required and highest <= attribute.level <= level:
            yield attribute.path


def _row(found: DataSet, columns: Columns, question: Question, base: str, level: Level) -> dict[str, Any]:
    row: dict[str, Any] = dict(found) if question.wants_all else {}
    for tag, attribute in columns.items():
        element = found.get(tag)
        if element is not None and (attribute is not None or len(element) > 1):
            row[tag] = element
        elif attribute is not None:
            row[tag] = {"vr": attribute.vr}
    if not row.get(_MODALITIES, {}).get("Value"):
        # An empty ModalitiesInStudy leaves OHIF's whole list blank.
        row.pop(_MODALITIES, None)
    row["00080056"] = {"vr": "CS", "Value": ["ONLINE"]}
    row["00081190"] = {"vr": "UR", "Value": [_retrieve_url(found, base, level)]}
    return dict(sorted(row.items()))


def _blocks(question: Question, catalogue: Catalogue) -> list[tuple[str, int, str]]:
    """Private attributes: the key by which each is held, its tag in the answer, as asked where it was, and its creator."""
    private = sorted(
        (a for a in catalogue.attributes if a.creator and len(a.path) == 1), key=lambda a: a.key not in question.places
    )
    reserved: dict[int, str] = {}
    placed = []
    for attribute in private:
        tag = question.places.get(attribute.key, attribute.tag)
        while reserved.setdefault(block_of(tag), attribute.creator) != attribute.creator:
            tag += 0x100
        placed.append((attribute.key, tag, attribute.creator))
    return placed


def _in_blocks(row: dict[str, Any], blocks: Sequence[tuple[str, int, str]]) -> dict[str, Any]:
    """The row with its private attributes in their blocks, and the creators of these (PS3.5 7.8.1)."""
    held = [(row.pop(key), tag, creator) for key, tag, creator in blocks if key in row]
    for element, tag, creator in held:
        row[f"{tag:08X}"] = element
        row[f"{block_of(tag):08X}"] = {"vr": "LO", "Value": [creator]}
    return dict(sorted(row.items()))


def _retrieve_url(found: DataSet, base: str, level: Level) -> str:
    names = (("studies", "0020000D"), ("series", "0020000E"), ("instances", "00080018"))
    return base + "".join(f"/{name}/{found[tag]['Value'][0]}" for name, tag in names[:level])


def key_name(path: Path) -> str:
    """A match key as people read it."""
    return ".".join(keyword_for_tag(tag) or f"{tag:08X}" for tag in path)
