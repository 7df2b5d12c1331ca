"""Whoever listens goes on, whatever becomes of one connection."""

import socket
import threading

from imagebank.listener import Listener


class Greeting:
    """A line that greets its peer and ends."""

    def __init__(self, connection: socket.socket, thread: type[threading.Thread]) -> None:
        self._connection = connection
        self.thread = thread(target=self._greet)

    def _greet(self) -> None:
        with self._connection:
            self._connection.sendall(b"welcome")

    def end(self, wait_s: float) -> None:
        self._connection.close()


class Refused(threading.Thread):
    """A thread where the system has no room for one more."""

    def start(self) -> None:
        raise RuntimeError("can't start new thread")


def test_a_connection_for_which_there_is_no_thread_is_closed_and_the_next_is_served() -> None:
    threads = [Refused, threading.Thread]
    listener = Listener(
        "127.0.0.1", 0, "test", lambda connection, _address, _count: Greeting(connection, threads.pop(0))
    )
    listener.start()
    heard = []
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", listener.port), timeout=10) as calling:
            heard.append(calling.recv(20))
    listener.stop(1)

    assert heard == [b"", b"welcome"]
