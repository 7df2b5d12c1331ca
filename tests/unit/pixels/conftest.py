"""One sandbox for all tests of pixels."""

from collections.abc import Iterator

import pytest

from imagebank.dicom.sandbox import Sandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(decoders=1, timeout_s=60) as one:
        yield one
