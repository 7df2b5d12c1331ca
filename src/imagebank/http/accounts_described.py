"""The part of the OpenAPI document about people's accounts."""

from collections.abc import Mapping
from typing import Any, Final

from imagebank.http import accounts
from imagebank.http.described import Group, closed, paths
from imagebank.http.openapi import REFUSED, answer, as_json
from imagebank.model.provision import Relation

_LINE: Final = {"type": "string", "minLength": 1, "maxLength": 256}
_TEXT: Final = {"type": "string"}
_MOMENT: Final = {"type": ["string", "null"], "format": "date-time"}
_NAMES: Final[Mapping[str, Mapping[str, Any]]] = {
    "account": {"type": "string", "pattern": "^[0-9]{12}$"},
    "holding": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
}
_PATIENT: Final = closed({"issuer": _LINE, "identifier": _LINE})
_HOLDING: Final = closed(
    {**dict.fromkeys(("id", "account", "relation", "opened_by", "starts_at"), _TEXT), "ends_at": _MOMENT}
)
_SHEET: Final = closed({"account": _TEXT, "secret": _TEXT, "expires_at": _MOMENT, "holding": _HOLDING})
_MADE: Final[Mapping[int, Any]] = {
    201: answer(201, "What is printed for the owner, told once", as_json(_SHEET)),
    404: REFUSED[404],
    409: answer(409, "It is held so already"),
}
_ANSWERS: Final[Mapping[str, Mapping[int, Any]]] = {
    "open_account": _MADE,
    "print_sheet": _MADE,
    "list_holdings": {
        200: answer(200, "Who holds them", as_json(closed({"holdings": {"type": "array", "items": _HOLDING}})))
    },
    "end_holding": {204: answer(204, "It has ended"), 404: REFUSED[404]},
}
_BODIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "open_account": closed(
        {"patient": _PATIENT},
        {
            "relation": {"enum": [str(one) for one in Relation]},
            **dict.fromkeys(("account", "name", "birth_date"), _TEXT),
            "until": _MOMENT,
        },
    ),
    "list_holdings": closed({"patient": _PATIENT}),
}


def account_paths() -> dict[str, Any]:
    """The `paths` of the OpenAPI document for these routes."""
    return paths(accounts.RESOURCES, Group("Accounts", _ANSWERS, _BODIES, _NAMES))
