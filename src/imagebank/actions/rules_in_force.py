"""The site's rules as they are in force: read once, and anew when their file or their newest version has changed."""

import logging
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imagebank.dicom.sandbox import Sandbox
from imagebank.errors import Invalid, Unavailable
from imagebank.model.rules import Deposit, Opinion
from imagebank.ports import Clock, Index

if TYPE_CHECKING:
    from imagebank.rules.steps import Ruleset

_CHECK: Final = timedelta(seconds=1)
_REMEMBERED: Final = 1000
"""How often is looked for something new, and among how many versions a file is looked for at the start."""
_NONE: Final = (0, 0, 0)

_log = logging.getLogger(__name__)

Stamp = tuple[int, int, int]
"""Length, time of change and number of a file; zeros where there is none."""


class SiteRules:
    """Watches the file and the versions; safe to be called from many threads.

    What is in force is the newest version. A file that changes while the program runs, or says what no version ever
    said, becomes the newest version if it is right; while it is wrong, the last right one stays in force.
    """

    def __init__(self, index: Index, file: Path, organization: str, now: Clock) -> None:
        self._index = index
        self._file = file
        self._organization = organization
        self._now = now
        self._lock = threading.Lock()
        self._looked_at: datetime | None = None
        self._mark: tuple[Stamp, ...] | None = None
        self._tables: list[str] = []
        self._number = 0
        self._rules: Ruleset | None = None
        self._wrong = ""
        self._broken = ""
        self._sandbox: Sandbox | None = None

    def current(self) -> "Ruleset | None":
        """The rules in force; None where there are none. Raises Unavailable while there are some, and none is right."""
        now = self._now()
        if self._looked_at is None or abs(now - self._looked_at) >= _CHECK:
            with self._lock:
                self._look()
                self._looked_at = now
        if self._broken:
            raise Unavailable(self._broken)
        return self._rules

    def renew(self) -> None:
        """Look at once, after a version was switched on here and the file written."""
        with self._lock:
            self._mark = self._mark_now()
            self._wrong = ""
            self._look()

    def ask(self, name: str, deposit: Deposit) -> Opinion:
        """What a plug-in makes of an object. Raises `rules.expression.Unjudged`."""
        from imagebank.rules import plugins  # noqa: PLC0415 - a bank without rules does without

        with self._lock:
            self._sandbox = self._sandbox or plugins.a_sandbox()
        return plugins.ask(self._sandbox, name, deposit)

    def close(self) -> None:
        """End what runs for plug-ins."""
        if self._sandbox is not None:
            self._sandbox.close()

    def _look(self) -> None:
        mark = self._mark_now()
        if mark != self._mark:
            is_first = self._mark is None
            self._wrong = self._take_file(is_first=is_first) if mark[0] != _NONE else ""
            self._mark = mark[0], *self._mark_now()[1:]  # with the tables that it names now
        number = self._index.rules.newest()
        if number != self._number:
            self._load()
            self._number = number
        if number == 0:
            self._broken = f"the rules for what arrives are wrong: {self._wrong}" if self._wrong else ""

    def _mark_now(self) -> tuple[Stamp, ...]:
        return tuple(_stamp(self._file.with_name(name)) for name in (self._file.name, *self._tables))

    def _take_file(self, *, is_first: bool) -> str:
        """Make the file the newest version, where it is right and new; else what is wrong with it."""
        from imagebank.actions import rules_read  # noqa: PLC0415 - a bank without rules does without
        from imagebank.rules.reading import read, table_files  # noqa: PLC0415 - the same

        try:
            text = rules_read.read_file(self._file)
        except Invalid as error:
            return self._tell(str(error))
        self._tables = table_files(text.rules)
        if faults := read(text, rules_read.surroundings(self._index)).faults:
            return self._tell(rules_read.told(faults))
        digest = rules_read.digest_of(text)
        if is_first and any(one.digest == digest for one in self._index.rules.versions(_REMEMBERED)[1:]):
            _log.warning("%s is an earlier version of the rules; the newest one stays in force", self._file.name)
        else:
            rules_read.put_version(self._index, text, self._file.name, "file", self._organization, self._now())
        return ""

    def _tell(self, words: str) -> str:
        _log.error("%s is wrong, and what was in force before stays: %s", self._file.name, words)
        return words

    def _load(self) -> None:
        from imagebank.actions.rules_read import told  # noqa: PLC0415 - a bank without rules does without
        from imagebank.rules.reading import Surroundings, read  # noqa: PLC0415 - the same

        version = self._index.rules.version()
        self._rules, self._broken = None, ""
        if version is None:
            return
        reading = read(version.text, Surroundings())
        if reading.rules is None:
            self._broken = f"version {version.number} of the rules cannot be read any more: {told(reading.faults)}"
        elif reading.rules.rules:
            self._rules = reading.rules


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return _NONE
    return found.st_size, found.st_mtime_ns, found.st_ino
