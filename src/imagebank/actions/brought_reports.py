"""Reports that come along with what is brought in from another bank: every version, as it has them, of a study that is here.

They belong to the record that the study has here, another hospital's until somebody says in the queue who that is
(`reconciling.identify` hands them over then). Their numbers stand behind the other bank's name, so that they are no
versions of reports of one's own.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from imagebank.actions import reports
from imagebank.actions.other_bank import Web, decoded
from imagebank.bank import Bank
from imagebank.errors import Invalid
from imagebank.model.access import Scope
from imagebank.model.fetch import Fetch
from imagebank.model.imaging import Selection
from imagebank.model.person import PatientId
from imagebank.model.report import STATUSES, Body, Part, Report
from imagebank.model.uid import Uid

_CODES: Final = {words: code for code, words in STATUSES.items()}
_PDF: Final = b"%PDF-"


class _Part(msgspec.Struct):
    part: int
    type: str
    title: str = ""
    text: str = ""


class _Version(msgspec.Struct):
    """What of an entry of `GET /api/v1/studies/{study}/reports` counts here."""

    report: int
    number: str
    status: str
    at: datetime
    is_readable: bool
    title: str = ""
    author: str = ""
    parts: list[_Part] = []


class _Told(msgspec.Struct):
    reports: list[_Version]


def bring(web: Web, bank: Bank, found: Fetch, study: Uid, headers: Mapping[str, str]) -> int:
    """Take in the reports of a study; how many versions could not be read or kept.

    Raises NotFound where the other bank tells them no more, Unavailable.
    """
    held = bank.index.instances(Selection(study=study), Scope.of(found.organization))
    if not held:
        return 0
    try:
        told = decoded(web.document(_address(found, study), headers), _Told, found.host).reports
    except Invalid:
        return 1
    # The oldest first, as they came: of two at one moment the later one counts.
    kept = [_is_kept(web, bank, found, study, held[0].patient, one, headers) for one in reversed(told)]
    return kept.count(False)


def _address(found: Fetch, study: Uid) -> str:
    return f"{found.url}/api/v1/studies/{study}/reports"


def _is_kept(
    web: Web, bank: Bank, found: Fetch, study: Uid, patient: PatientId, one: _Version, headers: Mapping[str, str]
) -> bool:
    code = _CODES.get(one.status, "")
    if not one.is_readable or not code or one.at.tzinfo is None:
        return False
    number = f"{found.host} {one.number}" if one.number else ""
    report = Report(found.organization, patient, one.at, code, number, study=study)
    try:
        address = f"{_address(found, study)}/{one.report}/parts"
        parts = tuple(_part(web, address, part, headers) for part in one.parts)
        reports.keep(bank, report, Body(one.title, one.author, parts), found.by, found.address)
    except Invalid:
        return False
    return True


def _part(web: Web, address: str, one: _Part, headers: Mapping[str, str]) -> Part:
    """Raises Invalid for a part of a kind that is not known here, or that is not what it says."""
    if one.type == "text/plain":
        return Part("text/plain", one.text.encode("utf-8", "replace"), one.title)
    if one.type != "application/pdf":
        raise Invalid("a part of a report is a text or a PDF")
    content = web.document(f"{address}/{one.part}", headers)
    if not content.startswith(_PDF):
        raise Invalid("a part of a report is no PDF, as it says")
    return Part("application/pdf", content, one.title)
