"""Two objects of one name that arrive at the same moment: neither sees the other when it is compared with what is held."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydicom.uid import generate_uid

from bank import SOURCE, keep, open_test_bank
from contracts.postgres import postgres_server
from imagebank import worker
from imagebank.actions import quarantine, reindex
from imagebank.actions.commit import GroupCommit
from imagebank.bank import Bank
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.imaging import Outcome, Receipt, Selection
from imagebank.model.key import owner_of
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from make import a_file, read
from running import wait_for
from schema import migrated_database

ALL = Scope(organizations=None)
KEEPER = Principal("keeper", Role.ADMIN, "local", RIGHTS[Role.ADMIN], ALL)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "sqlite":
        yield ""
    else:
        with migrated_database(request.getfixturevalue("server")) as database:
            yield database


def is_committing(bank: Bank) -> bool:
    assert isinstance(bank.commits, GroupCommit)
    return bank.commits._commit_lock.locked()


def waiting(bank: Bank) -> int:
    assert isinstance(bank.commits, GroupCommit)
    return len(bank.commits._queue)


def keep_at_once(study: Uid, *deposits: tuple[Bank, bytes]) -> list[Receipt]:
    """Deposit each file by its bank; all are written before any has its row."""
    first = deposits[0][0]
    for bank, file in deposits:  # its making needs a transaction of its own
        bank.keys.of(owner_of(PatientId(SOURCE.organization, read(file).PatientID), SOURCE.organization))
    with ThreadPoolExecutor(len(deposits)) as pool:
        with first.index.begin() as tx:
            tx.unfold(study)  # whoever writes to the study waits
            under_way = []
            for number, (bank, file) in enumerate(deposits):
                under_way.append(pool.submit(keep, bank, file))
                is_queued = number > 0 and bank is first
                wait_for(lambda one=bank, queue=is_queued: waiting(one) if queue else is_committing(one), "it waits")
        return [receipt for each in under_way for receipt in each.result(60)]


@pytest.mark.parametrize("processes", [1, 2])
def test_of_two_conflicting_copies_one_is_kept_and_the_other_laid_aside(
    tmp_path: Path, address: str, processes: int
) -> None:
    study = Uid(generate_uid())
    names = {"StudyInstanceUID": study, "SeriesInstanceUID": generate_uid(), "SOPInstanceUID": generate_uid()}
    files = [a_file(**names, StudyDescription=text) for text in ("one", "other")]
    with ExitStack() as stack:
        banks = [stack.enter_context(open_test_bank(tmp_path, database=address)) for _ in range(processes)]
        bank = banks[0]
        receipts = keep_at_once(study, (bank, files[0]), (banks[-1], files[1]))
        at_first = found(bank)
        while worker.step(replace(bank, now=lambda: bank.now() + timedelta(minutes=1))):
            pass
        reindex.reindex(bank)
        rebuilt = found(bank)

    assert sorted(receipt.outcome for receipt in receipts) == sorted([Outcome.STORED, Outcome.QUARANTINED])
    stored = files[[receipt.outcome for receipt in receipts].index(Outcome.STORED)]
    assert at_first == ([stored], [file for file in files if file != stored])
    assert rebuilt == at_first


def found(bank: Bank) -> tuple[list[bytes], list[bytes]]:
    """What is in the archive, and what in quarantine."""
    archived = [bank.blobs.read(one.location) for one in bank.index.instances(Selection(), ALL)]
    aside = [b"".join(quarantine.content(bank, one.id, KEEPER)) for one in quarantine.listed(bank, KEEPER)]
    return archived, aside


def test_of_two_equal_copies_one_is_kept_and_nothing_laid_aside(tmp_path: Path, address: str) -> None:
    study = Uid(generate_uid())
    file = a_file(StudyInstanceUID=study)
    with open_test_bank(tmp_path, database=address) as bank, open_test_bank(tmp_path, database=address) as beside:
        receipts = keep_at_once(study, (bank, file), (beside, file))
        kept = found(bank)

    assert sorted(receipt.outcome for receipt in receipts) == sorted([Outcome.STORED, Outcome.DUPLICATE])
    assert kept == ([file], [])
