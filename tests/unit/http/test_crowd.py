"""How many requests of one address may be in progress."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from imagebank.http.crowd import Crowd
from imagebank.settings import Settings

SETTINGS = Settings(max_requests_per_address=3, trusted_proxies=("10.0.0.1",))


async def _asked(*callers: tuple[str, str]) -> Counter[int]:
    """The answers to callers, by address and path, of whom nobody is answered before all have called."""
    gate, statuses = asyncio.Event(), Counter[int]()

    async def held(scope: Scope, receive: Receive, send: Send) -> None:
        await gate.wait()
        await PlainTextResponse("here")(scope, receive, send)

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses[message["status"]] += 1
            assert (message["status"] == 429) == ((b"connection", b"close") in message["headers"])
            assert (message["status"] == 429) == any(name == b"retry-after" for name, _ in message["headers"])

    crowd = Crowd(held, SETTINGS)

    def call(address: str, path: str) -> Any:
        scope = {"type": "http", "path": path, "client": (address, 0) if address else None}
        return asyncio.ensure_future(crowd(scope, None, send))  # type: ignore[arg-type]

    calls = [call(*one) for one in callers]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*calls)
    again = call(*callers[0])
    await again
    return statuses


@pytest.mark.parametrize(
    ("callers", "found"),
    [
        ([("192.0.2.1", "/x")] * 10, {200: 4, 429: 7}),
        ([("192.0.2.1", "/x")] * 4 + [("192.0.2.2", "/x")], {200: 5, 429: 1}),
        ([("192.0.2.1", "/x")] * 3 + [("192.0.2.1", "/healthz"), ("192.0.2.1", "/readyz")], {200: 6}),
        ([("10.0.0.1", "/x")] * 10, {200: 11}),
        ([("", "/x")] * 10, {200: 11}),
    ],
)
def test_an_address_holds_so_many_requests_open_and_no_more(
    callers: list[tuple[str, str]], found: dict[int, int]
) -> None:
    assert asyncio.run(_asked(*callers)) == found
