"""Threads of a decoder share out one picture, and have no more rights than it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagebank.dicom import team
from imagebank.dicom.sandbox import Sandbox
from imagebank.errors import Invalid

HOSTILE = "unit.pixels.hostile_threads"


@pytest.fixture(scope="module")
def hostile() -> Iterator[Sandbox]:
    with Sandbox(decoders=1, memory_bytes=1 << 30, timeout_s=20.0, modules=[HOSTILE]) as one:
        yield one


def threads(decoders: Sandbox) -> list[str]:
    """What the kernel says of each thread of the decoder."""
    pid = decoders.call(f"{HOSTILE}:who", {})[0]["pid"]
    return [(task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]


def test_every_thread_is_held_by_the_filter(hostile: Sandbox) -> None:
    found = threads(hostile)

    assert len(found) == 3
    assert all("Seccomp:\t2" in status and "NoNewPrivs:\t1" in status for status in found)


@pytest.mark.parametrize("task", ["read_in_threads", "write_in_threads", "begin_a_thread"])
def test_a_thread_has_no_rights(hostile: Sandbox, task: str, tmp_path: Path) -> None:
    secret = tmp_path / "root.key"
    secret.write_bytes(b"secret")

    with pytest.raises(Invalid, match="cannot be decoded"):
        hostile.call(f"{HOSTILE}:{task}", {"path": str(secret)})

    assert [path.name for path in tmp_path.iterdir()] == ["root.key"]


def test_all_threads_take_part_and_parts_are_in_order(hostile: Sandbox) -> None:
    answer, _ = hostile.call(f"{HOSTILE}:meet", {})

    assert answer == {"parts": list(range(12)), "threads": 3}


def test_what_one_thread_raises_is_told_once_none_is_at_work(hostile: Sandbox) -> None:
    with pytest.raises(Invalid, match="ZeroDivisionError"):
        hostile.call(f"{HOSTILE}:fail_in_one", {})

    assert hostile.call(f"{HOSTILE}:at_work", {})[0] == {"number": 0}


def test_without_threads_all_is_done_by_the_one_who_asks() -> None:
    done_by = team.shared_out(lambda _: threading.get_ident(), 5)

    assert done_by == [threading.get_ident()] * 5
