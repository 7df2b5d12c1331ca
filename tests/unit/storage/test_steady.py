"""An answer of nothing ends on a beat, so that its time does not tell what is hidden."""

import time
from pathlib import Path

import pytest
from pydicom.uid import generate_uid

from bank import keep, open_test_bank
from imagebank.model.access import Scope
from imagebank.model.imaging import Selection
from imagebank.model.uid import Uid
from imagebank.storage.steady import BEAT_S, hold, rest
from make import a_file, read


@pytest.mark.parametrize(
    ("took", "left"),
    [(0.0, 0.0), (40e-6, 210e-6), (46e-6, 204e-6), (249e-6, 1e-6), (260e-6, 240e-6), (1020e-6, 230e-6)],
)
def test_what_is_left_is_the_time_until_the_next_beat(took: float, left: float) -> None:
    assert rest(took, 250e-6) == pytest.approx(left)


@pytest.mark.parametrize("dialect", BEAT_S)
def test_whoever_holds_is_there_no_sooner_than_the_beat(dialect: str) -> None:
    began = time.perf_counter()
    hold(began, dialect)

    assert time.perf_counter() - began >= BEAT_S[dialect]


def test_what_is_hidden_and_what_is_not_there_wait_for_the_beat(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        file = a_file()
        keep(bank, file)
        hidden, missing = Uid(read(file).StudyInstanceUID), Uid(generate_uid())
        for selection in (Selection(study=hidden), Selection(study=missing)):
            for ask in (bank.index.instances, bank.index.series_of):
                began = time.perf_counter()

                assert ask(selection, Scope.of("elsewhere")) == []
                assert time.perf_counter() - began >= BEAT_S["sqlite"]
