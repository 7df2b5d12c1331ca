"""The language that somebody chooses before they have signed in: kept in the browser, as all of its look is."""

import re
from dataclasses import replace
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.errors import BankError, NotAllowed
from imagebank.http.auth import is_from_our_pages
from imagebank.portal import look
from imagebank.portal.layout import read_form, refused, see_other

_OURS: Final = re.compile(r"/(?![/\\\\])[\x21-\x7e]*")
"""An address of this site: no other host follows."""


async def keep_language(request: Request) -> Response:
    """Keep the language of pages in this browser, and go back to the page."""
    try:
        if not is_from_our_pages(request):
            raise NotAllowed("this request did not come from our own pages")
        form = await read_form(request)
    except BankError as error:
        return refused(request, error)
    back = form.get("back", "")
    answer = see_other(back if _OURS.fullmatch(back) else "/")
    chosen = look.read_look("", "", form.get("language", "")).language
    look.keep(request, answer, replace(look.look_of(request), language=chosen))
    return answer


ROUTES: Final[list[BaseRoute]] = [Route("/language", keep_language, methods=["POST"])]
