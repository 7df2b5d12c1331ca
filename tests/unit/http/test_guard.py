"""What holds for every request and every answer, whatever the route says."""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from imagebank.http.auth import certificate_of
from imagebank.http.cors import Cors
from imagebank.http.guard import Guard
from imagebank.model.certificate import fingerprint
from imagebank.settings import Settings, SettingsError

SAFE = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


async def plain(request: Request) -> Response:
    return PlainTextResponse("here")


async def own(request: Request) -> Response:
    return PlainTextResponse("here", headers={"Cache-Control": "private, no-cache", "Referrer-Policy": "same-origin"})


async def unchanged(request: Request) -> Response:
    return Response(status_code=304)


async def counted(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def whence(request: Request) -> Response:
    assert request.client
    return PlainTextResponse(request.client.host)


async def shown(request: Request) -> Response:
    left = [name for name in request.headers if name.startswith("client-cert")]
    return PlainTextResponse(f"{certificate_of(request)}{left or ''}")


async def broken(request: Request) -> Response:
    raise RuntimeError("Doe^Jane")


async def torn(request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"some"
        raise RuntimeError("in the midst")

    return StreamingResponse(pieces())


ROUTES = [
    Route("/plain", plain),
    Route("/own", own),
    Route("/unchanged", unchanged),
    Route("/counted", counted, methods=["POST"]),
    Route("/dicom-web/studies", counted, methods=["POST"]),
    Route("/api/x", plain, methods=["GET", "OPTIONS"]),
    Route("/broken", broken),
    Route("/whence", whence),
    Route("/shown", shown),
    Route("/torn", torn),
]


def ask(method: str, path: str, settings: Settings | None = None, **given: Any) -> httpx.Response:
    settings = settings or Settings()
    application = Starlette(
        routes=ROUTES,
        middleware=[Middleware(Guard, settings=settings), Middleware(Cors, origins=settings.cors_origins)],
    )

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://bank.example") as client:
            return await client.request(method, path, **given)

    return asyncio.run(asked())


def test_an_answer_gets_what_its_route_did_not_think_of() -> None:
    answer = ask("GET", "/plain")

    assert SAFE.items() <= dict(answer.headers).items()
    assert "camera=()" in answer.headers["permissions-policy"]
    assert "strict-transport-security" not in answer.headers


def test_what_a_route_sets_itself_stays() -> None:
    answer = ask("GET", "/own")

    assert answer.headers.get_list("cache-control") == ["private, no-cache"]
    assert answer.headers.get_list("referrer-policy") == ["same-origin"]


def test_a_304_keeps_the_policy_that_was_sent_with_the_content() -> None:
    assert "content-security-policy" not in ask("GET", "/unchanged").headers


@pytest.mark.parametrize("settings", [Settings(public_url="https://bank.example"), Settings(http_tls_cert=Path("x"))])
def test_who_is_reached_by_https_says_that_it_stays_so(settings: Settings) -> None:
    assert ask("GET", "/plain", settings).headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.parametrize(
    "host", ["", "a b", "a/b", "user@bank", "bank:port", "bank\u00e4", "bank:65536", "[::::]", "[1.2.3.4]", "[1]"]
)
def test_a_host_that_is_none_is_refused_on_every_path(host: str) -> None:
    answer = ask("GET", "/plain", headers=[(b"Host", host.encode())])

    assert answer.status_code == 400
    assert answer.json() == {"error": "Invalid", "message": "the Host field names no host"}
    assert SAFE.items() <= dict(answer.headers).items()


@pytest.mark.parametrize("host", ["bank", "bank:8080", "bank:", "[::1]", "[2001:db8::1]:443", "10.0.0.1:80"])
def test_a_host_may_have_a_name_or_an_address_and_a_port(host: str) -> None:
    assert ask("GET", "/plain", headers={"Host": host}).status_code == 200


def test_two_hosts_are_refused() -> None:
    assert ask("GET", "/plain", headers=[("Host", "a"), ("Host", "b")]).status_code == 400


@pytest.mark.parametrize("given", [{"headers": {"X-Long": "x" * 5000}}, {"params": {"q": "x" * 5000}}])
def test_a_header_that_is_too_long_is_refused(given: dict[str, Any]) -> None:
    answer = ask("GET", "/plain", Settings(max_header_bytes=4000), **given)

    assert answer.status_code == 431
    assert answer.json()["error"] == "RequestHeaderFieldsTooLarge"


async def _in_pieces() -> AsyncIterator[bytes]:
    for _ in range(30):
        yield b"x" * 100


Content = Callable[[], bytes | AsyncIterator[bytes]]


@pytest.mark.parametrize("content", [lambda: b"x" * 3000, _in_pieces])
def test_a_form_is_bounded_whether_it_tells_its_length_or_not(content: Content) -> None:
    settings = Settings(max_form_bytes=1000)
    answer = ask("POST", "/counted", settings, content=content())
    upload = ask("POST", "/dicom-web/studies", settings, content=content())

    assert answer.status_code == 413
    assert answer.json()["error"] == "ContentTooLarge"
    assert upload.text == "3000"


@pytest.mark.parametrize("content", [lambda: b"x" * 3000, _in_pieces])
def test_an_upload_is_bounded_too(content: Content) -> None:
    assert ask("POST", "/dicom-web/studies", Settings(max_upload_bytes=1000), content=content()).status_code == 413


def test_a_body_within_its_bounds_arrives_whole() -> None:
    assert ask("POST", "/counted", Settings(max_form_bytes=3000), content=b"x" * 3000).text == "3000"


def test_a_length_with_more_digits_than_any_body_is_refused() -> None:
    assert ask("POST", "/counted", content=b"x", headers={"Content-Length": "9" * 400}).status_code == 413


def test_what_nobody_foresaw_is_answered_in_the_one_shape_without_a_word_of_it() -> None:
    answer = ask("GET", "/broken")

    assert answer.status_code == 500
    assert answer.json()["error"] == "InternalError"
    assert "Doe" not in answer.text
    assert SAFE.items() <= dict(answer.headers).items()


@pytest.mark.parametrize(
    ("proxies", "given", "told"),
    [
        ((), ["10.0.0.1"], "127.0.0.1"),
        (("10.9.9.9",), ["10.0.0.1"], "127.0.0.1"),
        (("127.0.0.1",), ["10.0.0.1"], "10.0.0.1"),
        (("127.0.0.1",), ["1.1.1.1, 10.0.0.1"], "10.0.0.1"),
        (("127.0.0.1", "10.9.9.9"), ["1.1.1.1, 10.0.0.1", "10.9.9.9"], "10.0.0.1"),
        (("127.0.0.1",), ["<script>"], "127.0.0.1"),
        (("127.0.0.1",), [], "127.0.0.1"),
    ],
)
def test_only_a_named_proxy_is_believed_where_a_call_comes_from(
    proxies: tuple[str, ...], given: list[str], told: str
) -> None:
    fields = [("X-Forwarded-For", value) for value in given]

    assert ask("GET", "/whence", Settings(trusted_proxies=proxies), headers=fields).text == told


DER = bytes(range(256))
IN_BASE64 = b64encode(DER).decode()
RFC_9440 = f":{IN_BASE64}:"
NGINX = quote(ssl.DER_cert_to_PEM_cert(DER), safe="-_.~")
PROXIED = Settings(trusted_proxies=("127.0.0.1",))


@pytest.mark.parametrize("spelt", [RFC_9440, f" {RFC_9440} ", NGINX])
def test_a_named_proxy_is_believed_which_certificate_was_shown_to_it(spelt: str) -> None:
    fields = {"Client-Cert": spelt, "Client-Cert-Chain": RFC_9440, "X-Forwarded-For": "10.0.0.1"}

    assert ask("GET", "/shown", PROXIED, headers=fields).text == fingerprint(DER)
    assert ask("GET", "/shown", PROXIED).text == ""


def test_nobody_else_is_believed_and_nobody_beyond_reads_the_field() -> None:
    for settings in (Settings(), Settings(trusted_proxies=("10.0.0.1",))):
        for spelt in (RFC_9440, NGINX):
            fields = {"Client-Cert": spelt, "X-Forwarded-For": "10.0.0.1"}

            assert ask("GET", "/shown", settings, headers=fields).text == ""


@pytest.mark.parametrize(
    "given",
    [
        [RFC_9440, RFC_9440],
        [f"{RFC_9440}, {RFC_9440}"],
        [IN_BASE64],
        ["::"],
        [":QUJ:"],
        [":no base64:"],
        ["-----BEGIN CERTIFICATE-----"],
        [NGINX.replace("-----END", "AAAA%00-----END")],
        [NGINX + NGINX],
        [":" + "A" * (32 << 10) + ":"],
        [""],
    ],
)
def test_a_certificate_that_cannot_be_read_or_comes_twice_is_none(given: list[str]) -> None:
    fields = [("Client-Cert", value) for value in given]

    assert ask("GET", "/shown", PROXIED, headers=fields).text == ""


def test_an_answer_that_has_begun_is_torn_and_not_mended() -> None:
    with pytest.raises(RuntimeError, match="in the midst"):
        ask("GET", "/torn")


VIEWER = Settings(cors_origins=("https://viewer.example",))


def test_no_other_site_may_speak_to_us_unless_it_is_named() -> None:
    for settings, origin in ((Settings(), "https://viewer.example"), (VIEWER, "https://viewer.example.evil")):
        answer = ask("GET", "/api/x", settings, headers={"Origin": origin})
        before = ask("OPTIONS", "/api/x", settings, headers={"Origin": origin, "Access-Control-Request-Method": "POST"})

        assert not [name for one in (answer, before) for name in one.headers if name.startswith("access-control")]


def test_a_named_site_may_speak_to_programs_addresses_and_without_cookies() -> None:
    origin = {"Origin": "https://viewer.example"}
    answer = ask("GET", "/api/x", VIEWER, headers=origin)
    before = ask("OPTIONS", "/api/x", VIEWER, headers={**origin, "Access-Control-Request-Method": "POST"})
    page = ask("GET", "/plain", VIEWER, headers=origin)

    assert answer.headers["access-control-allow-origin"] == "https://viewer.example"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["vary"] == "Origin"
    assert before.status_code == 204
    assert "Authorization" in before.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in before.headers
    assert "access-control-allow-origin" not in page.headers


@pytest.mark.parametrize("origin", ["*", "null", "viewer.example", "https://viewer.example/", "https://Viewer"])
def test_an_origin_that_is_none_is_a_wrong_setting(origin: str) -> None:
    async def app(*_: Any) -> None: ...

    with pytest.raises(SettingsError, match="cors_origins"):
        Cors(app, [origin])


def test_what_is_no_request_passes() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    async def nothing(*_: Any) -> Any: ...

    run: Callable[..., Awaitable[None]] = Guard(Cors(app, ["https://a.example"]), Settings())
    asyncio.run(run({"type": "lifespan"}, nothing, nothing))  # type: ignore[arg-type] # an Awaitable of a coroutine

    assert seen == ["lifespan"]
