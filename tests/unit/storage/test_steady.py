"""An answer of nothing ends on a beat, so that its time does not tell what is hidden."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.uid import generate_uid

from bank import keep, open_test_bank
from imagebank.bank import Bank
from imagebank.errors import NotFound
from imagebank.http.quick import quickly
from imagebank.model.access import Scope
from imagebank.model.attribute import Level
from imagebank.model.imaging import Selection
from imagebank.model.query import Condition, OneOf, Query
from imagebank.model.uid import Uid
from imagebank.ports.steady import LOOKUP_S, SEARCH_S, hold, put_off, rest
from make import a_file, read


@pytest.mark.parametrize(
    ("took", "left"),
    [(0.0, 0.0), (40e-6, 210e-6), (46e-6, 204e-6), (249e-6, 1e-6), (260e-6, 240e-6), (1020e-6, 230e-6)],
)
def test_what_is_left_is_the_time_until_the_next_beat(took: float, left: float) -> None:
    assert rest(took, 250e-6) == pytest.approx(left)


@pytest.mark.parametrize("beat", [*LOOKUP_S.values(), *SEARCH_S.values()])
def test_whoever_holds_is_there_no_sooner_than_the_beat(beat: float) -> None:
    began = time.perf_counter()
    hold(began, beat)

    assert time.perf_counter() - began >= beat


def test_an_event_loop_does_not_wait_and_its_caller_waits_as_long(tmp_path: Path) -> None:
    def miss(began: float) -> None:
        hold(began, 0.05)
        hold(time.perf_counter(), 0.05)
        raise NotFound("nothing")

    async def ask(bank: Bank) -> float:
        began = time.perf_counter()
        with pytest.raises(NotFound):
            await quickly(bank, miss, began)
        return time.perf_counter() - began

    with open_test_bank(tmp_path) as bank:
        took = asyncio.run(ask(bank))
    with put_off() as waits:
        hold(1.0, 0.05)

    assert took >= 0.05
    assert waits == [(1.0, 0.05)]


def test_what_is_hidden_and_what_is_not_there_wait_for_the_beat(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        file = a_file()
        keep(bank, file)
        by_uid = bank.catalogue.by_keyword["StudyInstanceUID"]
        for study in (Uid(read(file).StudyInstanceUID), Uid(generate_uid())):
            selection, query = Selection(study=study), Query(Level.STUDY, (Condition(by_uid, OneOf((study,))),))
            asked: list[tuple[float, Callable[[Scope], object]]] = [
                (LOOKUP_S["sqlite"], lambda scope, s=selection: bank.index.instances(s, scope)),  # type: ignore[misc]
                (LOOKUP_S["sqlite"], lambda scope, s=selection: bank.index.series_of(s, scope)),  # type: ignore[misc]
                (SEARCH_S["sqlite"], lambda scope, q=query: list(bank.index.find(q, scope))),  # type: ignore[misc]
                (SEARCH_S["sqlite"], lambda scope, q=query: bank.index.count(q, scope)),  # type: ignore[misc]
            ]
            for beat, ask in asked:
                began = time.perf_counter()

                assert not ask(Scope.of("elsewhere"))
                assert time.perf_counter() - began >= beat
