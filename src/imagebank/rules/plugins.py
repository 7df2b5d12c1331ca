"""Plug-ins of the group `imagebank.rules`: which there are, and asking one without being harmed by it."""

from dataclasses import asdict
from importlib.metadata import entry_points
from typing import Final

from imagebank.dicom.sandbox import Sandbox
from imagebank.errors import BankError
from imagebank.model.rules import Decision, Deposit, Opinion
from imagebank.rules.expression import Unjudged
from imagebank.rules.host import GROUP

TIMEOUT_S: Final = 5.0
"""How long a plug-in may take for one object."""
MEMORY_BYTES: Final = 1 << 30
_HOST: Final = "imagebank.rules.host"


def installed() -> frozenset[str]:
    """The names of the plug-ins. None is loaded."""
    return frozenset(found.name for found in entry_points(group=GROUP))


def a_sandbox(timeout_s: float = TIMEOUT_S) -> Sandbox:
    """Where they run. Nothing is started before the first is asked."""
    return Sandbox(1, MEMORY_BYTES, timeout_s, (_HOST,))


def ask(sandbox: Sandbox, name: str, deposit: Deposit) -> Opinion:
    """What a plug-in makes of a deposit. Raises Unjudged when it fails, takes too long, or needs too much."""
    header = {
        "name": name,
        "header": deposit.header,
        "source": asdict(deposit.source),
        "file_name": deposit.file_name,
        "options": deposit.options,
    }
    try:
        answer, _ = sandbox.call(f"{_HOST}:ask", header)
    except BankError:
        raise Unjudged(f"plug-in {name} gave no answer: it ended, took too long or needed too much memory") from None
    if failed := answer.get("failed"):
        raise Unjudged(f"plug-in {name}: {failed}")
    decision = answer["decision"]
    return Opinion(
        None if decision is None else Decision(decision), answer["reason"], answer["sets"], tuple(answer["labels"])
    )
