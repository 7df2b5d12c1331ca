"""A disk that loses power: what it was asked to do, in order, and what may be on it afterwards.

What was synced is there. Of what was written since, each block of 4 KiB may be as it was at any moment since the sync,
zeros where the file had not reached, or torn between two of these moments at a sector's edge; the file may have any
length that it had since. A name is there once its folder was synced, and may be there before.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from crash import sqlite_calls
from imagebank.storage import segment_file

BLOCK, SECTOR = 4096, 512


@dataclass(frozen=True, slots=True)
class Wrote:
    path: str
    data: bytes
    offset: int


@dataclass(frozen=True, slots=True)
class Cut:
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Made:
    """A folder that was not there before."""

    path: str


@dataclass(frozen=True, slots=True)
class Removed:
    path: str


@dataclass(frozen=True, slots=True)
class Synced:
    """A sync that has ended. What was done before its beginning, by the number of the operation, is durable."""

    path: str
    began: int
    with_name: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """What the bank has answered: a word, and whom it is about."""

    word: str
    about: str


Operation = Wrote | Cut | Made | Removed | Synced | Told


@dataclass
class Disk:
    """The files below a folder as they were, and what was done since."""

    folder: Path
    before: dict[str, bytes] = field(default_factory=dict)
    done: list[Operation] = field(default_factory=list)
    is_recording: bool = False

    def tell(self, word: str, about: str) -> None:
        self.done.append(Told(word, about))

    def wrote(self, path: str, data: bytes, offset: int) -> None:
        # Told after it was done: a sync vouches for nothing that is told after its beginning.
        if self._is_ours(path):
            self.done.append(Wrote(path, data, offset))

    def cut(self, path: str, size: int) -> None:
        if self._is_ours(path):
            self.done.append(Cut(path, size))

    def began_sync(self) -> int:
        return len(self.done)

    def synced(self, path: str, began: int, *, with_name: bool) -> None:
        if self._is_ours(path):
            self.done.append(Synced(path, began, with_name))

    def made(self, path: str) -> None:
        if self._is_ours(path):
            self.done.append(Made(path))

    def removed(self, path: str) -> None:
        if self._is_ours(path):
            self.done.append(Removed(path))

    def _is_ours(self, path: str) -> bool:
        return self.is_recording and path.startswith(str(self.folder)) and not path.endswith(("-shm", ".lock"))

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record what this process has the disk do below the folder; what lies there now is durable."""
        if not sqlite_calls.is_possible():
            pytest.skip("this Python hides the functions of SQLite")
        self.before = {str(path): path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}
        with pytest.MonkeyPatch.context() as calls, sqlite_calls.told_to(self):
            self._listen(calls)
            self._listen_to_names(calls)
            self.is_recording = True
            try:
                yield
            finally:
                self.is_recording = False

    def _listen(self, calls: pytest.MonkeyPatch) -> None:
        write, pwrite, ftruncate, punch = os.write, os.pwrite, os.ftruncate, segment_file.punch

        def on_pwrite(fd: int, data: Any, offset: int) -> int:
            written = pwrite(fd, data, offset)
            self.wrote(_path(fd), bytes(data[:written]), offset)
            return written

        def on_ftruncate(fd: int, length: int) -> None:
            ftruncate(fd, length)
            self.cut(_path(fd), length)

        def on_write(fd: int, data: Any) -> int:
            written = write(fd, data)
            self.wrote(_path(fd), bytes(data[:written]), os.lseek(fd, 0, os.SEEK_CUR) - written)
            return written

        def on_punch(fd: int, offset: int, length: int) -> bool:
            done = punch(fd, offset, length)
            if done:
                self.wrote(_path(fd), bytes(length), offset)
            return done

        for name, call in {"write": on_write, "pwrite": on_pwrite, "ftruncate": on_ftruncate}.items():
            calls.setattr(os, name, call)
        calls.setattr("imagebank.storage.files.punch", on_punch)
        for name in ("fsync", "fdatasync"):
            calls.setattr(os, name, self._syncing(getattr(os, name)))

    def _listen_to_names(self, calls: pytest.MonkeyPatch) -> None:
        unlink, link, mkdir = os.unlink, os.link, os.mkdir

        def on_mkdir(path: Any, *given: Any, **named: Any) -> None:
            mkdir(path, *given, **named)
            self.made(os.fspath(path))

        def on_unlink(path: Any, **given: Any) -> None:
            unlink(path, **given)
            self.removed(os.fspath(path))

        def on_link(there: Any, name: Any) -> None:
            link(there, name)
            began = len(self.done)  # the second name of what was synced under the first
            self.wrote(os.fspath(name), Path(name).read_bytes(), 0)
            self.synced(os.fspath(name), began + 1, with_name=False)

        for name, call in {"unlink": on_unlink, "link": on_link, "mkdir": on_mkdir}.items():
            calls.setattr(os, name, call)

    def _syncing(self, real: Any) -> Any:
        def on_sync(fd: int) -> None:
            began = self.began_sync()
            real(fd)
            self.synced(_path(fd), began, with_name=False)

        return on_sync

    def told(self, until: int) -> dict[str, set[str]]:
        """What was answered among the first operations, by word."""
        words: dict[str, set[str]] = {}
        for one in self.done[:until]:
            if isinstance(one, Told):
                words.setdefault(one.word, set()).add(one.about)
        return words

    def after_power_loss(self, until: int, chosen: random.Random, into: Path) -> None:
        """Lay out in a new folder what may be on the disk when the power goes after the first operations."""
        luck = chosen.choice((0.0, 0.3, 0.7, 0.95, 1.0))
        done = self.done[:until]
        touched = {one.path for one in done if isinstance(one, Wrote | Cut)}
        for path in sorted({*self.before, *touched}):
            has_name = path in self.before or _has_name(path, done)
            if not _is_gone(path, done) and (has_name or chosen.random() < luck):
                place = into / Path(path).relative_to(self.folder)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.touch(mode=0o600)
                place.write_bytes(_left_of(path, self.before.get(path, b""), done, chosen, luck))


