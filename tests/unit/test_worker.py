"""The worker: patient with devices, and with parts of the bank that are away."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bank import open_test_bank
from imagebank import worker
from imagebank.bank import Bank
from imagebank.errors import Unavailable
from imagebank.storage import rows
from imagebank.storage.jobs import SQLJobs


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as bank:
        yield bank


def at(moment: datetime) -> datetime:
    return moment


def refuse(_: Bank, __: dict[str, Any]) -> None:
    raise Unavailable("the device does not answer")


@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [
        ("commitment-result", timedelta(days=2, hours=12), timedelta(days=4)),
        ("metadata", timedelta(minutes=3), timedelta(minutes=10)),
    ],
)
def test_a_device_has_days_to_take_a_commitment_result(
    bank: Bank, kind: str, least: timedelta, most: timedelta
) -> None:
    begin = moment = bank.now()
    with bank.index.begin() as tx:
        tx.defer(kind, {}, begin)
    pauses = []
    for _ in range(200):
        assert worker.step(replace(bank, now=partial(at, moment)), {kind: refuse})
        following = due(bank)
        if following is None:
            break
        pauses.append(following - moment)
        moment = following

    assert least < moment - begin < most
    assert pauses == sorted(pauses)
    assert max(pauses) <= timedelta(hours=1)
    assert isinstance(bank.jobs, SQLJobs)
    assert len(bank.jobs.laid_aside()) == 1


def due(bank: Bank) -> datetime | None:
    """When the job is due next; None when nobody tries any more."""
    with closing(sqlite3.connect(bank.settings.data / "index.db")) as database:
        row = database.execute("SELECT due FROM job WHERE state = 'waiting'").fetchone()
    return rows.moment(row[0]) if row else None
