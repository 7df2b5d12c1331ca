"""A transfer that is under way when what permits it is revoked goes no further."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from bank import SOURCE, a_token, bearer, keep, open_test_bank, serving
from imagebank.actions import consent, rights
from imagebank.bank import Bank
from imagebank.model.access import Role, Scope
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from make import a_file

NUMBER, LARGE = 12, 2000 * 2000 * 2
STUDY, SERIES = "1.2.3", "1.2.3.1"


@dataclass
class Clock:
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bank(tmp_path: Path, clock: Clock) -> Iterator[Bank]:
    """A study of some 100 MB of north's, which south may see by a consent."""
    with open_test_bank(tmp_path, organization="north") as opened:
        for _ in range(NUMBER):
            file = a_file(StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES, PatientID="ADA", rows=2000, columns=2000)
            keep(opened, file, source=replace(SOURCE, organization="north"))
        at_work = replace(opened, now=clock)
        draft = Provision("", Kind.CONSENT, True, PatientId("north", "ADA"), clock.at, organization="south")
        consent.decide(at_work, draft, rights.principal(at_work, "officer", Role.ADMIN, "north"))
        yield at_work


@pytest.mark.parametrize("accept", ["application/dicom", "application/octet-stream"])
def test_a_study_is_cut_off_when_its_consent_is_revoked(bank: Bank, clock: Clock, accept: str) -> None:
    token = a_token(bank, Role.CLINICIAN, organization="south")
    headers = {**bearer(token), "Accept": f'multipart/related; type="{accept}"'}
    came = 0
    with serving(bank) as url, httpx.Client(base_url=f"{url}/dicom-web", headers=headers, timeout=60) as south:
        with south.stream("GET", f"/studies/{STUDY}") as answer:
            pieces = answer.iter_raw()
            came += len(next(pieces))
            (given,) = bank.index.provisions(Scope(None))
            consent.revoke(bank, given.id, rights.principal(bank, "officer", Role.ADMIN, "north"))
            clock.at += timedelta(seconds=2)
            with pytest.raises(httpx.RemoteProtocolError):  # noqa: PT012 - it breaks off somewhere in it
                for piece in pieces:
                    came += len(piece)
        afterwards = south.get(f"/studies/{STUDY}/metadata", headers={"Accept": "application/dicom+json"})

    assert answer.status_code == 200
    assert came < NUMBER * LARGE / 2
    assert afterwards.status_code == 404
