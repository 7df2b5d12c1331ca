"""What holds for every test."""

import signal

import pytest
from hypothesis import HealthCheck, settings

# How fast a busy machine is says nothing of what is tested.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


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
