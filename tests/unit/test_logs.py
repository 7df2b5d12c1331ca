"""What stands in the log, whatever a caller has put into it."""

import io
import logging

import pytest

from imagebank.logs import OneLine

FORGED = "A\nFAKE LOG LINE\r\x1b[2J\x85\u2028\u202e"


def logged(message: str, *given: object, error: BaseException | None = None) -> str:
    handler = logging.StreamHandler(to := io.StringIO())
    handler.setFormatter(OneLine("%(levelname)s %(name)s %(message)s"))
    record = logging.LogRecord(
        "peer", logging.INFO, "", 0, message, given, (type(error), error, None) if error else None
    )
    handler.emit(record)
    return to.getvalue()


def test_what_a_caller_sends_stays_on_its_line_and_moves_no_terminal() -> None:
    assert logged("called by %s", FORGED) == ("INFO peer called by A\\nFAKE LOG LINE\\r\\x1b[2J\\x85\\u2028\\u202e\n")


def test_names_in_any_script_stay_as_they_are() -> None:
    assert logged("kept %s", "Ωmega-Müller 山田") == "INFO peer kept Ωmega-Müller 山田\n"


def test_a_traceback_begins_no_line_of_its_own() -> None:
    lines = logged("failed", error=ValueError("x\nCRITICAL forged\x1b[31m")).split("\n")

    assert lines[0] == "INFO peer failed"
    assert "    CRITICAL forged\\x1b[31m" in lines
    assert all(line.startswith("    ") for line in lines[1:] if line)


def test_a_stack_begins_no_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    text = OneLine().formatStack("Stack:\n  here\x07")

    assert text == "    Stack:\n      here\\x07"
