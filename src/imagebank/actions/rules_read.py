"""Rules as this machine has them: the file and its tables read, and made a version."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from imagebank.actions.notes import amend_payload
from imagebank.errors import Invalid
from imagebank.model.event import Act, Event
from imagebank.model.note import Amendment
from imagebank.model.rules import Fault, Text, Version
from imagebank.ports import Index
from imagebank.rules import plugins
from imagebank.rules.reading import MAX_TABLE, MAX_TEXT, Surroundings, table_files


def told(faults: Sequence[Fault]) -> str:
    """Faults in one line, the first of them in full."""
    more = f" ({len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{faults[0]}{more}"


def surroundings(index: Index) -> Surroundings:
    """What rules may name here."""
    return Surroundings(frozenset(device.aet for device in index.devices()), plugins.installed())


def read_file(file: Path) -> Text:
    """The text of a rules file, and of the tables beside it that it names. Raises Invalid."""
    rules = _content(file, 4 * MAX_TEXT)
    there = (name for name in table_files(rules) if (file.parent / name).is_file())
    return Text(rules, tuple((name, _content(file.parent / name, 4 * MAX_TABLE)) for name in there))


def _content(file: Path, most: int) -> str:
    try:
        if file.stat().st_size > most:
            raise Invalid("{file} is longer than {most} bytes", file=file.name, most=most)
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Invalid("{file} is not UTF-8", file=file.name) from None
    except OSError as error:
        raise Invalid("{file} cannot be read: {why}", file=file.name, why=error.strerror) from None


def digest_of(text: Text) -> str:
    """By which the same text is known."""
    return hashlib.sha256(json.dumps([text.rules, text.tables]).encode()).hexdigest()


def put_version(
    index: Index, text: Text, by: str, way: str, organization: str, at: datetime, address: str = ""
) -> Version:
    """Make a text the newest version; the one in force where it says the same. The text stands in the ledger."""
    with index.begin() as tx:
        tx.rules.lock()
        newest = tx.rules.newest()
        digest = digest_of(text)
        if newest is not None and newest.digest == digest:
            return newest
        version = Version(newest.number + 1 if newest else 1, text, at, by, way, digest)
        tx.rules.put_version(version)
        said = f"rules: version {version.number}, SHA-256 {digest}, by {way}"
        whole = "\n".join([said, text.rules, *(f"# {name}\n{content}" for name, content in text.tables)])
        tx.record([Event(at, Act.CHANGED, by, organization, address, detail=whole)])
        tx.defer("amend", amend_payload(Amendment(at, rules=(version,))), at)
    return version
