"""The minimal lower layer protocol: messages in a stream of bytes (HL7 transport specification, MLLP release 1).

A message stands between 0x0B and 0x1C; the 0x0D after it is not insisted on, and what lies between messages is none.
"""

from dataclasses import dataclass
from typing import Final

START: Final = b"\x0b"
END: Final = b"\x1c"
_HEAD_BYTES: Final = 64 << 10
_MARK: Final = START + b"MSH"


@dataclass(frozen=True, slots=True)
class Frame:
    """A message as it came. One that was too long has its beginning only, by which it can be answered."""

    content: bytes
    is_whole: bool = True


class Framer:
    """Finds messages in what a connection brings, piece by piece; holds no more than the longest one."""

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._held = bytearray()
        self._is_inside = False
        self._is_over = False

    @property
    def is_inside(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._is_inside

    def feed(self, piece: bytes) -> list[Frame]:
        """The messages that are complete with this piece."""
        frames: list[Frame] = []
        rest = piece
        while rest:
            if not self._is_inside:
                _, mark, rest = rest.partition(START)
                self._is_inside = bool(mark)
                continue
            body, end, rest = rest.partition(END)
            self._take(body)
            if end:
                frames.append(self._frame())
        return frames

    def _take(self, body: bytes) -> None:
        room = (_HEAD_BYTES if self._is_over else self._max) - len(self._held)
        self._held += body[: max(room, 0)]
        if len(body) > room and not self._is_over:
            self._is_over = True
            del self._held[_HEAD_BYTES:]

    def _frame(self) -> Frame:
        # A sender that was cut off in a message begins anew on the same line: the last beginning counts.
        content = bytes(self._held)
        restart = content.rfind(_MARK)
        found = Frame(content[restart + 1 :] if restart >= 0 else content, is_whole=not self._is_over)
        self._held.clear()
        self._is_inside = self._is_over = False
        return found


def framed(message: bytes) -> bytes:
    """A message as it goes out."""
    return START + message + END + b"\r"
