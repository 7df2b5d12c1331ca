"""`/metrics`: how the bank does, for Prometheus (text format 0.0.4). Numbers alone: no patient, no study, no person."""

import hmac
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions.prefetch_standing import Standing, standing
from imagebank.bank import Bank
from imagebank.http.auth import bank_of, caller
from imagebank.http.openapi import REFUSED, answer
from imagebank.model.access import Right
from imagebank.model.journal import Unuploaded
from imagebank.model.prefetch import HERE

_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_PATH: Final = "/metrics"
_BANK: Final = "(bank)"
"""Stands for a station where priors are made ready in the bank itself."""
_FEWEST: Final = 16
"""Characters that a token in a file has at least; a file with fewer opens nothing."""


async def metrics(request: Request) -> Response:
    """How the bank does, for Prometheus: for who may administer, or by the token of `metrics_token_file`."""
    bank = bank_of(request)
    if not await run_in_threadpool(
        _is_scraper, bank.settings.metrics_token_file, request.headers.get("authorization", "")
    ):
        principal = await caller(request)
        principal.require(Right.ADMINISTER)
    lines = await run_in_threadpool(lambda: [*journal_lines(bank), *copies_lines(bank), *prefetch_lines(bank)])
    return Response("\n".join(lines) + "\n", media_type=_TYPE, headers={"Cache-Control": "no-store"})


def _is_scraper(file: Path | None, authorization: str) -> bool:
    try:
        token = file.read_text("utf-8").strip() if file is not None else ""
    except (OSError, UnicodeDecodeError):
        return False
    return len(token) >= _FEWEST and hmac.compare_digest(f"Bearer {token}".encode(), authorization.encode())


def journal_lines(bank: Bank) -> Iterator[str]:
    """What waits on this node for the object store: nothing, where a deposit is answered for only once it is there."""
    if not bank.settings.objects:
        return
    mode = bank.settings.s3_durability
    yield from _headed("s3_durability", "When a deposit is answered for: object, or journal")
    yield f'imagebank_s3_durability{{mode="{mode}"}} 1'
    found = Unuploaded(0, None, 0) if bank.journal is None else bank.journal.unuploaded()
    yield from _single("unuploaded_bytes", "Bytes that wait on this node for the object store", found.octets)
    yield from _single("unuploaded_limit_bytes", "Bytes that may; beyond, deposits are refused", found.most)
    age_s = round(found.age(bank.now()).total_seconds())
    yield from _single("unuploaded_oldest_seconds", "Seconds since the oldest of them came", age_s)


def copies_lines(bank: Bank) -> Iterator[str]:
    """What this node has copied of the object store, and of what use that was to the process that answers."""
    if bank.copies is None:
        return
    found = bank.copies.told()
    yield from _single("s3_copies_bytes", "Bytes of copies on this node of what the object store has", found.octets)
    yield from _single("s3_copies_limit_bytes", "Bytes that they may take", found.most)
    yield from _single("s3_copies_hits", "Reads that this process found there since it began", found.hits)
    yield from _single("s3_copies_misses", "Reads for which it asked the object store", found.misses)


def prefetch_lines(bank: Bank) -> Iterator[str]:
    """What is made ready before somebody reads, for the bank itself, each station and each archive."""
    found = standing(bank)
    yield from _gauge("studies", "Priors that are not done: waiting, beyond a limit, failed")
    for one in found:
        link = one.link
        for state, count in (("waiting", link.waiting), ("limited", link.limited), ("failed", link.failed)):
            yield f'imagebank_prefetch_studies{{{_named(one)},state="{state}"}} {count}'
    yield from _each(found, "done_today", "Priors made ready since the site's day began", lambda one: one.link.done)
    yield from _each(found, "bytes_today", "Bytes of those", lambda one: one.link.octets)
    yield from _each(found, "limit_studies_a_day", "Priors a day at most", lambda one: one.studies_a_day)
    limit = "Bytes a day at most"
    yield from _each(found, "limit_bytes_a_day", limit, lambda one: one.rule and one.rule.bytes_a_day)
    now = bank.now()
    oldest = "Seconds since the oldest is wanted that is not done"
    yield from _each(
        found,
        "oldest_seconds",
        oldest,
        lambda one: int((now - one.link.oldest).total_seconds()) if one.link.oldest else 0,
    )


def _each(found: list[Standing], name: str, words: str, value: Any) -> Iterator[str]:
    yield from _gauge(name, words)
    for one in found:
        if (number := value(one)) is not None:
            yield f"imagebank_prefetch_{name}{{{_named(one)}}} {number}"


def _gauge(name: str, words: str) -> Iterator[str]:
    yield from _headed(f"prefetch_{name}", words)


def _single(name: str, words: str, value: int) -> Iterator[str]:
    yield from _headed(name, words)
    yield f"imagebank_{name} {value}"


def _headed(name: str, words: str) -> Iterator[str]:
    yield f"# HELP imagebank_{name} {words}."
    yield f"# TYPE imagebank_{name} gauge"


def _named(one: Standing) -> str:
    name = _BANK if one.link.device == HERE else one.link.device
    # An AE title may hold any character of PS3.5's default repertoire but a backslash.
    return f'link="{name.replace(chr(34), chr(92) + chr(34))}"'


def metrics_routes() -> list[BaseRoute]:
    return [Route(_PATH, metrics, methods=["GET"])]


def metrics_paths() -> dict[str, Any]:
    """What the OpenAPI document says of it."""
    told = {"200": answer(200, "The metrics", {"text/plain": {"schema": {"type": "string"}}})}
    return {
        _PATH: {
            "get": {
                "operationId": "metrics",
                "summary": metrics.__doc__,
                "tags": ["Imagebank"],
                "responses": told | {str(code): REFUSED[code] for code in (401, 403, 503)},
            }
        }
    }
