"""The living style page: every part that pages are made of, in every state, by the macros that the pages use."""

from datetime import UTC, datetime, timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.model.access import Principal
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from imagebank.portal import wording
from imagebank.portal.finding import Choice
from imagebank.portal.layout import for_the_signed_in, page
from imagebank.portal.rows import StudyRow

_THEMES: Final = ("light", "dark")
_DENSITIES: Final = ("comfortable", "compact")
_WAYS: Final = ("ltr", "rtl")


@for_the_signed_in
async def show(request: Request, principal: Principal) -> Response:
    """The parts, in the theme, density and direction that the address names."""
    chosen = {name: request.query_params.get(name, "") for name in ("theme", "density", "dir")}
    given = {"theme": _THEMES, "density": _DENSITIES, "dir": _WAYS}
    look = {name: chosen[name] if chosen[name] in known else known[0] for name, known in given.items()}
    return page(request, "design.html", principal=principal, look=look, looks=given)


ROUTES: Final[list[BaseRoute]] = [Route("/design", show, methods=["GET"])]
