"""The part of the OpenAPI document about cards."""

from collections.abc import Mapping
from typing import Any, Final

from imagebank.actions.card_reach import MOST_STUDIES
from imagebank.actions.cards import MOST_USES
from imagebank.http import cards
from imagebank.http.described import Group, closed, paths
from imagebank.http.openapi import REFUSED, answer, as_json
from imagebank.model.card import State

_TEXT: Final = {"type": "string"}
_LINE: Final = {"type": "string", "maxLength": 200}
_FLAG: Final = {"type": "boolean"}
_WHOLE: Final = {"type": "integer", "minimum": 0}
_MOMENT: Final = {"type": "string", "format": "date-time"}
_PATIENT: Final = closed({"issuer": _TEXT, "identifier": _TEXT})
_UIDS: Final = {"type": "array", "items": _TEXT, "maxItems": MOST_STUDIES}
_EITHER: Final = {"type": ["string", "integer"]}
_DAYS: Final = {"type": ["number", "null"]}
_USES: Final = {"type": ["integer", "null"], "minimum": 1, "maximum": MOST_USES}
_MAYBE: Final = {"type": ["string", "null"]}
_MAYBE_LINE: Final = {"type": ["string", "null"], "maxLength": 200}
_MAYBE_FLAG: Final = {"type": ["boolean", "null"]}
_CARD_FIELDS: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("id", "by", "label", "recipient", "purpose", "email", "scope"), _TEXT),
    **dict.fromkeys(("modality", "body_part", "since", "until"), _TEXT),
    **dict.fromkeys(("future", "reports", "taking"), _FLAG),
    **dict.fromkeys(("made_at", "expires"), _MOMENT),
    "state": {"enum": [str(state) for state in State]},
    "patient": _PATIENT,
    "studies": {"type": "array", "items": _TEXT},
    "uses": _WHOLE,
    "uses_left": {"type": ["integer", "null"]},
    "tries_left": _WHOLE,
}
_WITHDRAWAL: Final = closed(
    {
        **dict.fromkeys(("name", "institution", "purpose", "address"), _TEXT),
        **dict.fromkeys(("at", "until"), _MOMENT),
        "number": _WHOLE,
    }
)
_STUDY: Final = closed(
    {
        **dict.fromkeys(("uid", "date", "modality", "description"), _TEXT),
        "links": closed(dict.fromkeys(("dicomweb", "page", "viewer"), _TEXT), {"download": _TEXT}),
    }
)
_OPENED: Final = closed(
    {
        "token": _TEXT,
        "token_type": {"const": "Bearer"},
        "expires_at": _MOMENT,
        "scope": _TEXT,
        "taking": _FLAG,
        "reports": _FLAG,
        "studies": {"type": "array", "items": _STUDY},
    }
)
_GIVEN: Final = closed(
    {},
    {
        "patient": {"anyOf": [_PATIENT, {"type": "null"}]},
        "studies": _UIDS,
        **dict.fromkeys(("modality", "body_part", "since", "until"), _TEXT),
        **dict.fromkeys(("future", "reports", "taking"), _FLAG),
        **dict.fromkeys(("purpose", "recipient", "email", "label"), _LINE),
        "expires": _MAYBE,
        "days": _DAYS,
        "uses": _USES,
        "pin": _EITHER,
    },
)
_CHANGED: Final = closed(
    {},
    {
        **dict.fromkeys(("label", "recipient", "purpose"), _MAYBE_LINE),
        **dict.fromkeys(("reports", "taking"), _MAYBE_FLAG),
        "expires": _MAYBE,
        "days": _DAYS,
        "uses": _USES,
    },
)
_SHOWN: Final = closed(
    {"number": _TEXT, "pin": _EITHER, **dict.fromkeys(("name", "institution", "purpose"), _LINE)}, {"code": _EITHER}
)
_CARD: Final = as_json(closed(_CARD_FIELDS))
_SWITCHED: Final = {
    200: answer(200, "The card as it is now", _CARD),
    404: REFUSED[404],
    409: answer(409, "The card was taken back for good"),
}
_LATER: Final = answer(429, "There were too many wrong tries; `Retry-After` says when to try again")
_ANSWERS: Final[Mapping[str, Mapping[int, Any]]] = {
    "issue_card": {
        201: answer(
            201,
            "It works; number and PIN are told this once",
            as_json(closed({**_CARD_FIELDS, "number": _TEXT, "pin": _TEXT})),
        ),
        404: REFUSED[404],
        409: answer(409, "Nobody knows yet whose a study is"),
        501: answer(501, "The bank sends no mail, so no code could be asked for"),
    },
    "list_cards": {
        200: answer(200, "At most 500", as_json(closed({"cards": {"type": "array", "items": closed(_CARD_FIELDS)}})))
    },
    "read_card": {
        200: answer(
            200,
            "The card",
            as_json(closed({**_CARD_FIELDS, "withdrawals": {"type": "array", "items": _WITHDRAWAL}})),
        ),
        404: REFUSED[404],
    },
    "change_card": _SWITCHED,
    "freeze_card": _SWITCHED,
    "thaw_card": _SWITCHED,
    "revoke_card": _SWITCHED,
    "redeem_card": {
        200: answer(200, "A token of exactly what the card opens, and the studies", as_json(_OPENED)),
        403: answer(403, "Number and PIN are right, and a code was mailed that is wanted, too"),
        404: answer(404, "They open nothing, whatever is wrong"),
        429: _LATER,
    },
}
_ASKED: Final = {
    "name": "patient.identifier",
    "in": "query",
    "schema": {"type": "string", "pattern": r"^[A-Za-z0-9.-]{1,16}\|[A-Za-z0-9.-]{1,16}$"},
}
_GROUP: Final = Group(
    "Cards",
    _ANSWERS,
    {"issue_card": _GIVEN, "change_card": _CHANGED, "redeem_card": _SHOWN},
    {"card": {"type": "string", "pattern": "^[0-9a-f]{16}$"}},
    {"list_cards": [_ASKED]},
    is_open=frozenset({"redeem_card"}),
)


def card_paths() -> dict[str, Any]:
    """The `paths` of the OpenAPI document for these routes."""
    return paths(cards.RESOURCES, _GROUP)
