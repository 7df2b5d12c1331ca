"""The page of words in exams that no table of the site knows, for who says what they mean."""

from http import HTTPStatus
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import unknown_words
from imagebank.http.auth import bank_of
from imagebank.model.access import Principal, Right
from imagebank.portal.layout import for_the_signed_in, page

_SPANS: Final = (1_000, 10_000, 100_000)
"""Of how many studies words are looked for, the last that came first."""
_MOST: Final = 200


@for_the_signed_in
async def show(request: Request, principal: Principal) -> Response:
    """Words that no table has, with how many studies have them."""
    principal.require(Right.ADMINISTER)
    bank, given = bank_of(request), request.query_params.get("studies", "")
    studies = next((span for span in _SPANS if str(span) == given), _SPANS[1])
    words = await run_in_threadpool(unknown_words.unknown, bank, principal, studies, _MOST)
    context = {"words": words, "studies": studies, "spans": _SPANS, "has_file": bank.settings.exams_file is not None}
    return page(request, "words.html", HTTPStatus.OK, principal, **context)


ROUTES: list[BaseRoute] = [Route("/words", show, methods=["GET"])]
