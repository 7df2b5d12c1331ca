"""`imagebank completeness`: what is missing, and settling it."""

import json
from pathlib import Path

import pytest

from bank import keep, open_test_bank
from imagebank.actions import completeness
from imagebank.model.uid import Uid
from make import a_series
from running import Said, imagebank

STUDY, GAPPY = "1.2.1", "1.2.2"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("arrivals")
    with open_test_bank(folder, arrival_quiet_minutes=0) as bank:
        keep(bank, *a_series(2, StudyInstanceUID=STUDY, NumberOfSeriesRelatedInstances=4, SeriesNumber=7))
        gappy = a_series(9, StudyInstanceUID=GAPPY)
        keep(bank, *gappy[:3], *gappy[5:])
        for study in (STUDY, GAPPY):
            completeness.judge(bank, Uid(study))
    return folder / "bank"


def asked(data: Path, *arguments: str) -> Said:
    at_once = {"COLUMNS": "200", "IMAGEBANK_ARRIVAL_QUIET_MINUTES": "0"}
    return imagebank("completeness", *arguments, "--data", data, environ=at_once)


def test_it_lists_what_is_missing_and_says_so_by_its_exit_status(data: Path) -> None:
    plain = asked(data)
    rows = json.loads(asked(data, "--state", "missing", "--json").out)

    assert plain.status == 1
    assert "2 of 4 images of series 7" in " ".join(plain.out.split())
    assert [(one["study"], one["said_by"]) for one in rows] == [(STUDY, "header"), (GAPPY, "numbers")]
    assert rows[1]["what"] == "numbers 4 to 5 of series 1 may be missing"
    assert asked(data, "--state", "complete").status == 0
    assert asked(data, "--state", "gone").status == 2


def test_one_study_is_settled_and_opened_again(data: Path) -> None:
    settled = asked(data, "settle", STUDY, "--why", "the patient left")
    shown = json.loads(asked(data, "--study", STUDY, "--json").out)
    reopened = asked(data, "reopen", STUDY, "--json")
    unknown = asked(data, "reopen", "1.9")
    silent = asked(data, "settle", STUDY, "--why", " ")

    assert settled.out == f"{STUDY}: complete\n"
    assert (shown[0]["state"], shown[0]["missing"]) == ("complete", 0)
    assert json.loads(reopened.out) == {"study": STUDY, "state": "missing"}
    assert (unknown.status, silent.status) == (1, 2)
