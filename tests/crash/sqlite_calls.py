"""What SQLite has its files do: its own calls of the system, told to whoever listens once they are done.

Python's module offers no way in between, so the functions of SQLite's file system layer (`sqlite3_vfs`,
`sqlite3_io_methods`) are exchanged for ones that tell of the call and pass it on.
"""

import _sqlite3
import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import POINTER, Structure, c_char_p, c_int, c_int64, c_void_p
from typing import Any, Protocol

_Open = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_Delete = ctypes.CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
_Write = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_Truncate = ctypes.CFUNCTYPE(c_int, c_void_p, c_int64)
_Sync = ctypes.CFUNCTYPE(c_int, c_void_p, c_int)


class _Vfs(Structure):
    _fields_ = (
        ("version", c_int), ("file_bytes", c_int), ("longest", c_int), ("following", c_void_p), ("name", c_char_p),
        ("data", c_void_p), ("open", c_void_p), ("delete", c_void_p),
    )  # fmt: skip


class _Methods(Structure):
    _fields_ = (
        ("version", c_int), ("close", c_void_p), ("read", c_void_p), ("write", c_void_p), ("truncate", c_void_p),
        ("sync", c_void_p), ("others", c_void_p * 13),
    )  # fmt: skip


class Listener(Protocol):
    """Is told of what was done to a file, by its path."""

    def wrote(self, path: str, data: bytes, offset: int) -> None: ...

    def cut(self, path: str, size: int) -> None: ...

    def began_sync(self) -> int:
        """A sync begins; what to call it when it has ended."""
        ...

    def synced(self, path: str, began: int, *, with_name: bool) -> None: ...

    def removed(self, path: str) -> None: ...


_kept: list[Any] = []
"""Files that are open when the listening ends go on calling these."""


def is_possible() -> bool:
    """Whether SQLite's functions can be found: a Python that has SQLite built in may hide them."""
    return getattr(_sqlite3, "__file__", None) is not None and hasattr(ctypes.CDLL(_sqlite3.__file__), _FIND)


_FIND = "sqlite3_vfs_find"


@contextmanager
def told_to(listener: Listener) -> Iterator[None]:
    """Tell of every call to files that are opened meanwhile."""
    find = getattr(ctypes.CDLL(_sqlite3.__file__), _FIND)
    find.restype, find.argtypes = POINTER(_Vfs), [c_char_p]
    vfs = find(None).contents
    was = vfs.open, vfs.delete
    open_file, delete = _Open(vfs.open), _Delete(vfs.delete)
    paths: dict[int, str] = {}
    changed: dict[int, _Methods] = {}

    def on_open(me: int, name: int | None, file: int, flags: int, out: int) -> int:
        # The name as an address: SQLite goes on using it, and a copy would be gone.
        status = int(open_file(me, name, file, flags, out))
        methods = c_void_p.from_address(file)
        if status == 0 and name and methods.value:
            paths[file] = ctypes.string_at(name).decode()
            if methods.value not in changed:
                changed[methods.value] = _telling(_Methods.from_address(methods.value), paths, listener)
            methods.value = ctypes.addressof(changed[methods.value])
        return status

    def on_delete(me: int, name: bytes, sync: int) -> int:
        status = int(delete(me, name, sync))
        if status == 0:
            listener.removed(name.decode())
        return status

    ours = _Open(on_open), _Delete(on_delete)
    _kept.extend([ours, open_file, delete, changed])
    vfs.open, vfs.delete = (_address(one) for one in ours)
    try:
        yield
    finally:
        vfs.open, vfs.delete = was


def _address(function: Any) -> int | None:
    return ctypes.cast(function, c_void_p).value


def _telling(real: _Methods, paths: dict[int, str], listener: Listener) -> _Methods:
    write, truncate, sync = _Write(real.write), _Truncate(real.truncate), _Sync(real.sync)

    def on_write(file: int, data: int, length: int, offset: int) -> int:
        status = int(write(file, data, length, offset))
        if status == 0:
            listener.wrote(paths[file], ctypes.string_at(data, length), offset)
        return status

    def on_truncate(file: int, size: int) -> int:
        status = int(truncate(file, size))
        if status == 0:
            listener.cut(paths[file], size)
        return status

    def on_sync(file: int, flags: int) -> int:
        began = listener.began_sync()
        status = int(sync(file, flags))
        if status == 0:
            # The first sync of a new log is one of its folder, too.
            listener.synced(paths[file], began, with_name=paths[file].endswith("-wal"))
        return status

    ours = _Write(on_write), _Truncate(on_truncate), _Sync(on_sync)
    _kept.extend([ours, write, truncate, sync])
    copy = _Methods.from_buffer_copy(real)
    copy.write, copy.truncate, copy.sync = (_address(one) for one in ours)
    return copy
