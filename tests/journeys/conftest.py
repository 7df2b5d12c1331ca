"""One bank that runs for all journeys that do not stop it."""

from collections.abc import Iterator

import pytest

from running import Running, running_bank


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_bank(tmp_path_factory.mktemp("running")) as running:
        yield running
