"""Conditions and values in the Common Expression Language, checked when they are read and bounded when they run.

The checker knows the type of each attribute by its VR, so that a slip is found before anything arrives. The language has
no loops but those over lists, which the library ends after 10,000 steps; its regular expressions take linear time (RE2).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings

from imagebank.dicom.named import DECIMAL, WHOLE, Named, named
from imagebank.errors import Invalid

MAX_LENGTH: Final = 4000
"""Characters of one expression."""
FIXED: Final[Mapping[str, Any]] = {
    "source.way": cel.Type.STRING,
    "source.principal": cel.Type.STRING,
    "source.organization": cel.Type.STRING,
    "source.address": cel.Type.STRING,
    "source.aet": cel.Type.STRING,
    "file.name": cel.Type.STRING,
    "time.now": cel.Type.TIMESTAMP,
    "time.date": cel.Type.STRING,
    "time.hour": cel.Type.INT,
    "time.minute": cel.Type.INT,
    "time.weekday": cel.Type.INT,
    "person.known": cel.Type.BOOL,
    "person.records": cel.Type.INT,
    "person.name": cel.Type.STRING,
    "person.birth_date": cel.Type.STRING,
    "person.sex": cel.Type.STRING,
}
"""What there is beside the header, with its type."""

_STRING: Final = r"""[rR]?(?:\"\"\".*?\"\"\"|'''.*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
_ATTRIBUTE: Final = (
    r"""header(?:\.(?P<{0}_word>\w+)|\[\s*(?P<{0}_quote>["'])(?P<{0}_name>[^"'\n]*)(?P={0}_quote)\s*\])"""
)
_TOKEN: Final = re.compile(
    rf"(?P<string>{_STRING})|(?P<comment>//[^\n]*)"
    rf"|\bhas\(\s*{_ATTRIBUTE.format('has')}\s*\)|(?<![\w.]){_ATTRIBUTE.format('own')}"
    r"|(?<![\w.])(?P<fixed>(?:source|file|time|person)\.\w+)",
    re.DOTALL,
)
_PLACE: Final = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): ([^\n]*)")
_MISSING: Final = ("No value with name", "Key not found in map", "Index error", "index out of bounds")


class Unanswered(Exception):
    """The object lacks a value that the expression asks for, so that there is no answer."""


class Unjudged(Exception):
    """The expression could not be computed, with the reason."""


class Fault(Exception):
    """What is wrong with an expression, and in which of its lines, from 1."""

    def __init__(self, words: str, line: int = 1) -> None:
        super().__init__(words)
        self.words = words
        self.line = line


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression. `kind` is the CEL name of its type."""

    text: str
    kind: str
    program: Any

    def holds(self, values: Any) -> bool:
        """Whether a condition holds. What asks for something that is not there does not. Raises Unjudged."""
        try:
            return self.value(values) is True
        except Unanswered:
            return False

    def value(self, values: Any) -> Any:
        """What it comes to, of values as `Language.values` packs them. Raises Unanswered and Unjudged."""
        try:
            found = self.program.eval(values)
        except RuntimeError as error:  # it would have run for too long
            raise Unjudged(_plain(str(error))) from None
        if found.type() == cel.Type.ERROR:
            words = str(found.value())
            if any(each in words for each in _MISSING):
                raise Unanswered
            raise Unjudged(_plain(words))
        return found.plain_value()


def _plain(words: str) -> str:
    """The library's words without its codes."""
    return re.sub(r"^[A-Z_]+: | \[[A-Z_]+\]$", "", words)


@dataclass(frozen=True, slots=True)
class Language:
    """What all expressions of one set of rules ask for, and how their values are given to them."""

    environment: Any
    attributes: Mapping[str, Named]
    fixed: frozenset[str]

    def values(self, given: Mapping[str, Any]) -> Any:
        """Values by variable, for any number of evaluations."""
        return self.environment.Activation(dict(given))


