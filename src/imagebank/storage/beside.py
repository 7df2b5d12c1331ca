"""A thread that does one thing after another for those who wait for it soon.

A pool's futures would do; but they are made for much more, and cost a deposit a twelfth of its time in Python.
"""

import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final


class Beside:
    """Does what it is given, in a thread of its own, which the first of it starts. Threads may share one."""

    def __init__(self, name: str) -> None:
        self._name: Final = name
        self._given: SimpleQueue[_Errand | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def begin(self, do: Callable[[], object]) -> Callable[[], None]:
        """Begin with something. What is given back waits until it is done, and raises what it raised.

        Raises RuntimeError when closed.
        """
        errand = _Errand(do)
        with self._lock:
            if self._is_closed:
                raise RuntimeError("it is closed")
            if self._thread is None:
                # It keeps no process from ending, as nobody has promised anything yet; and it ends when nobody can
                # give it anything any more.
                self._thread = threading.Thread(target=_work, args=(self._given,), name=self._name, daemon=True)
                weakref.finalize(self, self._given.put, None)
                self._thread.start()
            self._given.put(errand)
        return errand.wait

    def close(self) -> None:
        """Take nothing more, and come back once all is done."""
        with self._lock:
            thread, self._thread, self._is_closed = self._thread, None, True
        if thread is not None:
            self._given.put(None)
            thread.join()


def _work(given: "SimpleQueue[_Errand | None]") -> None:
    while (errand := given.get()) is not None:
        errand.run()
        del errand  # and what it holds


class _Errand:
    """One thing to be done. A lock that its thread lets go of is the cheapest to wait for."""

    __slots__ = ("_do", "_done", "_error")

    def __init__(self, do: Callable[[], object]) -> None:
        self._do = do
        self._error: BaseException | None = None
        self._done = threading.Lock()
        self._done.acquire()

    def run(self) -> None:
        try:
            self._do()
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
            self._error = error
        finally:
            self._done.release()

    def wait(self) -> None:
        with self._done:
            if self._error is not None:
                raise self._error
