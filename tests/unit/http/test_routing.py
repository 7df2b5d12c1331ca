"""The table of routes finds what Starlette's router finds."""

import asyncio
from collections.abc import Sequence

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router

from imagebank.http.routing import Table


async def tell(request: Request) -> Response:
    given = ", ".join(f"{name}={value}" for name, value in sorted(request.path_params.items()))
    return PlainTextResponse(f"{request.scope['route'].path} {given}")


def routes(router: type[Router] | type[Table]) -> Sequence[BaseRoute]:
    within = [Route("/", tell), Route("/a/{x}", tell), Route("/a/{x}/{rest:path}", tell), Route("/b", tell)]
    return [
        Mount("/m", app=router(routes=within)),
        Route("/", tell),
        Route("/one", tell),
        Route("/one/two", tell, methods=["POST"]),
        Route("/one/{name}", tell),
        Route("/one/{rest:path}", tell),
        Route("/{any}/three", tell),
        Route("/four/three", tell),
        Route("/four/{n:int}", tell),
        Mount("/five", routes=[Route("/{x}/y", tell)]),
        Mount("", routes=[Route("/last", tell)]),
    ]


PATHS = (
    *("/", "/one", "/one/", "/one/two", "/one/x", "/one/x/y/z", "/one//", "/two/three", "/four/three", "/four/7"),
    *("/four/x", "/four/7/8", "/m", "/m/", "/m/a/1", "/m/a/1/", "/m/a/1/2/3", "/m/b", "/m/b/", "/m/c", "/five/1/y"),
    *("/five", "/last", "/nowhere", "/one%2Ftwo", "/one%0A", "//one", "/m" + "/a" * 30, "/one" + "/b" * 30),
)


def answers(application: Starlette, method: str, paths: Sequence[str]) -> list[tuple[str, int, str, str]]:
    async def ask() -> list[tuple[str, int, str, str]]:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://bank.example") as client:
            asked = [(path, await client.request(method, path)) for path in paths]
        return [(path, one.status_code, one.text, one.headers.get("location", "")) for path, one in asked]

    return asyncio.run(ask())


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_every_path_leads_where_the_other_router_leads(method: str) -> None:
    usual, ours = Starlette(routes=routes(Router)), Starlette()
    ours.router = Table(routes(Table))

    assert answers(ours, method, PATHS) == answers(usual, method, PATHS)


def test_a_route_that_is_added_later_is_found() -> None:
    application = Starlette()
    application.router = Table([Route("/one", tell)])
    application.router.routes.append(Route("/one/{name}", tell))

    assert [text for _, _, text, _ in answers(application, "GET", ["/one/x"])] == ["/one/{name} name=x"]
