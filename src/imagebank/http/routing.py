"""Finding a route: by its first segment and its length, and not by comparing the path with hundreds of patterns."""

from collections.abc import Sequence
from typing import Final

from starlette._utils import get_route_path
from starlette.routing import BaseRoute, Match, Mount, Route, Router
from starlette.types import Receive, Scope, Send

_LONGEST: Final = 16
"""Segments, the empty one before the first slash among them. Longer paths are compared with all routes."""

_Place = tuple[str, int]


class Table(Router):
    """Starlette's router, which first looks among the few routes that can match. What it finds there is what it would.

    All else it does as ever: other methods, slashes at the end, what is nowhere, routes that were added later.
    """

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        super().__init__(routes=routes)
        self._near: dict[_Place, list[BaseRoute]] = {}
        firsts = [(route, _first(route)) for route in routes]
        for first in {own for _, own in firsts if own is not None}:
            near = [(route, _length(route)) for route, own in firsts if own in (None, first)]
            for length in range(2, _LONGEST + 1):
                self._near[first, length] = [route for route, own in near if own in (None, length)]

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            segments = get_route_path(scope).split("/")
            for route in self._near.get((segments[1], len(segments)), ()) if len(segments) > 1 else ():
                match, found = route.matches(scope)
                if match is Match.FULL:
                    scope.setdefault("router", self)
                    scope["route"] = route
                    scope.update(found)
                    await route.handle(scope, receive, send)
                    return
        await super().app(scope, receive, send)


def _first(route: BaseRoute) -> str | None:
    """The first segment of every path that a route matches; None where it is not the same for all."""
    if not isinstance(route, Route | Mount):
        return None
    first = route.path.split("/")[1] if route.path else "{"
    return None if "{" in first else first


def _length(route: BaseRoute) -> int | None:
    """The segments of every path that a route matches; None for a mount, or a parameter that takes the rest."""
    if not isinstance(route, Route) or ":path}" in route.path:
        return None
    return route.path.count("/") + 1
