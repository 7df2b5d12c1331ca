"""The bank grown up: PostgreSQL and an object store in place of the folder, behind the same commands."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid

from contracts.postgres import postgres_server
from contracts.seaweed import Seaweed, seaweed_server
from journeys.dump import differences, dump
from journeys.senders import STUDY_FIND, as_files, associated, c_store, dataset_of, stored, stow, uid_of
from make import a_file, a_series, read
from running import Running, command_line, descendants, running_bank
from samples import sample_data
from schema import fresh_database


@dataclass(frozen=True)
class Grown:
    """A running bank, and the database behind it."""

    bank: Running
    database: str
    secrets: tuple[str, ...]


@pytest.fixture(scope="module")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with seaweed_server(tmp_path_factory.mktemp("seaweed")) as server:
        yield server


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory, seaweed: Seaweed) -> Iterator[Grown]:
    with postgres_server() as server, fresh_database(server) as database:
        settings = {
            "database": database,
            "objects": f"s3://{seaweed.bucket}/{generate_uid()}",
            "s3_endpoint": seaweed.endpoint,
            "s3_access_key": seaweed.access_key,
            "s3_secret_key": seaweed.secret_key,
            "open_loopback": "true",
        }
        with running_bank(tmp_path_factory.mktemp("grown"), **settings) as bank:
            yield Grown(bank, database, (seaweed.secret_key, seaweed.access_key + ":", database))


def test_it_keeps_finds_gives_and_deletes(grown: Grown) -> None:
    by_http, by_dimse = a_file(PatientID="GROWN"), a_file(PatientID="GROWN")
    study = read(by_http).StudyInstanceUID
    with grown.bank.http() as http:
        assert stow(http, by_http).status_code == 200
        assert c_store(grown.bank, by_dimse) == [0]
        found = http.get("/dicom-web/studies", params={"PatientID": "GROWN"}).json()
        kept = stored(http, uid_of(by_http)), stored(http, uid_of(by_dimse))
        metadata = http.get(f"/dicom-web/studies/{study}/metadata").json()
        deleted = http.delete(f"/dicom-web/studies/{study}").status_code
        gone = stored(http, uid_of(by_http)), http.get(f"/dicom-web/studies/{study}/metadata").status_code

    assert len(found) == 2
    assert kept[0] == by_http
    assert kept[1] is not None
    assert dataset_of(kept[1]) == dataset_of(by_dimse)
    assert metadata[0]["00080018"]["Value"] == [uid_of(by_http)]
    assert deleted in (200, 204)
    assert gone == (None, 404)


def test_it_answers_c_find(grown: Grown) -> None:
    file = a_file(PatientID="ASKED")
    c_store(grown.bank, file)
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.PatientID, asked.StudyInstanceUID = "STUDY", "ASKED", ""
    with associated(grown.bank, STUDY_FIND) as association:
        answers = [found for _, found in association.send_c_find(asked, STUDY_FIND)]

    assert [found.StudyInstanceUID for found in answers if found] == [read(file).StudyInstanceUID]


def test_commands_beside_the_running_server_are_in_force_at_once(grown: Grown) -> None:
    token = grown.bank.token("clinician", name="grown")
    with grown.bank.http(token) as http:
        before = http.get("/dicom-web/studies").status_code
        grown.bank.run("token", "revoke", "grown")
        after = http.get("/dicom-web/studies").status_code

    assert before in (200, 204)
    assert after == 401


def test_no_secret_stands_on_a_command_line(grown: Grown) -> None:
    lines = [command_line(pid) for pid in (grown.bank.pid, *descendants(grown.bank.pid))]

    assert not any(secret in line for secret in grown.secrets for line in lines)
    assert not any(secret in grown.bank.said() for secret in grown.secrets)


@pytest.mark.timeout(900)
def test_all_samples_come_in_and_the_index_comes_out_of_the_objects(grown: Grown, tmp_path: Path) -> None:
    bank = grown.bank
    again = a_file(StudyDescription="first")
    other = a_file(SOPInstanceUID=uid_of(again), StudyDescription="second")
    first = json.loads(bank.run("import", sample_data(), *as_files(tmp_path, again, other), "--json").out)
    second = json.loads(bank.run("import", sample_data(), "--json").out)
    with bank.http() as http:
        series = a_series(3)
        stow(http, *series)
        http.delete(f"/dicom-web/studies/{read(series[0]).StudyInstanceUID}")
    verified = bank.run("verify", "--json")
    assert bank.stop() == 0
    before = dump(grown.database)
    said = bank.run("reindex")
    after = dump(grown.database)
    bank.start()
    with bank.http() as http:
        kept = stored(http, uid_of(again))

    assert first["stored"] > 200
    assert second["skipped"] == second["files"]
    assert verified.status == 0, verified.out
    assert said.status == 0, said.err
    assert differences(before, after) == {}
    assert kept == again


def test_what_was_acknowledged_outlives_a_kill(grown: Grown) -> None:
    by_http, by_dimse = a_series(3), a_series(3)
    with grown.bank.http() as http:
        statuses = stow(http, *by_http).status_code, c_store(grown.bank, *by_dimse)
        grown.bank.kill()
    grown.bank.start()
    with grown.bank.http() as http:
        kept = [stored(http, uid_of(file)) for file in by_http]
        also = [stored(http, uid_of(file)) is not None for file in by_dimse]

    assert statuses == (200, [0, 0, 0])
    assert kept == by_http
    assert also == [True, True, True]
