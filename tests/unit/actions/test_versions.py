"""A version of a series, once told, never comes to mean other instances: caches go by it."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from pydicom.uid import generate_uid

from bank import keep, open_test_bank
from imagebank.actions import reindex, remove, retrieve
from imagebank.bank import Bank
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.imaging import Selection
from imagebank.model.uid import Uid
from make import a_file, read

ALL = Scope(organizations=None)
KEEPER = Principal("keeper", Role.ADMIN, "local", RIGHTS[Role.ADMIN], ALL)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("deleted", [[], [0], [1], [0, 1], [1, 0], [2, 0]])
def test_a_version_names_the_same_instances_after_a_rebuild(
    tmp_path: Path, together: bool, deleted: Sequence[int]
) -> None:
    series = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    files = [a_file(**series, InstanceNumber=number) for number in range(3)]
    named: dict[object, set[frozenset[Uid]]] = {}

    def note(bank: Bank) -> None:
        selection = Selection(study=Uid(series["StudyInstanceUID"]))
        held = frozenset(one.uid for one in bank.index.instances(selection, ALL))
        named.setdefault(tuple(retrieve.versions(bank, selection, ALL)), set()).add(held)

    with open_test_bank(tmp_path) as bank:
        for batch in [files] if together else [[file] for file in files]:
            keep(bank, *batch)
            note(bank)
        for number in deleted:
            remove.remove(bank, Selection(instance=Uid(read(files[number]).SOPInstanceUID)), KEEPER)
            note(bank)
        reindex.reindex(bank)
        note(bank)
        keep(bank, a_file(**series))
        note(bank)

    assert max(map(len, named.values())) == 1
