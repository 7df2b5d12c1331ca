"""Several methods at one address."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.http.errors import say

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
"""What a route has to take for `by_method` to answer."""

Endpoint = Callable[[Request], Awaitable[Response]]


def by_method(endpoints: Mapping[str, Endpoint], words: str = "") -> Endpoint:
    """One endpoint for all methods of a resource, so that `Allow` names them all (RFC 9110 15.5.6).

    `words` are said to whoever comes with another method.
    """
    allowed = sorted({*endpoints, "OPTIONS"} | ({"HEAD"} if "GET" in endpoints else set()))

    async def answer(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        found = endpoints.get(method)
        if found is not None:
            return await found(request)
        headers = {"Allow": ", ".join(allowed)}
        if method == "OPTIONS":
            return Response(None, 204, headers)
        return say(405, "MethodNotAllowed", f"{request.method} is not offered here{words}", headers)

    return answer


def routes_of(resources: Mapping[str, Mapping[str, Endpoint]]) -> list[BaseRoute]:
    """A route for each address, with what is done there by method."""
    return [Route(path, by_method(endpoints), methods=METHODS) for path, endpoints in resources.items()]
