"""Letters in pictures, read by a plug-in that a site installs; none comes with the bank.

A plug-in is an entry point of the group `imagebank.ocr`. It is called with the cells of the first frame, which were
decoded in the sandbox: rows x columns, or rows x columns x 3, of unsigned integers. It answers with texts, each with its
box (left, top, right, bottom, in cells) and how sure it is, from 0 to 1.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any, Final

import numpy as np

from imagebank.dicom.kind import Kind
from imagebank.dicom.sandbox import Sandbox
from imagebank.errors import Invalid, Unsupported

Box = tuple[int, int, int, int]
Reader = Callable[[Any], Iterable[tuple[str, Box, float]]]

GROUP: Final = "imagebank.ocr"
_OPEN: Final = "imagebank.dicom.open_media:picture"
_PICTURES: Final = frozenset({Kind.JPEG, Kind.JPEG2000, Kind.PNG, Kind.GIF, Kind.TIFF, Kind.BMP, Kind.WEBP})
_MOST: Final = 200
_LONGEST: Final = 300

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Letters:
    """Letters that stand together in a picture, where, and how sure their reader is."""

    text: str
    box: Box
    confidence: float

    @property
    def place(self) -> str:
        """Where they stand, for a person: columns and rows of the box."""
        left, top, right, bottom = self.box
        return f"{left}-{right}, {top}-{bottom}"


@lru_cache(maxsize=1)
def readers() -> tuple[Reader, ...]:
    """The plug-ins that are installed. One that cannot be loaded is left out, and said so in the log."""
    found: list[Reader] = []
    for one in entry_points(group=GROUP):
        try:
            found.append(one.load())
        except Exception as error:  # noqa: BLE001 - whatever a plug-in raises, files have to be taken in
            _log.warning("the plug-in %s of %s cannot be loaded: %s", one.name, GROUP, type(error).__name__)
    return tuple(found)


def letters_of(sandbox: Sandbox, data: bytes, kind: Kind) -> Iterator[Letters]:
    """What every plug-in reads in a picture; nothing where none is installed, or the file is no picture. Raises Unavailable."""
    if kind not in _PICTURES or not readers():
        return
    try:
        answer, cells = sandbox.call(_OPEN, {"kind": kind.value, "cells": True}, data)
    except (Invalid, Unsupported):
        return
    shape = (answer["rows"], answer["columns"], *([answer["samples"]] if answer["samples"] > 1 else []))
    frame = np.frombuffer(cells, f"u{answer['bits'] // 8}", int(np.prod(shape))).reshape(shape)
    for reader in readers():
        try:
            read = [_letters(*one) for one in list(reader(frame))[:_MOST]]
        except Exception as error:  # noqa: BLE001 - what it says of the error may tell what stands in the picture
            _log.warning("a plug-in of %s failed: %s", GROUP, type(error).__name__)
            continue
        yield from read


def _letters(text: str, box: Box, confidence: float) -> Letters:
    left, top, right, bottom = map(int, box)
    return Letters(str(text)[:_LONGEST], (left, top, right, bottom), min(max(float(confidence), 0.0), 1.0))
