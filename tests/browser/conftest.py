"""One bank for all browser tests: real processes on loopback."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from browser.viewing import browser
from running import Running, running_bank


@pytest.fixture(scope="session", name="running_bank")
def _running_bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_bank(tmp_path_factory.mktemp("bank")) as bank:
        yield bank


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as launched:
        yield launched
