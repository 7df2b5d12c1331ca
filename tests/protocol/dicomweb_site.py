"""A bank behind real HTTP on loopback, with callers of several kinds."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from dicomweb_client.api import DICOMwebClient

from bank import a_token, bearer, open_test_bank, serving
from imagebank.bank import Bank
from imagebank.http.multipart import Begin, Data, End, Splitter, boundary_of, closing, media_type, part_head
from imagebank.model.access import Role

DICOM = 'multipart/related; type="application/dicom"'
AS_STORED = f"{DICOM}; transfer-syntax=*"
BOUNDARY = b"test-boundary"


@dataclass(frozen=True)
class Site:
    """`http` speaks for an admin, relative to the DICOMweb root; so does `client`, a third party's."""

    bank: Bank
    url: str
    http: httpx.Client
    client: DICOMwebClient

    def as_role(self, role: Role, organization: str = "") -> httpx.Client:
        """The same for another caller; to be closed."""
        token = a_token(self.bank, role, organization=organization)
        return httpx.Client(base_url=f"{self.url}/dicom-web", headers=bearer(token), timeout=60)


@contextmanager
def a_site(folder: Path, **settings: Any) -> Iterator[Site]:
    with open_test_bank(folder, **settings) as bank, serving(bank) as url:
        headers = bearer(a_token(bank))
        with httpx.Client(base_url=f"{url}/dicom-web", headers=headers, timeout=60) as http:
            yield Site(bank, url, http, DICOMwebClient(f"{url}/dicom-web", headers=headers))


def a_body(*parts: bytes, kind: str = "application/dicom") -> bytes:
    """A multipart body of parts of one kind."""
    heads = [part_head(BOUNDARY, [("Content-Type", kind)]) + part for part in parts]
    return b"".join([*heads, closing(BOUNDARY)]).removeprefix(b"\r\n")


def store(http: httpx.Client, *files: bytes, path: str = "/studies", **headers: str) -> httpx.Response:
    """Store files by STOW-RS."""
    sent = {"Content-Type": f"{DICOM}; boundary={BOUNDARY.decode()}"} | headers
    return http.post(path, content=a_body(*files), headers=sent)


def metadata_body(data_sets: Sequence[dict[str, Any]], *bulk: tuple[str, str, bytes]) -> bytes:
    """Metadata, and parts of Content-Location, media type and content."""
    first = part_head(BOUNDARY, [("Content-Type", "application/dicom+json")]) + json.dumps(list(data_sets)).encode()
    parts = [
        part_head(BOUNDARY, [("Content-Type", kind), ("Content-Location", location)]) + content
        for location, kind, content in bulk
    ]
    return b"".join([first, *parts, closing(BOUNDARY)])


def store_metadata(
    http: httpx.Client, data_sets: Sequence[dict[str, Any]], *bulk: tuple[str, str, bytes]
) -> httpx.Response:
    kind = f'multipart/related; type="application/dicom+json"; boundary={BOUNDARY.decode()}'
    return http.post("/studies", content=metadata_body(data_sets, *bulk), headers={"Content-Type": kind})


def parts_of(response: httpx.Response) -> list[tuple[dict[str, str], bytes]]:
    """The parts of a multipart answer."""
    splitter = Splitter(boundary_of(media_type(response.headers["content-type"])))
    parts: list[tuple[dict[str, str], bytes]] = []
    for event in [*splitter.feed(response.content), *splitter.close()]:
        match event:
            case Begin(headers):
                parts.append((dict(headers), b""))
            case Data(content):
                parts[-1] = (parts[-1][0], parts[-1][1] + content)
            case End():
                pass
    return parts


def values(data_set: dict[str, Any], tag: str) -> Any:
    """The first value of an attribute."""
    return data_set[tag]["Value"][0]
