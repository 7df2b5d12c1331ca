"""How pages look for one browser: what somebody chose of theme, density and language stays chosen, in a cookie."""

from dataclasses import dataclass
from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import Response

from imagebank.http.auth import cookie_name, cookie_of, is_https
from imagebank.portal import language

COOKIE: Final = "look"
THEMES: Final = ("light", "dark")
DENSITIES: Final = ("comfortable", "compact")
_YEAR_S: Final = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Look:
    """What was chosen; an empty part is as the page has it, an empty language as the browser asks for."""

    theme: str = ""
    density: str = ""
    language: str = ""


def read_look(theme: str, density: str, spoken: str) -> Look:
    """A choice of what there is; anything else chooses nothing."""
    return Look(
        theme if theme in THEMES else "",
        density if density in DENSITIES else "",
        spoken if spoken in language.known() else "",
    )


def parse(cookie: str) -> Look:
    """A choice as `keep` writes it; what is no choice of ours chooses nothing."""
    theme, density, spoken = (*cookie.split("."), "", "", "")[:3]
    return read_look(theme, density, spoken)


def look_of(request: HTTPConnection) -> Look:
    """What this browser's user chose."""
    return parse(cookie_of(request, COOKIE))


def keep(request: HTTPConnection, answer: Response, look: Look) -> None:
    """Keep a choice in the browser for a year."""
    value = f"{look.theme}.{look.density}.{look.language}"
    name, secure = cookie_name(request, COOKIE), is_https(request)
    answer.set_cookie(name, value, _YEAR_S, path="/", httponly=True, secure=secure, samesite="strict")
