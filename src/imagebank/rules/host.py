"""Where plug-ins run: in the bank's confined child processes, with bounded memory and time, and nothing to open.

Everything that the group `imagebank.rules` names is loaded before a child gives up its rights.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any, Final

from imagebank.model.imaging import Source
from imagebank.model.rules import Decision, Deposit, Opinion

GROUP: Final = "imagebank.rules"
_loaded: dict[str, Any] = {}
_LONGEST: Final = 200


def warm() -> None:
    """Load every plug-in; one that cannot be loaded fails when it is asked."""
    for found in entry_points(group=GROUP):
        try:
            _loaded[found.name] = found.load()
        except Exception as error:  # noqa: BLE001 - whatever others' code does at its loading
            _loaded[found.name] = type(error).__name__


def ask(header: dict[str, Any], _: memoryview) -> tuple[dict[str, Any], Sequence[bytes]]:
    """Ask one plug-in: its opinion, or why it has none."""
    decide = _loaded.get(header["name"], "it is not installed")
    if isinstance(decide, str):
        return {"failed": f"it cannot be loaded: {decide}"}, ()
    source = Source(**header["source"])
    try:
        opinion = decide(Deposit(header["header"], source, header["file_name"], header["options"]))
    except Exception as error:  # noqa: BLE001 - others' code raises anything; its words may hold a patient's name
        return {"failed": f"it failed with {type(error).__name__}"}, ()
    return _packed(opinion), ()


def _packed(opinion: object) -> dict[str, Any]:
    if not isinstance(opinion, Opinion):
        return {"failed": "it did not answer with an Opinion"}
    is_right = (
        (opinion.decision is None or opinion.decision in list(Decision))
        and isinstance(opinion.reason, str)
        and isinstance(opinion.sets, Mapping)
        and all(isinstance(key, str) and isinstance(value, str | int | float) for key, value in opinion.sets.items())
        and all(isinstance(label, str) for label in opinion.labels)
    )
    if not is_right:
        return {"failed": "its Opinion has values of other kinds than it promises"}
    decision = None if opinion.decision is None else str(opinion.decision)
    labels = list(opinion.labels)
    return {"decision": decision, "reason": opinion.reason[:_LONGEST], "sets": dict(opinion.sets), "labels": labels}
