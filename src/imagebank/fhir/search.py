"""What every search has in common: its parameters, its pages, and the Bundle that answers it (R4 3.1.1)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import Response

from imagebank.errors import Invalid
from imagebank.fhir.edge import JSON, ROOT, as_json, whole_number
from imagebank.fhir.resources import Resource, search_set
from imagebank.http.auth import origin_of

COUNT: Final = 50
MOST: Final = 200
_SEVERAL: Final = frozenset({"date"})
_STRICT: Final = "handling=strict"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a search asks for: the parameters that are known, by name, and which page.

    `given` are those that were followed, in their order, for the address of this page and the next.
    """

    values: Mapping[str, tuple[str, ...]]
    includes: frozenset[str]
    count: int
    skipped: int
    given: tuple[tuple[str, str], ...]

    def one(self, name: str) -> str:
        """A parameter's text; empty where it is not there."""
        return next(iter(self.values.get(name, ())), "")

    def each(self, name: str) -> tuple[str, ...]:
        """The texts of a parameter of which any is to hold."""
        return tuple(text for text in self.one(name).split(",") if text)

    def sought(self, kind: str) -> str:
        """What is said of it in the ledger: by which parameters, and none of their values."""
        names = ", ".join(sorted(self.values))
        return f"FHIR: {kind} by {names}" if names else f"FHIR: {kind} of any kind"


async def asked(request: Request, known: Mapping[str, str], includes: Collection[str] = ()) -> Asked:
    """The parameters of a search, from the address and, of a POST, from its form.

    What is not known is left out, or refused where `Prefer: handling=strict` says so (R4 3.1.1.3). Raises Invalid.
    """
    texts = request.query_params.multi_items()
    if request.method == "POST":
        texts += parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
    is_strict = _STRICT in request.headers.get("prefer", "").replace(" ", "").lower()
    return read(texts, known, includes, is_strict=is_strict)


def read(
    texts: Sequence[tuple[str, str]], known: Mapping[str, str], includes: Collection[str] = (), *, is_strict: bool
) -> Asked:
    """The same of a list of parameters. `known` has their types by name."""
    values: dict[str, tuple[str, ...]] = {}
    included: set[str] = set()
    count, skipped = COUNT, 0
    given = []
    for name, text in texts:
        if not text:
            raise Invalid(f"the parameter {_shown(name)} is empty")
        if name == "_count":
            count = min(whole_number(name, text), MOST)
        elif name == "_page":
            skipped = whole_number(name, text)
        elif name == "_include" and text in includes:
            included.add(text)
        elif name == "_format":
            _require_json(text)
        elif name in known:
            if name in values and known[name] not in _SEVERAL:
                raise Invalid(f"the parameter {name} is given twice")
            values[name] = (*values.get(name, ()), text)
        elif is_strict:
            raise Invalid(f"this search does not know {_shown(name)}")
        else:
            continue
        given.append((name, text))
    return Asked(values, frozenset(included), max(count, 1), skipped, tuple(given))


def _require_json(text: str) -> None:
    if text not in JSON:
        raise Invalid("resources are given as JSON, and not as XML or Turtle")


def _shown(name: str) -> str:
    return "".join(c for c in name[:64] if c.isascii() and (c.isalnum() or c in "._-:"))


def answer(
    request: Request, wanted: Asked, kind: str, found: Sequence[Resource], included: Sequence[Resource] = ()
) -> Response:
    """A page of what was found; one more than fits says that there is a next page."""
    base = origin_of(request) + ROOT
    shown = found[: wanted.count]
    following = ""
    if len(found) > len(shown):
        others = [one for one in wanted.given if one[0] != "_page"]
        following = _address(base, kind, [*others, ("_page", str(wanted.skipped + len(shown)))])
    return as_json(search_set(base, _address(base, kind, wanted.given), following, shown, included))


def _address(base: str, kind: str, given: Sequence[tuple[str, str]]) -> str:
    return f"{base}/{kind}?{urlencode(given)}" if given else f"{base}/{kind}"
