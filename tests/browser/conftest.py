"""One bank for all browser tests: real processes on loopback."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from browser.viewing import LONG_MS, browser
from running import Running, running_bank

# How fast a busy machine is says nothing of the pages: only what never comes is a fault.
expect.set_options(timeout=LONG_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("browser") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session", name="running_bank")
def _running_bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_bank(tmp_path_factory.mktemp("bank")) as bank:
        yield bank


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as launched:
        yield launched
