"""What a call of CDS Hooks brings: the orders that are being written, and whom they are for (CDS Hooks 2.0; FHIR R4)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Any, Final

import msgspec

from imagebank.actions.repeat_check import MOST, Wish
from imagebank.errors import Invalid
from imagebank.model.exam import Context, Said
from imagebank.model.region import Code

SELECT: Final = "order-select"
SIGN: Final = "order-sign"
_KIND: Final = "ServiceRequest"
_LONGEST: Final = 512
_DEEPEST: Final = 64
_SCHEMES: Final[Mapping[str, str]] = {
    "http://www.ama-assn.org/go/cpt": "C4",
    "http://snomed.info/sct": "SCT",
    "http://loinc.org": "LN",
    "http://radlex.org": "RADLEX",
    "http://www.radlex.org": "RADLEX",
}
"""FHIR's names of code systems as Coding Scheme Designators (PS3.16 8). Another system is a site's own."""
_URGENT: Final = frozenset({"urgent", "asap", "stat"})


class Coding(msgspec.Struct, frozen=True):
    system: str = ""
    code: str = ""
    display: str = ""


class Concept(msgspec.Struct, frozen=True):
    coding: tuple[Coding, ...] = ()
    text: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        found = (self.text, *(one.display for one in self.coding))
        return tuple(dict.fromkeys(text.strip()[:_LONGEST] for text in found if text.strip()))

    @property
    def codes(self) -> tuple[Code, ...]:
        return tuple(
            Code(one.code[:_LONGEST], _SCHEMES.get(one.system, one.system)[:_LONGEST], one.display[:_LONGEST])
            for one in self.coding
            if one.code
        )


class Reference(msgspec.Struct, frozen=True):
    reference: str = ""


class Identifier(msgspec.Struct, frozen=True):
    system: str = ""
    value: str = ""


class Period(msgspec.Struct, frozen=True):
    start: str = ""


class Timing(msgspec.Struct, frozen=True):
    event: tuple[str, ...] = ()


class ServiceRequest(msgspec.Struct, frozen=True, rename="camel"):
    """Those elements of an order that say what is wanted, for when, and why."""

    id: str = ""
    identifier: tuple[Identifier, ...] = ()
    code: Concept = Concept()
    body_site: tuple[Concept, ...] = ()
    category: tuple[Concept, ...] = ()
    reason_code: tuple[Concept, ...] = ()
    order_detail: tuple[Concept, ...] = ()
    location_code: tuple[Concept, ...] = ()
    priority: str = ""
    subject: Reference = Reference()
    occurrence_date_time: str = ""
    occurrence_period: Period = Period()
    occurrence_timing: Timing = Timing()


class Patient(msgspec.Struct, frozen=True):
    """Those elements of a patient that say who it is."""

    id: str = ""
    identifier: tuple[Identifier, ...] = ()


class _Entry(msgspec.Struct, frozen=True):
    resource: dict[str, Any] = {}


class _Bundle(msgspec.Struct, frozen=True):
    entry: tuple[_Entry, ...] = ()


class _Context(msgspec.Struct, frozen=True, rename="camel"):
    patient_id: str
    user_id: str = ""
    encounter_id: str | None = None
    draft_orders: _Bundle = _Bundle()
    selections: tuple[str, ...] = ()


class Authorization(msgspec.Struct, frozen=True):
    access_token: str = ""


class Call(msgspec.Struct, frozen=True, rename="camel"):
    """The body of a call. What is not known here is passed over, as the standard asks; null is as nothing at all."""

    hook: str
    hook_instance: str
    context: _Context
    prefetch: dict[str, Any] | None = None
    fhir_server: str | None = None
    fhir_authorization: Authorization | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A draft that may be for imaging, with its resource as it came, and where it is to be made."""

    name: str
    wish: Wish
    resource: Mapping[str, Any]
    department: str


def orders(call: Call, zone: tzinfo) -> list[Order]:
    """The orders that a call is about. Raises Invalid for one that is of another patient than the call."""
    return [_order(one, resource, zone) for one, resource in _drafts(call)][:MOST]


def _drafts(call: Call) -> Iterator[tuple[ServiceRequest, dict[str, Any]]]:
    context = call.context
    for entry in context.draft_orders.entry:
        if entry.resource.get("resourceType") != _KIND:
            continue
        one = converted(entry.resource, ServiceRequest)
        if call.hook == SELECT and not {one.id, f"{_KIND}/{one.id}"} & {*context.selections}:
            continue
        # A relative reference, or a whole address of the same, or of one version of it.
        subject = one.subject.reference.partition("/_history/")[0].rpartition("/")[2]
        if subject and subject != context.patient_id:
            raise Invalid("an order is of another patient than the call")
        yield one, entry.resource


def _order(one: ServiceRequest, resource: Mapping[str, Any], zone: tzinfo) -> Order:
    regions = tuple(code for site in one.body_site for code in site.codes)
    said = Said(
        descriptions=(*one.code.words, *_words(one.order_detail)),
        body_parts=tuple(site.text[:_LONGEST] for site in one.body_site if site.text),
        codes=one.code.codes,
        regions=regions,
    )
    wish = Wish(
        said,
        _day(one, zone),
        Context.URGENT if one.priority in _URGENT else Context.ROUTINE,
        (*_words(one.reason_code), *_words(one.category)),
        next((each.value for each in one.identifier if each.value), one.id),
    )
    return Order(f"{_KIND}/{one.id}", wish, resource, next(iter(_words(one.location_code)), ""))


def _words(concepts: tuple[Concept, ...]) -> tuple[str, ...]:
    return tuple(text for one in concepts for text in one.words)


def _day(one: ServiceRequest, zone: tzinfo) -> date | None:
    texts = (one.occurrence_date_time, one.occurrence_period.start, *one.occurrence_timing.event)
    return next((day for text in texts if (day := day_of(text, zone)) is not None), None)


def day_of(text: str, zone: tzinfo) -> date | None:
    """The day of a FHIR date or moment in the site's zone; None for a part of one, and for what is none."""
    try:
        found = datetime.fromisoformat(text)
        return (found.astimezone(zone) if found.tzinfo else found).date()
    except (ValueError, OverflowError):
        return None


def converted(resource: object, kind: Any) -> Any:
    """A resource as those elements that are read of it. Raises Invalid, naming the element and no value."""
    _require_shallow(resource)
    try:
        return msgspec.convert(resource, kind)
    except msgspec.ValidationError as error:
        raise Invalid("a resource is not as FHIR R4 has it: {reason}", reason=error) from None


def _require_shallow(resource: object) -> None:
    """Raises Invalid for what is nested deeper than any resource is: it would come back in a card."""
    layer = [resource]
    for _ in range(_DEEPEST):
        inner = (one.values() if isinstance(one, dict) else one for one in layer if isinstance(one, dict | list))
        layer = [each for values in inner for each in values]
        if not layer:
            return
    raise Invalid("a resource is nested too deep")
