"""pynetdicom as a peer of ours, without a race of its own."""

from threading import Condition, current_thread
from typing import Any


class Pause:
    """Holds an association's own thread while a requestor waits for its answer.

    pynetdicom's requestor goes on as soon as a flag says that the thread waits. The thread sets the flag before it waits
    and takes it back behind that, so that whoever asks in between sends, and the thread takes the answer away from them.
    Here whoever clears goes on once the thread is held indeed.
    """

    def __init__(self, thread: Any) -> None:
        self._thread = thread
        self._changed = Condition()
        self._is_set, self._is_held = True, False

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        with self._changed:
            self._is_set = True
            self._changed.notify_all()

    def clear(self) -> None:
        with self._changed:
            self._is_set = False
            while not self._is_held and self._thread.is_alive() and current_thread() is not self._thread:
                self._changed.wait(0.05)
            # Nor does the flag count: what is held here is held.
            self._thread._is_paused = True

    def wait(self, timeout: float | None = None) -> bool:
        with self._changed:
            self._is_held = True
            self._changed.notify_all()
            self._changed.wait_for(self.is_set, timeout)
            self._is_held = False
            return self._is_set


def steady(association: Any) -> Any:
    """The association, which loses no answer however soon that comes."""
    before = association._reactor_checkpoint
    association._reactor_checkpoint = Pause(association)
    before.set()
    return association
