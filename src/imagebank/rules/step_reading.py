"""Reading the acts of a rule."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, cast

from imagebank.dicom.named import DECIMAL, WHOLE, Named, element_for, named, require_writable
from imagebank.errors import Invalid
from imagebank.model.imaging import Element
from imagebank.model.notice import address_from
from imagebank.model.provision import LABEL
from imagebank.model.rules import Decision
from imagebank.rules.expression import Expression
from imagebank.rules.steps import (
    Call,
    Copy,
    Decide,
    Drop,
    DropPrivate,
    Lookup,
    Notify,
    Otherwise,
    Require,
    Route,
    Set,
    Step,
    Tag,
)

if TYPE_CHECKING:
    from imagebank.rules.reading import Surroundings

ACTIONS: Final[Mapping[str, frozenset[str]]] = {
    "accept": frozenset(),
    "refuse": frozenset({"reason"}),
    "quarantine": frozenset({"reason"}),
    "set": frozenset({"tag", "value", "expression", "only_if_empty"}),
    "map": frozenset({"tag", "from", "expression", "table", "otherwise"}),
    "copy": frozenset({"from", "tag", "only_if_empty"}),
    "drop": frozenset({"tag"}),
    "drop private": frozenset({"keep"}),
    "route": frozenset({"to"}),
    "tag": frozenset({"label"}),
    "notify": frozenset({"message", "to"}),
    "require": frozenset({"tags", "otherwise", "reason"}),
    "plug-in": frozenset({"name", "options"}),
}
"""Every act, and what is said with it."""

_OTHERWISE: Final = ("keep", "empty", "quarantine", "refuse")
_TEXT: Final = {"STRING": "a text"}
_NUMBER: Final = {"INT": "a number", "UINT": "a number", "DOUBLE": "a number"}
_LONGEST: Final = 200


class _Wrong(Exception):
    """What is wrong with an act, and by which key."""

    def __init__(self, key: str, words: str) -> None:
        super().__init__(words)
        self.key = key
        self.words = words


Compile = Callable[[int, int | None, str, object, Mapping[str, str]], Expression | None]


@dataclass(slots=True)
class StepReader:
    """Reads acts; what is wrong is said by `say`, with the rule, the act and the key."""

    say: Callable[[int, int | None, str, str], None]
    compile: Compile
    around: "Surroundings"
    tables: Mapping[str, Mapping[str, str]]
    named: list[Named] = field(default_factory=list)

    def step(self, rule: int, place: int, raw: Mapping[str, Any]) -> Step | None:
        """One act; None where something is wrong with it, which was said."""
        try:
            action = self._action(raw)
            return _READERS[action](self, _Raw(raw, rule, place))
        except _Wrong as wrong:
            self.say(rule, place, wrong.key, wrong.words)
            return None

    def _action(self, raw: Mapping[str, Any]) -> str:
        action = raw.get("action")
        if not isinstance(action, str) or action not in ACTIONS:
            near = get_close_matches(str(action), ACTIONS, 1)
            meant = f"did you mean {near[0]}?" if near else f"there is {', '.join(ACTIONS)}"
            raise _Wrong("action", f"there is no action {action}; {meant}")
        for key in raw:
            known = ACTIONS[action]
            if key != "action" and key not in known:
                near = get_close_matches(key, known, 1)
                meant = f"did you mean {near[0]}?" if near else f"there is {', '.join(sorted(known)) or 'nothing'}"
                raise _Wrong(key, f"{action} knows no {key}; {meant}")
        return action

    def attribute(self, raw: "_Raw", key: str, text: object = None) -> Named:
        """An attribute that is named. Raises _Wrong."""
        text = raw.given.get(key) if text is None else text
        if not isinstance(text, str):
            raise _Wrong(key, f'name an attribute: {key} = "AccessionNumber"')
        try:
            found = named(text)
        except Invalid as error:
            raise _Wrong(key, str(error)) from None
        self.named.append(found)
        return found

    def writable(self, raw: "_Raw", key: str = "tag") -> Named:
        """An attribute that a rule may change. Raises _Wrong."""
        found = self.attribute(raw, key)
        try:
            require_writable(found)
        except Invalid as error:
            raise _Wrong(key, str(error)) from None
        return found

    def expression(self, raw: "_Raw", wanted: Mapping[str, str]) -> Expression | None:
        return self.compile(raw.rule, raw.place, "expression", raw.given["expression"], wanted)


@dataclass(frozen=True, slots=True)
class _Raw:
    """One act as it was written, and where."""

    given: Mapping[str, Any]
    rule: int
    place: int

    def text(self, key: str, example: str, *, default: str | None = None) -> str:
        found = self.given.get(key, default)
        if not isinstance(found, str) or (not found.strip() and default is None) or len(found) > _LONGEST:
            raise _Wrong(key, f'{self.given["action"]} needs {key} = "{example}", of at most {_LONGEST} characters')
        if not found.isprintable():
            raise _Wrong(key, f"{key} has signs that cannot be shown")
        return found.strip()

    def texts(self, key: str, example: str) -> tuple[str, ...]:
        """A list of texts, or one."""
        found = self.given.get(key)
        found = [found] if isinstance(found, str) else found
        if not isinstance(found, list) or not found or not all(isinstance(one, str) and one for one in found):
            raise _Wrong(key, f'{self.given["action"]} needs {key} = ["{example}"]')
        return tuple(found)

    def flag(self, key: str) -> bool:
        found = self.given.get(key, False)
        if not isinstance(found, bool):
            raise _Wrong(key, f"{key} is true or false")
        return found

    def one_of(self, key: str, known: tuple[str, ...], default: str) -> str:
        found = self.given.get(key, default)
        if found not in known:
            near = get_close_matches(str(found), known, 1)
            meant = f"did you mean “{near[0]}”? " if near else ""
            raise _Wrong(
                key, f"there is no outcome “{found}”; {meant}There is {', '.join(f'“{one}”' for one in known)}"
            )
        return str(found)


def _decide(decision: Decision) -> Callable[[StepReader, _Raw], Step]:
    def read(_: StepReader, raw: _Raw) -> Step:
        return Decide(decision, raw.text("reason", "it is a phantom"))

    return read


def _accept(_: StepReader, __: _Raw) -> Step:
    return Decide(Decision.ACCEPT, "")


def _set(reader: StepReader, raw: _Raw) -> Step:
    attribute = reader.writable(raw)
    if ("value" in raw.given) == ("expression" in raw.given):
        raise _Wrong("value", "set needs a value or an expression, and not both")
    only = raw.flag("only_if_empty")
    if "expression" in raw.given:
        expression = reader.expression(raw, _NUMBER if attribute.vr in WHOLE | DECIMAL else _TEXT)
        return Set(attribute, None, expression, only)
    return Set(attribute, _element(attribute, raw.given["value"], "value"), None, only)


def _element(attribute: Named, value: object, key: str) -> Element:
    parts = value if isinstance(value, list) else [value]
    if not all(isinstance(part, str | int | float) and not isinstance(part, bool) for part in parts):
        raise _Wrong(key, f"the value of {attribute.name} is a text or a number")
    try:
        return element_for(attribute, cast("Any", value))
    except Invalid as error:
        raise _Wrong(key, str(error)) from None


def _map(reader: StepReader, raw: _Raw) -> Step:
    attribute = reader.writable(raw)
    source = reader.attribute(raw, "from") if "from" in raw.given else attribute
    if "from" in raw.given and "expression" in raw.given:
        raise _Wrong("from", "map looks up an attribute or an expression, and not both")
    name = raw.text("table", "departments")
    if name not in reader.tables:
        raise _Wrong("table", f"there is no table {name}; write one under [tables.{name}]")
    entries = reader.tables[name]
    for value in entries.values():
        _element(attribute, value, "table")
    expression = reader.expression(raw, _TEXT) if "expression" in raw.given else None
    otherwise = cast("Otherwise", raw.one_of("otherwise", _OTHERWISE, "keep"))
    return Lookup(attribute, source, expression, name, entries, otherwise)


def _copy(reader: StepReader, raw: _Raw) -> Step:
    attribute, source = reader.writable(raw), reader.attribute(raw, "from")
    is_number = [one.vr in WHOLE | DECIMAL for one in (attribute, source)]
    if source.vr == "SQ" or is_number[0] != is_number[1] or (source.is_list and not attribute.is_list):
        raise _Wrong("from", f"{source.name} ({source.vr}) has values that {attribute.name} ({attribute.vr}) has not")
    return Copy(attribute, source, raw.flag("only_if_empty"))


def _drop(reader: StepReader, raw: _Raw) -> Step:
    return Drop(reader.writable(raw))


def _drop_private(_: StepReader, raw: _Raw) -> Step:
    return DropPrivate(frozenset(raw.texts("keep", "ACME 1.1") if "keep" in raw.given else ()))


def _route(reader: StepReader, raw: _Raw) -> Step:
    devices = raw.texts("to", "READING1")
    known = reader.around.devices
    for device in devices:
        if known is not None and device not in known:
            near = get_close_matches(device, known, 1)
            meant = f"did you mean {near[0]}?" if near else "`imagebank device add` registers one"
            raise _Wrong("to", f"no device is registered as {device}; {meant}")
    return Route(devices)


def _tag(_: StepReader, raw: _Raw) -> Step:
    label = raw.text("label", "teaching")
    if not LABEL.fullmatch(label):
        raise _Wrong("label", "a label is a word or two in small letters")
    return Tag(label)


def _notify(_: StepReader, raw: _Raw) -> Step:
    message = raw.text("message", "slides for pathology came")
    to = raw.texts("to", "slides@example.org") if "to" in raw.given else ()
    try:
        return Notify(message, tuple(dict.fromkeys(map(address_from, to))))
    except Invalid as error:
        raise _Wrong("to", str(error)) from None


def _require(reader: StepReader, raw: _Raw) -> Step:
    attributes = tuple(reader.attribute(raw, "tags", text) for text in raw.texts("tags", "AccessionNumber"))
    otherwise = Decision(raw.one_of("otherwise", ("quarantine", "refuse"), "quarantine"))
    return Require(attributes, otherwise, raw.text("reason", "it has no accession number", default=""))


def _call(reader: StepReader, raw: _Raw) -> Step:
    name, options = raw.text("name", "acme-eyes"), raw.given.get("options", {})
    known = reader.around.plugins
    if known is not None and name not in known:
        raise _Wrong("name", f"no plug-in is installed as {name}; there is {', '.join(sorted(known)) or 'none'}")
    if not isinstance(options, dict):
        raise _Wrong("options", "options is a table")
    return Call(name, options)


_READERS: Final[Mapping[str, Callable[[StepReader, _Raw], Step]]] = {
    "accept": _accept,
    "refuse": _decide(Decision.REFUSE),
    "quarantine": _decide(Decision.QUARANTINE),
    "set": _set,
    "map": _map,
    "copy": _copy,
    "drop": _drop,
    "drop private": _drop_private,
    "route": _route,
    "tag": _tag,
    "notify": _notify,
    "require": _require,
    "plug-in": _call,
}
