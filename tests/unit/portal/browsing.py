"""A browser without a screen: it asks an application directly, keeps cookies, and follows nothing."""

import re
from collections.abc import Mapping
from typing import Any

import anyio
import httpx
from starlette.types import ASGIApp

SITE = "http://bank.example"


class Browser:
    """Asks one application. `cookies` are kept from answer to answer, as a browser does."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.cookies = httpx.Cookies()

    def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, **rest: Any) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app, raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url=SITE, cookies=self.cookies) as client:
                answer = await client.request(method, path, headers=headers, **rest)
                self.cookies = client.cookies
                return answer

        return anyio.run(asked)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return self.ask("GET", path, headers)

    def post(self, path: str, data: Mapping[str, str] | None = None, **headers: str) -> httpx.Response:
        """Send a form, as one of the site's own pages would."""
        return self.ask("POST", path, {"Sec-Fetch-Site": "same-origin", **headers}, data=data or {})


def hidden_field(answer: httpx.Response, name: str) -> str:
    """The value of a hidden field on a page."""
    found = re.search(rf'name="{name}" value="([^"]*)"', answer.text)
    assert found, f"the page has no field {name}"
    return found[1]
