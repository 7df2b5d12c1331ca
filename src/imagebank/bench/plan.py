"""What a run is to do, as the command hands it to the program that does it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

QUICK_SCALE: Final = 0.1

Database = Literal["sqlite", "postgresql"]
Objects = Literal["files", "s3", "s3-journal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`out` is the folder of the results, `into` a document with a place for the table, `seconds` the time for a row."""

    out: Path
    into: Path | None = None
    rows: tuple[str, ...] = ()
    runs: int = 3
    scale: float = 1.0
    seed: int = 1
    seconds: float = 2.0
    database: Database = "sqlite"
    objects: Objects = "files"
    alone: bool = False

    def written(self) -> str:
        return msgspec.json.encode(self, enc_hook=str).decode()

    @staticmethod
    def read(text: str) -> "Plan":
        return msgspec.json.decode(text, type=Plan, dec_hook=_path)


def _path(kind: type, text: Any) -> Any:
    return kind(text)
