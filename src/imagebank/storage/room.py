"""Folders of what can be had anew, each of which may take so much of a disk."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

_KEPT: Final = 3 / 4
"""What a clearance leaves of the room."""


def free(folder: Path) -> int:
    """Bytes that are free on the disk of a folder, which is made where it is not there yet. Raises OSError."""
    try:
        disk = os.statvfs(folder)
    except FileNotFoundError:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def clear(files: Iterable[tuple[int, int, str]], most_bytes: int) -> None:
    """Let the longest unused go, until three quarters of the room are left in use; nothing while there is room.

    Of each file: when it was used last, its bytes, and where it is.
    """
    found = sorted(files)
    size = sum(taken for _, taken, _ in found)
    if size <= most_bytes:
        return
    for _, taken, path in found:
        if size <= most_bytes * _KEPT:
            break
        with suppress(OSError):
            Path(path).unlink()
        size -= taken
