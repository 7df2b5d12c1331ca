"""The frame of pages for people who see their own images: tabs below, on wide screens above, and none of staff's doors."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.routing import Route

from imagebank.portal.language import gettext, noted

HOME: Final = "/my"
# The address, what its icon is called, and its name. A tab stands there as soon as its page does.
_TABS: Final = (
    (HOME, "images", noted("Images")),
    ("/my/cards", "credit-card", noted("Cards")),
    ("/my/statement", "list-dashes", noted("Statement")),
    ("/my/requests", "buildings", noted("Requests")),
    ("/my/settings", "gear-six", noted("Settings")),
)
_OF_SETTINGS: Final = ("/my/people", "/my/close", "/account", "/notices")
_OF_CARDS: Final = ("/my/share",)
_OF_ONE: Final = (HOME, "/my/statement")
_NAMED: Final = re.compile(r"/my/([0-9a-f]{32})(?=/|$)")


class _Holding(Convertor[str]):
    """The identifier of a holding, which no word of ours is like."""

    regex = "[0-9a-f]{32}"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("holding", _Holding())


@dataclass(frozen=True, slots=True)
class Tab:
    """One of the tabs, and whether the page belongs to it."""

    address: str
    icon: str
    name: str
    is_current: bool


def is_there(request: Request, address: str) -> bool:
    """Whether a page of ours has this address."""
    return any(isinstance(one, Route) and one.path == address for one in request.app.routes)


def tabs(request: Request) -> Sequence[Tab]:
    """The tabs whose pages there are. Whose images somebody has chosen to see stays chosen."""
    person, here = _parts_of(request.url.path)
    return [
        Tab(
            f"/my/{person}{address.removeprefix(HOME)}" if person and address in _OF_ONE else address,
            f"{icon}-fill" if address == here else icon,
            gettext(name),
            address == here,
        )
        for address, icon, name in _TABS
        if is_there(request, address)
    ]


def _parts_of(path: str) -> tuple[str, str]:
    """The person whom an address names, and the tab that its page belongs to."""
    found = _NAMED.match(path)
    bare = HOME + path[found.end() :] if found else path
    if bare.startswith(_OF_SETTINGS):
        here = "/my/settings"
    elif bare.startswith(_OF_CARDS):
        here = "/my/cards"
    else:
        here = next((address for address, _, _ in _TABS[1:] if bare.startswith(address)), HOME)
    return (found[1] if found else ""), here
