"""What a hostile file could make the threads of a decoder do, as tasks for the sandbox."""

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imagebank.dicom import team

Answer = tuple[dict[str, Any], Sequence[bytes]]

_at_work: set[int] = set()


def begin() -> None:
    """As on three processors."""
    team.begin(3)


def who(header: dict[str, Any], payload: memoryview) -> Answer:
    return {"pid": os.getpid()}, []


def _all(work: Any) -> list[Any]:
    """One part for each of the three threads: none is done before all have begun."""
    met = threading.Barrier(3)

    def part(number: int) -> Any:
        if number < 3:
            met.wait()
        return work(number)

    return team.shared_out(part, 12)


def read_in_threads(header: dict[str, Any], payload: memoryview) -> Answer:
    return {}, _all(lambda _: Path(header["path"]).read_bytes())


def write_in_threads(header: dict[str, Any], payload: memoryview) -> Answer:
    return {"written": _all(lambda number: Path(header["path"] + str(number)).write_bytes(b"here"))}, []


def begin_a_thread(header: dict[str, Any], payload: memoryview) -> Answer:
    threading.Thread(target=print).start()
    return {}, []


def meet(header: dict[str, Any], payload: memoryview) -> Answer:
    found = _all(lambda number: (number, threading.get_ident()))
    return {"parts": [number for number, _ in found], "threads": len({thread for _, thread in found})}, []


def fail_in_one(header: dict[str, Any], payload: memoryview) -> Answer:
    def part(number: int) -> float:
        if number == 0:
            return 1 / number
        _at_work.add(number)
        time.sleep(0.05)
        _at_work.remove(number)
        return 0.0

    return {"parts": _all(part)}, []


def at_work(header: dict[str, Any], payload: memoryview) -> Answer:
    return {"number": len(_at_work)}, []
