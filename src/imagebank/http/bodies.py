"""Bodies of requests to `/api/v1`: small JSON documents, held to what they have to be."""

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
import orjson
from starlette.requests import Request

from imagebank.errors import Invalid
from imagebank.model.person import PatientId

T = TypeVar("T")
B = TypeVar("B", bound=msgspec.Struct)

_MOST_BYTES: Final = 256 << 10
_LONGEST: Final = 256


class Patient(msgspec.Struct, forbid_unknown_fields=True):
    """Whose: an identifier, and the organization that gave it."""

    issuer: str
    identifier: str

    @property
    def id(self) -> PatientId:
        return PatientId(line(self.issuer, "patient.issuer"), line(self.identifier, "patient.identifier"))


async def body_of(request: Request) -> bytes:
    """The whole body. Raises Invalid for a long one."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_BYTES:
            raise Invalid(f"the body is longer than {_MOST_BYTES} bytes")
    return body


def typed(body: bytes, kind: type[B]) -> B:
    """A body as what it has to be. Raises Invalid."""
    return decoded(body, lambda text: msgspec.json.decode(text, type=kind))


def decoded(body: bytes, decode: Callable[[bytes], T]) -> T:
    try:
        return decode(body)
    except RecursionError as error:
        raise Invalid("the body is JSON within JSON without end") from error
    except (orjson.JSONDecodeError, msgspec.DecodeError, UnicodeDecodeError) as error:
        # The words of a decoder name fields and kinds, and repeat no value.
        raise Invalid(f"the body is not the JSON that is wanted: {error}") from error


def line(text: str, what: str) -> str:
    """A text that is one line of a bearable length. Raises Invalid."""
    if not text.strip() or not text.isprintable():
        raise Invalid(f"{what} is missing, or no text of one line")
    if len(text) > _LONGEST:
        raise Invalid(f"{what} is longer than {_LONGEST} characters")
    return text
