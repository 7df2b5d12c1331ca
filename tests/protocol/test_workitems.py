"""Workitems with pynetdicom and over HTTP: found, looked at, begun, reported on, and given up."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid
from pynetdicom import build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined] # made when it is imported
    UnifiedProcedureStepPull,
    UnifiedProcedureStepPush,
    UnifiedProcedureStepQuery,
    UnifiedProcedureStepWatch,
)

from bank import a_token, bearer, keep, serving
from imagebank.model.access import Right
from make import a_file
from protocol.dimse_peers import ALL_RIGHTS, Site, a_site, associate, register

_STATE, _TRANSACTION = "00741000", "00081195"


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("steps")) as found:
        register(found, "STATION", rights=ALL_RIGHTS | {Right.RECONCILE})
        register(found, "CT1")
        keep(found.bank, a_file(PatientID="", PatientName="", StudyDescription="Head"))
        yield found


def called(site: Site, method: str, *given: Any, by: Any = UnifiedProcedureStepPull, aet: str = "STATION") -> Any:
    association = associate(site, build_context(by), aet=aet)
    answer = getattr(association, method)(*given)
    found = list(answer) if method == "send_c_find" else answer
    association.release()
    return found


def query(**keys: str) -> Dataset:
    asked = Dataset()
    for keyword in ("SOPInstanceUID", "PatientName", "ProcedureStepState", "ProcedureStepLabel"):
        setattr(asked, keyword, keys.get(keyword, ""))
    return asked


def steps(site: Site, by: Any = UnifiedProcedureStepPull, **keys: str) -> list[Dataset]:
    answers = called(site, "send_c_find", query(**keys), by, by=by)
    return [held for status, held in answers if status.Status == 0xFF00]


def act(site: Site, uid: str, state: str, transaction: str) -> int:
    told = Dataset()
    told.ProcedureStepState, told.TransactionUID = state, transaction
    given = (told, 1, UnifiedProcedureStepPush, uid, 1, UnifiedProcedureStepPull)
    return int(called(site, "send_n_action", *given)[0].Status)


@pytest.mark.parametrize("service", [UnifiedProcedureStepPull, UnifiedProcedureStepWatch, UnifiedProcedureStepQuery])
def test_steps_are_found_by_what_they_are(site: Site, service: Any) -> None:
    (one,) = steps(site, service, ProcedureStepState="SCHEDULED")

    assert one.ProcedureStepLabel == "Say whose the study is"
    assert steps(site, service, ProcedureStepState="COMPLETED") == []
    assert steps(site, service, PatientName="DOE*") == []


def test_a_step_is_looked_at_begun_reported_on_and_given_up(site: Site) -> None:
    uid, transaction = steps(site)[0].SOPInstanceUID, generate_uid()
    asked = ([0x00741000, 0x00404021], UnifiedProcedureStepPush, uid, 1, UnifiedProcedureStepPull)
    status, held = called(site, "send_n_get", *asked)
    assert (status.Status, held.ProcedureStepState) == (0, "SCHEDULED")
    assert held.InputInformationSequence[0].ReferencedSOPSequence

    assert act(site, uid, "COMPLETED", transaction) == 0xC310
    assert act(site, uid, "IN PROGRESS", transaction) == 0
    assert act(site, uid, "IN PROGRESS", generate_uid()) == 0xC302
    assert act(site, uid, "SCHEDULED", transaction) == 0xC303
    assert act(site, uid, "CANCELED", generate_uid()) == 0xC301
    said = Dataset()
    said.TransactionUID = transaction
    progress = Dataset()
    progress.ProcedureStepProgress = "50"
    said.ProcedureStepProgressInformationSequence = [progress]
    given = (said, UnifiedProcedureStepPush, uid, 1, UnifiedProcedureStepPull)
    assert called(site, "send_n_set", *given)[0].Status == 0
    everything: tuple[Any, ...] = ([], UnifiedProcedureStepPush, uid, 1, UnifiedProcedureStepWatch)
    _, whole = called(site, "send_n_get", *everything, by=UnifiedProcedureStepWatch)
    assert whole.ProcedureStepProgressInformationSequence[0].ProcedureStepProgress == "50"
    assert "TransactionUID" not in whole
    assert act(site, uid, "COMPLETED", transaction) == 0xC304
    assert act(site, uid, "CANCELED", transaction) == 0
    assert act(site, uid, "CANCELED", transaction) == 0xB304
    assert act(site, uid, "IN PROGRESS", transaction) == 0xC300


def test_what_is_not_offered_or_not_there_is_refused(site: Site) -> None:
    uid = steps(site)[0].SOPInstanceUID
    assert act(site, generate_uid(), "IN PROGRESS", generate_uid()) == 0xC307
    assert act(site, uid, "RESTING", generate_uid()) == 0x0106
    assert act(site, uid, "", generate_uid()) == 0x0106
    told = Dataset()
    told.ReasonForCancellation = "no"
    cancel = (told, 2, UnifiedProcedureStepPush, uid, 1, UnifiedProcedureStepPull)
    assert called(site, "send_n_action", *cancel)[0].Status == 0x0123
    odd: tuple[Any, ...] = ([], UnifiedProcedureStepPull, uid, 1, UnifiedProcedureStepPull)
    assert called(site, "send_n_get", *odd)[0].Status == 0x0106
    answers = called(site, "send_c_find", query(), UnifiedProcedureStepPull, aet="CT1")
    assert [status.Status for status, _ in answers] == [0x0124]
    wrong = called(site, "send_c_find", query(ProcedureStepState="RESTING"), UnifiedProcedureStepPull)
    assert [status.Status for status, _ in wrong] == [0xC000]


@pytest.fixture
def http(site: Site) -> Iterator[httpx.Client]:
    headers = bearer(a_token(site.bank))
    with serving(site.bank) as url, httpx.Client(base_url=f"{url}/dicom-web", headers=headers, timeout=60) as client:
        yield client


def state(value: str, transaction: str = "") -> list[dict[str, Any]]:
    given: dict[str, Any] = {_STATE: {"vr": "CS", "Value": [value]}}
    return [given | ({_TRANSACTION: {"vr": "UI", "Value": [transaction]}} if transaction else {})]


def test_the_same_over_http(site: Site, http: httpx.Client) -> None:
    answer = http.get("/workitems", params={"ProcedureStepState": "SCHEDULED", "limit": "5"})
    (one,) = answer.json()
    uid, transaction = one["00080018"]["Value"][0], generate_uid()
    path = f"/workitems/{uid}"
    assert http.get(path).json()[0]["00404021"]["Value"]
    begun = [http.put(f"{path}/state", json=state("IN PROGRESS", each)).status_code for each in (transaction, "1.2")]
    assert begun == [200, 409]
    progress = [{"00741002": {"vr": "SQ", "Value": [{"00741004": {"vr": "DS", "Value": [50]}}]}}]
    assert http.post(path, json=progress).status_code == 409
    assert http.post(path, params={"transaction-uid": transaction}, json=progress).status_code == 200
    assert http.post(f"{path}?{transaction}", json=progress).status_code == 200
    refused = http.put(f"{path}/state", json=state("COMPLETED", transaction))
    assert (refused.status_code, "299" in refused.headers["warning"]) == (409, True)
    assert http.post(f"{path}/cancelrequest").status_code == 409
    assert http.put(f"{path}/state", json=state("CANCELED", transaction)).status_code == 200
    assert http.get("/workitems", params={"00741000": "SCHEDULED"}).status_code == 204
    assert http.get(f"/workitems/{generate_uid()}").status_code == 404


def test_a_step_is_canceled_by_who_asks_and_searches_are_held_to_the_standard(site: Site, http: httpx.Client) -> None:
    keep(site.bank, a_file(PatientID="", StudyDescription="Hand"))
    found = http.get("/workitems", params={"limit": "1"})
    uid = found.json()[0]["00080018"]["Value"][0]
    reason = [{"00741238": {"vr": "LT", "Value": ["not ours"]}}]

    assert "1 additional" in found.headers["warning"]
    assert len(http.get("/workitems", params={"offset": "1"}).json()) == 1
    by_code = {"ScheduledWorkitemCodeSequence.CodeValue": "110002", "SOPInstanceUID": f"{uid},1.2"}
    assert [one["00080018"]["Value"][0] for one in http.get("/workitems", params=by_code).json()] == [uid]
    assert http.get("/workitems", params={"PatientName": "DOE"}).status_code == 204
    assert http.post(f"/workitems/{uid}/cancelrequest", json=reason).status_code == 202
    for params in ({"nonsense": "1"}, {"limit": "x"}, {"ProcedureStepState": "RESTING"}):
        assert http.get("/workitems", params=params).status_code == 400
    for body in ([], [1], {"x": 1}, [{"00741000": {"Value": ["x"]}}], [{"00741000": {"vr": "CS", "Value": "x"}}]):
        assert http.put(f"/workitems/{uid}/state", json=body).status_code == 400
    assert http.put(f"/workitems/{uid}/state", json=[{}]).status_code == 400
