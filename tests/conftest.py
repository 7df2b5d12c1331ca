"""What holds for every test."""

import gc
import signal

import pytest
from hypothesis import HealthCheck, settings

# How fast a busy machine is says nothing of what is tested.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# What is loaded while tests are gathered stays to the end. Looking through all of it again and again for what nobody
# needs any more took a sixth of the time of tests.
gc.disable()


def pytest_collection_finish() -> None:
    """From here on, look through what tests make, and only that."""
    gc.freeze()
    gc.set_threshold(20_000, 10, 50)
    gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Stories in a browser keep pictures of their steps, for the tutorials, where they are told to."""
    parser.addoption(
        "--pictures", default="", help="a folder for pictures of the steps of tests/browser/test_sharing.py"
    )


def pytest_configure() -> None:
    """Let Ctrl-C reach the programs that tests start.

    A shell that runs the tests in the background lets them ignore it, and their children would inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