class Reader:
    """Takes expressions in, one by one, and then checks all of them together: the checker is made but once."""

    def __init__(self) -> None:
        self._attributes: dict[str, Named] = {}
        self._asked: set[str] = set()
        self._fixed: set[str] = set()

    def take(self, text: str) -> str:
        """An expression with its attributes as variables, each sign at its place. Raises Fault."""
        if len(text) > MAX_LENGTH:
            raise Fault(f"an expression has at most {MAX_LENGTH} characters")
        return _TOKEN.sub(lambda match: self._variable(match, text), text)

    def _variable(self, match: "re.Match[str]", text: str) -> str:
        line = text.count("\n", 0, match.start()) + 1
        if (fixed := match["fixed"]) is not None:
            if fixed not in FIXED:
                raise Fault(f"there is no {fixed}; there is {', '.join(sorted(FIXED))}", line)
            self._fixed.add(fixed)
            return match[0]
        if match["string"] is not None or match["comment"] is not None:
            return match[0]
        is_has = match["has_word"] or match["has_name"]
        written = is_has or match["own_word"] or match["own_name"] or ""
        try:
            attribute = named(written)
        except Invalid as error:
            raise Fault(str(error), line) from None
        name = self._name_of(attribute)
        return (f"has_{name}" if is_has else name).ljust(len(match[0]))

    def _name_of(self, attribute: Named) -> str:
        """The variable of an attribute, which is never longer than what was written."""
        if attribute.text.isidentifier():
            name = f"header.{attribute.text}"
        else:
            known = (key for key, one in self._attributes.items() if one == attribute)
            name = next(known, f"header.k{len(self._attributes)}")
        self._attributes[name] = attribute
        return name

    def language(self) -> Language:
        """What was asked for. Nothing more can be taken in then."""
        kinds = dict(FIXED)
        for name, attribute in self._attributes.items():
            kinds[name] = _kind_of(attribute)
            kinds[f"has_{name}"] = cel.Type.BOOL
        environment = cel.NewEnv(variables=kinds, extensions=[ext_strings.ExtStrings()])
        return Language(environment, dict(self._attributes), frozenset(self._fixed))


def checked(language: Language, text: str, taken: str, wanted: Mapping[str, str]) -> Expression:
    """The expression, ready to run. `wanted` are the types that it may have, with their names for people. Raises Fault."""
    try:
        program = language.environment.compile(taken)
    except RuntimeError as error:
        raise _fault(str(error), language, text) from None
    kind = program.return_type().name()
    if kind not in wanted and kind != "DYN":
        raise Fault(f"it has to come to {' or '.join(dict.fromkeys(wanted.values()))}, and comes to {_word(kind)}")
    _require_expressions(taken)
    return Expression(text, kind, program)


def _fault(words: str, language: Language, text: str) -> Fault:
    """The checker's first complaint in its place, with attributes called as they were written."""
    found = _PLACE.search(words)
    line, message = (int(found[1]), found[3]) if found else (1, words.partition("\n")[0])
    if "recursion" in message:
        message = "it is nested too deeply"
    for name, attribute in sorted(language.attributes.items(), reverse=True):
        message = message.replace(f"'{name}'", f"'header.{attribute.text}'")
    message = message.replace(" (in container '')", "").replace(" [INVALID_ARGUMENT]", "")
    if "(double, int)" in message or "(int, double)" in message:
        message += "; write whole numbers as 3.0 beside decimal ones"
    if "'header'" in message:
        message += '; write header.Keyword or header["tag"], and has(header.Keyword)'
    return Fault(message, min(max(line, 1), text.count("\n") + 1))


_MATCHES: Final = re.compile(rf"\bmatches\(\s*(?:[^\s\"'][^,()]*,\s*)?({_STRING})\s*\)", re.DOTALL)


def _require_expressions(taken: str) -> None:
    """Every regular expression that stands in the text is one. Raises Fault."""
    bare = cel.NewEnv()
    for found in _MATCHES.finditer(taken):
        value = bare.compile(f"''.matches({found[1]})").eval(data={})
        if value.type() == cel.Type.ERROR:
            words = str(value.value()).rpartition("invalid regular expression: ")[2]
            line = taken.count("\n", 0, found.start()) + 1
            raise Fault(f"the regular expression {found[1]} is not one that runs in linear time: {words}", line)


def _kind_of(attribute: Named) -> Any:
    if attribute.vr == "SQ":
        return cel.Type.List(cel.Type.Map(cel.Type.STRING, cel.Type.DYN))
    kind = cel.Type.INT if attribute.vr in WHOLE else cel.Type.DOUBLE if attribute.vr in DECIMAL else cel.Type.STRING
    return cel.Type.List(kind) if attribute.is_list else kind


_WORDS: Final = {
    "BOOL": "true or false",
    "STRING": "a text",
    "INT": "a whole number",
    "UINT": "a whole number",
    "DOUBLE": "a number",
    "TIMESTAMP": "a moment",
    "DURATION": "a duration",
}


def _word(kind: str) -> str:
    return _WORDS.get(kind.partition("<")[0], "a list" if kind.startswith("LIST") else kind.lower())
