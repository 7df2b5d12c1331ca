"""A child that fails takes nothing with it but its own request."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from imagebank.dicom import arena, sandbox
from imagebank.dicom.sandbox import Sandbox
from imagebank.errors import BankError, Invalid, Unavailable

HOSTILE = "unit.pixels.hostile_tasks"


@pytest.fixture
def hostile() -> Iterator[Sandbox]:
    with Sandbox(decoders=1, memory_bytes=1 << 30, timeout_s=1.0, modules=[HOSTILE]) as one:
        yield one


def pid(decoders: Sandbox) -> int:
    return int(decoders.call(f"{HOSTILE}:echo", {})[0]["pid"])


def test_an_answer_holds_what_the_task_gave(hostile: Sandbox) -> None:
    header, payload = hostile.call(f"{HOSTILE}:echo", {"rows": 3}, b"ab", memoryview(b"cd"))

    assert header["rows"] == 3
    assert bytes(payload) == b"abcd"


def test_what_is_asked_of_arrives_whole_whatever_its_size(hostile: Sandbox) -> None:
    for size in (1 << 20, 1 << 16, arena.BYTES, 0, arena.BYTES + 1, 70_000):
        asked = os.urandom(4099) * (size // 4099 + 1)

        header, _ = hostile.call(f"{HOSTILE}:digest", {}, asked[: size // 3], memoryview(asked)[size // 3 : size])

        assert header == {"digest": sha256(asked[:size]).hexdigest(), "size": size}


def test_a_child_cannot_write_where_it_reads_what_is_asked_of_it(hostile: Sandbox) -> None:
    with pytest.raises(Invalid, match="cannot be decoded"):
        hostile.call(f"{HOSTILE}:write_to_what_is_asked", {}, bytes(1 << 20))


def test_a_child_is_kept_warm(hostile: Sandbox) -> None:
    assert pid(hostile) == pid(hostile)


@pytest.mark.parametrize("task", ["crash", "sleep", "lie_about_size", "answer_with_pickle"])
def test_a_child_that_is_lost_is_replaced(hostile: Sandbox, task: str) -> None:
    before = pid(hostile)
    began = time.monotonic()

    with pytest.raises(Invalid, match="cannot be decoded"):
        hostile.call(f"{HOSTILE}:{task}", {"seconds": 60, "number": 2})

    assert time.monotonic() - began < 5
    assert pid(hostile) != before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_child_that_somebody_ended_is_replaced_and_its_request_is_done(hostile: Sandbox, number: int) -> None:
    before = pid(hostile)
    os.kill(before, number)

    assert bytes(hostile.call(f"{HOSTILE}:echo", {}, b"asked")[1]) == b"asked"
    with ThreadPoolExecutor(1) as pool:
        after = pid(hostile)
        busy = pool.submit(hostile.call, f"{HOSTILE}:sleep", {"seconds": 0.4}, b"")
        time.sleep(0.1)
        os.kill(after, number)
        busy.result()
    assert len({before, after, pid(hostile)}) == 3


@pytest.mark.parametrize(
    "task",
    [
        *("devour", "read_file", "read_passwords", "write_file", "remove_file", "open_socket", "call_home"),
        *("run_program", "fork", "kill_parent", "trace_parent", "raise_limits"),
    ],
)
def test_a_child_has_no_rights(hostile: Sandbox, task: str, tmp_path: Path) -> None:
    secret = tmp_path / "root.key"
    secret.write_bytes(b"secret")
    with socket.create_server(("127.0.0.1", 0)) as home:
        asked = {"path": str(secret), "port": home.getsockname()[1], "number": 1}

        with pytest.raises(Invalid, match="cannot be decoded"):
            hostile.call(f"{HOSTILE}:{task}", asked)

    assert bytes(hostile.call(f"{HOSTILE}:echo", {}, b"next")[1]) == b"next"
    assert [path.name for path in tmp_path.iterdir()] == ["root.key"]


def test_an_answer_to_another_question_is_never_given(hostile: Sandbox) -> None:
    hostile.call(f"{HOSTILE}:answer_twice", {"number": 1})

    with pytest.raises(Invalid, match="nonsense"):
        hostile.call(f"{HOSTILE}:echo", {})
    assert bytes(hostile.call(f"{HOSTILE}:echo", {}, b"next")[1]) == b"next"


def test_a_filter_of_system_calls_is_in_force(hostile: Sandbox) -> None:
    status = Path(f"/proc/{pid(hostile)}/status").read_text()

    assert "Seccomp:\t2" in status
    assert "NoNewPrivs:\t1" in status
    assert hostile.is_sealed()


def test_whether_children_are_sealed_is_known_without_one_at_work() -> None:
    with Sandbox(decoders=1, modules=[HOSTILE]) as idle:
        idle.warm()
        assert idle.is_sealed()
        assert pid(idle) == pid(idle)


def test_children_that_give_way_take_less_than_others() -> None:
    with Sandbox(decoders=1, modules=[HOSTILE], gives_way=True) as beside:
        theirs = os.getpriority(os.PRIO_PROCESS, pid(beside))

    assert theirs == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 5)


def test_a_crash_is_not_seen_by_others() -> None:
    with Sandbox(decoders=2, timeout_s=20, modules=[HOSTILE]) as shared, ThreadPoolExecutor(8) as pool:

        def ask(n: int) -> bytes:
            try:
                return bytes(shared.call(f"{HOSTILE}:{'crash' if n % 7 == 3 else 'echo'}", {}, b"%d" % n)[1])
            except Invalid:
                return b"refused"

        answers = list(pool.map(ask, range(42)))

    assert answers == [b"refused" if n % 7 == 3 else b"%d" % n for n in range(42)]


def test_those_who_wait_are_served_in_their_order() -> None:
    served: list[int] = []
    with Sandbox(decoders=1, timeout_s=20, modules=[HOSTILE]) as shared:
        pid(shared)

        def ask(n: int) -> None:
            shared.call(f"{HOSTILE}:sleep", {"seconds": 0.1})
            served.append(n)

        threads = [threading.Thread(target=ask, args=[n]) for n in range(5)]
        for thread in threads:
            thread.start()
            time.sleep(0.02)
        for thread in threads:
            thread.join()

    assert served == [0, 1, 2, 3, 4]


def test_a_caller_does_not_wait_for_ever() -> None:
    with Sandbox(decoders=1, timeout_s=1.0, modules=[HOSTILE]) as shared, ThreadPoolExecutor(2) as pool:
        pid(shared)
        pool.submit(shared.call, f"{HOSTILE}:sleep", {"seconds": 0.9})
        pool.submit(shared.call, f"{HOSTILE}:sleep", {"seconds": 0.9})
        time.sleep(0.1)

        with pytest.raises(Unavailable, match="busy"):
            shared.call(f"{HOSTILE}:echo", {})


def test_children_that_rest_are_kept_and_a_lost_one_is_replaced(
    hostile: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "_RESTED_S", -1.0)
    first = pid(hostile)
    hostile.rest()

    assert pid(hostile) == first
    os.kill(first, signal.SIGKILL)
    hostile.rest()
    assert pid(hostile) != first


def test_a_closed_sandbox_takes_no_more_requests() -> None:
    shared = Sandbox(decoders=1, modules=[HOSTILE])
    pid(shared)
    shared.close()

    with pytest.raises(Unavailable):
        shared.call(f"{HOSTILE}:echo", {})


def test_a_child_that_cannot_start_is_reported() -> None:
    with Sandbox(decoders=1, modules=["unit.pixels.no_such_module"]) as broken:
        for _ in range(2):
            with pytest.raises(BankError, match="no decoder can be started"):
                broken.call("unit.pixels.no_such_module:x", {})
