"""The supervisor, with small programs in place of the roles."""

import errno
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from bank import open_test_bank
from imagebank import serve
from imagebank.errors import Unavailable
from imagebank.http.readiness import is_ready, note_down
from imagebank.serve import ROLES, Role, Supervisor
from imagebank.settings import Settings, load


class OfPrograms(Supervisor):
    """The worker ends at once, whenever it is started; the others stay."""

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        super().__init__(settings, stop)
        self.starts: list[float] = []

    def _spawn(self, role: Role) -> None:
        if role == "worker":
            self.starts.append(time.monotonic())
        self._children[role] = subprocess.Popen(["false"] if role == "worker" else ["sleep", "60"])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundredth of the real times."""
    for name, seconds in (("_WATCH_S", 0.005), ("_FIRST_PAUSE_S", 0.01), ("_LONGEST_PAUSE_S", 0.3)):
        monkeypatch.setattr(serve, name, seconds, raising=False)


@pytest.fixture
def supervisor(tmp_path: Path, quick: None) -> Iterator[OfPrograms]:
    stop = threading.Event()
    with ending(OfPrograms(load(environ={}, data=tmp_path), stop), stop) as supervisor:
        yield supervisor


@contextmanager
def ending(supervisor: OfPrograms, stop: threading.Event) -> Iterator[OfPrograms]:
    """It watches its roles while the block runs."""
    for role in ROLES:
        supervisor._spawn(role)
    watching = threading.Thread(target=supervisor.watch)
    watching.start()
    try:
        yield supervisor
    finally:
        stop.set()
        watching.join()
        supervisor.stop()


def test_a_role_that_dies_again_and_again_is_started_at_growing_pauses_and_ends_no_other(
    supervisor: OfPrograms,
) -> None:
    others = [supervisor._children[role].pid for role in ("dimse", "web")]
    deadline = time.monotonic() + 10
    while len(supervisor.starts) < 9 and time.monotonic() < deadline:
        time.sleep(0.01)

    pauses = [later - earlier for earlier, later in pairwise(supervisor.starts)]
    assert len(pauses) == 8
    assert pauses[4] > 0.16
    assert max(pauses) < 3
    assert [supervisor._children[role].pid for role in ("dimse", "web")] == others
    assert all(supervisor._children[role].poll() is None for role in ("dimse", "web"))


def test_a_role_that_cannot_be_started_is_tried_again_and_ends_no_other(tmp_path: Path, quick: None) -> None:
    class OfFewProcesses(OfPrograms):
        def _spawn(self, role: Role) -> None:
            if role == "worker" and len(self.starts) in {1, 2}:
                self.starts.append(time.monotonic())
                raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
            super()._spawn(role)

    stop = threading.Event()
    with ending(OfFewProcesses(load(environ={}, data=tmp_path), stop), stop) as supervisor:
        others = [supervisor._children[role].pid for role in ("dimse", "web")]
        deadline = time.monotonic() + 10
        while len(supervisor.starts) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)

        assert len(supervisor.starts) >= 4
        assert [supervisor._children[role].pid for role in ("dimse", "web")] == others
        assert all(supervisor._children[role].poll() is None for role in ("dimse", "web"))


def test_a_bank_is_not_ready_while_a_role_is_down_and_no_longer(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        data = bank.settings.data
        ready = [is_ready(bank)]
        for is_down in (True, False):
            note_down(data, is_down=is_down)
            ready.append(is_ready(bank))
        note_down(data, is_down=True)
        ready.append(is_ready(replace(bank, now=lambda: bank.now() + timedelta(minutes=1))))
        note_down(tmp_path / "gone", is_down=True)

    assert ready == [True, False, True, True]


@pytest.mark.parametrize(
    ("folder", "file", "told"), [(0o755, 0o644, ["bank", "index.db"]), (0o755, 0o600, ["bank"]), (0o700, 0o644, [])]
)
def test_files_that_others_may_read_are_left_and_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, folder: int, file: int, told: list[str]
) -> None:
    data = tmp_path / "bank"
    with open_test_bank(tmp_path):
        pass
    (data / "index.db").chmod(file)
    data.chmod(folder)
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(Unavailable):
        serve.supervise(load(environ={}, data=data, http=f"127.0.0.1:{other.getsockname()[1]}"))

    warned = [message.partition(";")[0].rpartition("/")[2] for message in caplog.messages if "look into" in message]
    assert warned == told
    assert data.stat().st_mode & 0o777 == folder


def test_the_usual_address_of_hl7_is_left_to_whoever_has_it_and_a_chosen_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        chosen = Supervisor(load(environ={}, data=tmp_path, mllp=taken), threading.Event())
        monkeypatch.setattr(serve, "Settings", lambda: replace(Settings(), mllp=taken))
        usual = Supervisor(load(environ={}, data=tmp_path, mllp=taken), threading.Event())

    assert "hl7" in chosen._roles
    assert taken in chosen._listeners
    assert "hl7" not in usual._roles
    assert taken not in usual._listeners
    assert "no HL7 messages" in caplog.text