def _path(fd: int) -> str:
    return str(Path(f"/proc/self/fd/{fd}").readlink())


def _is_gone(path: str, done: list[Operation]) -> bool:
    """Whether a file was removed. That it may come back until its folder is synced is left out: who removes a file here
    does not count on it.
    """
    last = [one for one in done if isinstance(one, Wrote | Removed) and one.path == path][-1:]
    return bool(last) and isinstance(last[0], Removed)


def _has_name(path: str, done: list[Operation]) -> bool:
    """Whether each folder that had to learn a new name was synced since: the file's, and those of folders made meanwhile."""
    began = next(n for n, one in enumerate(done) if isinstance(one, Wrote | Cut) and one.path == path)
    while True:
        folder = str(Path(path).parent)
        if not any(_knows(folder, one, began) for one in done[began:]):
            return False
        made = [n for n, one in enumerate(done) if isinstance(one, Made) and one.path == folder]
        if not made:
            return True
        path, began = folder, made[-1]


def _knows(folder: str, one: Operation, began: int) -> bool:
    """Whether an operation makes durable what a folder learnt at `began`."""
    if not isinstance(one, Synced):
        return False
    return (one.path == folder and one.began > began) or (one.with_name and str(Path(one.path).parent) == folder)


def _left_of(path: str, content: bytes, done: list[Operation], chosen: random.Random, luck: float) -> bytes:
    """What may be left of a file. With `luck` a block is as it was last."""
    durable = max((one.began for one in done if isinstance(one, Synced) and one.path == path), default=0)
    safe = bytearray(content)
    for one in done[:durable]:
        _do(safe, one, path)
    last, blocks, lengths = bytearray(safe), dict[int, list[bytes]](), [len(safe)]
    for one in done[durable:]:
        if isinstance(one, Wrote | Cut) and one.path == path:
            length = len(last)
            _do(last, one, path)
            start, end = (one.offset, one.offset + len(one.data)) if isinstance(one, Wrote) else (one.size, length)
            for number in range(start // BLOCK, -(-end // BLOCK)):
                blocks.setdefault(number, [_block(safe, number)]).append(_block(last, number))
            lengths.append(len(last))
    left = bytearray(safe)
    for number, history in blocks.items():
        _put(left, number, _fate(history, chosen, luck))
    length = lengths[-1] if chosen.random() < luck else chosen.choice(lengths)
    return bytes(left[:length]) + bytes(length - len(left[:length]))


def _do(content: bytearray, one: Operation, path: str) -> None:
    if isinstance(one, Wrote) and one.path == path:
        content.extend(bytes(max(0, one.offset - len(content))))
        content[one.offset : one.offset + len(one.data)] = one.data
    elif isinstance(one, Cut) and one.path == path:
        del content[one.size :]
        content.extend(bytes(one.size - len(content)))


def _block(content: bytearray, number: int) -> bytes:
    return bytes(content[number * BLOCK : (number + 1) * BLOCK]).ljust(BLOCK, b"\0")


def _put(content: bytearray, number: int, block: bytes) -> None:
    content.extend(bytes(max(0, (number + 1) * BLOCK - len(content))))
    content[number * BLOCK : (number + 1) * BLOCK] = block


def _fate(history: list[bytes], chosen: random.Random, luck: float) -> bytes:
    if chosen.random() < luck:
        return history[-1]
    if chosen.random() < 0.8:
        return chosen.choice(history)
    sectors = range(0, BLOCK, SECTOR)
    return b"".join(chosen.choice(history)[at : at + SECTOR] for at in sectors)
