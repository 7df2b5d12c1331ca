"""Another archive by DICOMweb: QIDO-RS for what it holds (PS3.18 10.6), WADO-RS for its objects (10.4)."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlsplit

from imagebank.actions.arrival import Arrival
from imagebank.actions.other_archives import MOST_STUDIES, Archive, Way, secret_of
from imagebank.actions.other_bank import Named, decoded, missing, named_objects
from imagebank.bank import Bank
from imagebank.errors import Unavailable
from imagebank.http import taking
from imagebank.http.fetch import fetch
from imagebank.model.imaging import DataSet
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid

_GONE: Final = "the archive names this study no more"
# Those that an answer has at any archive (PS3.18 table 10.6.3-3) need not be asked for; these are not sure to be.
_ASKED: Final = ("StudyDescription", "ModalitiesInStudy", "NumberOfStudyRelatedInstances", "IssuerOfPatientID")


def studies(_: Bank, archive: Archive, patient: PatientId) -> list[DataSet]:
    """`Way.studies`."""
    asked = "".join(f"&includefield={name}" for name in _ASKED)
    question = f"PatientID={quote(patient.identifier, safe='')}{asked}&limit={MOST_STUDIES + 1}"
    headers = {**_shown(archive), "Accept": "application/dicom+json"}
    status, body = fetch(f"{archive.url}/studies?{question}", None, headers, archive.timeout_s)
    if status == 204:
        return []
    if status in (401, 403):
        raise Unavailable("it does not know us: status {status}", status=status)
    if status != 200:
        raise Unavailable("it answered with status {status}", status=status)
    found = decoded(body, list[dict[str, Any]], _host(archive))
    if len(found) > MOST_STUDIES:
        raise Unavailable("it names more than {most} studies of one person", most=MOST_STUDIES)
    return found


def named(_: Bank, archive: Archive, study: Uid) -> Named:
    """`Way.named`."""
    ask = partial(fetch, whole_s=archive.timeout_s)
    return named_objects(ask, archive.url, _host(archive), study, _shown(archive), _GONE)


def bring(bank: Bank, archive: Archive, study: Uid, named: Named, here: set[str]) -> Iterator[Arrival]:
    """`Way.bring`."""
    for path in missing(named, here):
        yield from taking.files(bank, f"{archive.url}/studies/{study}/{path}", _shown(archive))


def _shown(archive: Archive) -> Mapping[str, str]:
    """By what the archive knows us; read anew, so that a secret can be changed while the bank runs."""
    if archive.token_file:
        return {"Authorization": f"Bearer {secret_of(archive.token_file)}"}
    if archive.password_file:
        return {"Authorization": f"Basic {b64encode(secret_of(archive.password_file).encode()).decode()}"}
    return {}


def _host(archive: Archive) -> str:
    return urlsplit(archive.url).netloc


WAY: Final = Way(studies, named, bring, batch=16)
