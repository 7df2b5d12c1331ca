"""Serving the prepared viewer: plain files, each with the policy and the caching that it needs."""

import hashlib
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; worker-src 'self'; media-src 'self' blob:; frame-src 'self' blob:; "
    "object-src 'self' blob:; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
# A worker has the policy of its own script. The decoders' glue builds its callers with `new Function`; there is no
# document and no cookie in a worker, and it may speak to us only.
WORKER_POLICY = "default-src 'none'; script-src 'self' 'unsafe-eval'; connect-src 'self'"

_WORKER = re.compile(r"(8097|136|2299|compute|histogram-worker|interpolation|polySeg)\.bundle\.[0-9a-f]{16}\.js")
_HASHED = re.compile(r"(.*\.)?[0-9a-f]{16}\.(js|wasm|woff2)|fonts/[^/]+\.woff2")
_TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webapp": "application/json",
    ".woff2": "font/woff2",
    ".xml": "text/xml; charset=utf-8",
}
_INDEX = "index.html"
Lead = Callable[[Request], Awaitable[Response | None]]
_GUARDS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
}
_NOT_INSTALLED = "The viewer is not installed here. Run `make`, which fetches it, and start the server again."
_LINK_REFUSED = """<!doctype html><html lang="en"><title>Link refused</title>
<h1>This link is refused</h1>
<p>It carries a token, and would open the viewer as somebody else. Nothing was opened.</p>
<p><a href="/">Go to the study list</a> and open the study from there.</p></html>"""


@dataclass(frozen=True, slots=True)
class ViewerFile:
    """One prepared file: its own form and its gzip form, and the headers that every answer with it has."""

    path: Path
    stat: os.stat_result
    compressed: Path | None
    compressed_stat: os.stat_result | None
    headers: Mapping[str, str]
    media_type: str


def viewer_routes(folder: Path, lead: Lead | None = None) -> list[BaseRoute]:
    """Routes of the prepared viewer in `folder`, to be mounted at `/viewer`.

    The folder is read once; what is added to it later is not served. Nothing in it is about a patient, so no
    session is asked for. `lead` may lead from a page of the viewer's to another.
    """
    files = _read(folder)

    async def serve(request: Request) -> Response:
        is_page = request.path_params["path"] not in files and not _has_token(request.query_params)
        led = await lead(request) if lead and is_page else None
        return led or _answer(files, request)

    return [Route("/{path:path}", serve, methods=["GET"], name="viewer")]


def _answer(files: Mapping[str, ViewerFile], request: Request) -> Response:
    path = request.path_params["path"]
    if not path:
        # OHIF's own study list would put typed names into the address; ours does not.
        return RedirectResponse("/", HTTPStatus.SEE_OTHER, _GUARDS)
    file = files.get(path)
    if file is None:
        if Path(path).suffix in _TYPES:
            return PlainTextResponse("There is no such file.", HTTPStatus.NOT_FOUND, _GUARDS)
        # A page of the viewer's own, such as /viewer/viewer?StudyInstanceUIDs=…: its script reads the address.
        file = files.get(_INDEX)
    if file is None:
        return PlainTextResponse(_NOT_INSTALLED, HTTPStatus.SERVICE_UNAVAILABLE, _GUARDS)
    if file.path.name == _INDEX and _has_token(request.query_params):
        return HTMLResponse(_LINK_REFUSED, HTTPStatus.BAD_REQUEST, {**_GUARDS, "Cache-Control": "no-store"})
    if file.headers.get("ETag") in _tags(request.headers.get("if-none-match", "")):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=file.headers)
    return _send(file, request.headers.get("accept-encoding", ""))


def _send(file: ViewerFile, accept_encoding: str) -> Response:
    if file.compressed is None or not _takes_gzip(accept_encoding):
        return FileResponse(file.path, headers=file.headers, media_type=file.media_type, stat_result=file.stat)
    headers = {**file.headers, "Content-Encoding": "gzip"}
    return FileResponse(file.compressed, headers=headers, media_type=file.media_type, stat_result=file.compressed_stat)


def _read(folder: Path) -> dict[str, ViewerFile]:
    folder = folder.absolute()  # `http.response.pathsend` takes absolute paths only
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.relative_to(folder).as_posix(): _file(path, path.relative_to(folder).as_posix())
        for path in files
        if path.suffix in _TYPES
    }


def _file(path: Path, name: str) -> ViewerFile:
    compressed = path.with_name(path.name + ".gz")
    is_compressed = compressed.is_file()
    headers = {**_GUARDS, **_caching(path, name)}
    headers["Content-Security-Policy"] = WORKER_POLICY if _WORKER.fullmatch(name) else PAGE_POLICY
    if is_compressed:
        headers["Vary"] = "Accept-Encoding"
    return ViewerFile(
        path,
        path.stat(),
        compressed if is_compressed else None,
        compressed.stat() if is_compressed else None,
        headers,
        _TYPES[path.suffix],
    )


def _caching(path: Path, name: str) -> dict[str, str]:
    """A year for names that change with their content; asking each time for the rest; never for the page itself."""
    if name == _INDEX:
        return {"Cache-Control": "no-store"}
    if _HASHED.fullmatch(name):
        return {"Cache-Control": "public, max-age=31536000, immutable"}
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:32]
    # Weak: the gzip form has the same tag (RFC 9110 8.8.1).
    return {"Cache-Control": "no-cache", "ETag": f'W/"{digest}"'}


def _tags(if_none_match: str) -> set[str]:
    return {tag.strip() for tag in if_none_match.split(",")}


def _has_token(query: QueryParams) -> bool:
    # OHIF would send it as a bearer token with every request, whatever the case of its name.
    return any(name.lower() == "token" for name in query)


def _takes_gzip(accept_encoding: str) -> bool:
    for part in accept_encoding.split(","):
        name, _, weight = part.partition(";")
        if name.strip().lower() in {"gzip", "*"}:
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
