"""What somebody searches for: read from a form, kept out of addresses, turned into a Query."""

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from imagebank.errors import Invalid
from imagebank.model.attribute import Catalogue, Level
from imagebank.model.person import fold
from imagebank.model.query import Condition, Query, comparable_date, condition, name_words

PAGE_SIZE = 50
_LONGEST = 64
_NONCE = 12


@dataclass(frozen=True, slots=True)
class Criteria:
    """The search form as it was typed; empty fields do not narrow."""

    name: str = ""
    patient_id: str = ""
    date_from: str = ""
    date_to: str = ""
    modality: str = ""
    accession: str = ""
    description: str = ""

    @property
    def is_empty(self) -> bool:
        return self == Criteria()


_NAMES = tuple(field.name for field in fields(Criteria))


def read(form: Mapping[str, str]) -> Criteria:
    """The form's fields, without blanks at the ends."""
    return Criteria(**{name: form.get(name, "").strip()[:_LONGEST] for name in _NAMES})


def query(criteria: Criteria, catalogue: Catalogue, page: int = 1) -> Query:
    """The question at study level for one page of rows, counted from 1. Raises Invalid, saying which field to mend."""
    keys = catalogue.by_keyword
    wanted = [
        _name(criteria.name, catalogue),
        condition(keys["PatientID"], criteria.patient_id),
        condition(keys["StudyDate"], _span(criteria.date_from, criteria.date_to)),
        condition(keys["ModalitiesInStudy"], _any_of(criteria.modality.upper())),
        condition(keys["AccessionNumber"], criteria.accession),
        condition(keys["StudyDescription"], _anywhere(criteria.description)),
    ]
    conditions = tuple(found for found in wanted if found is not None)
    return Query(Level.STUDY, conditions, limit=PAGE_SIZE, offset=PAGE_SIZE * (page - 1))


def _name(text: str, catalogue: Catalogue) -> Condition | None:
    if text and not name_words(fold(text).replace("*", " ").replace("?", " ")):
        raise Invalid("Name: type at least one letter of the name.")
    return condition(catalogue.by_keyword["PatientName"], text, fuzzy=True)


def _span(low: str, high: str) -> str:
    if not low and not high:
        return ""
    try:
        ends = [comparable_date(end) if end else "" for end in (low, high)]
    except Invalid:
        raise Invalid("Date: write it as year-month-day, such as 2026-10-11.") from None
    if all(ends) and ends[0] > ends[1]:
        raise Invalid("Date: the first day is after the last one. Exchange them.")
    return "-".join(ends)


def _any_of(text: str) -> str:
    """Codes between commas, blanks or other marks, as DICOM writes a list; no code has such a mark in it."""
    return "\\".join(filter(None, re.split(r"[\s,;/\\]+", text)))


def _anywhere(text: str) -> str:
    return text if not text or "*" in text or "?" in text else f"*{text}*"


def seal(criteria: Criteria, cookie: str) -> str:
    """The criteria as a cookie that only the same session can open: what one person sought, the next does not see."""
    return closed(json.dumps(asdict(criteria)).encode(), cookie)


def closed(plain: bytes, cookie: str) -> str:
    """What only the same session can open."""
    nonce = secrets.token_bytes(_NONCE)
    return base64.urlsafe_b64encode(nonce + AESGCM(_key(cookie)).encrypt(nonce, plain, None)).decode()


def unseal(text: str, cookie: str) -> Criteria:
    """The criteria again; nothing sought when the cookie is from another session or damaged."""
    plain = opened(text, cookie)
    return Criteria() if plain is None else read(json.loads(plain))


def opened(text: str, cookie: str) -> bytes | None:
    """What was closed; None when it is from another session or damaged."""
    try:
        raw = base64.urlsafe_b64decode(text.encode())
        return AESGCM(_key(cookie)).decrypt(raw[:_NONCE], raw[_NONCE:], None)
    except (InvalidTag, ValueError):
        return None


def _key(cookie: str) -> bytes:
    return hashlib.sha256(b"imagebank search " + cookie.encode()).digest()
