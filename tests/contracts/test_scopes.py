"""What shows patients or studies takes a scope, and has none by itself."""

import inspect

import pytest

from imagebank.storage.alerts import SQLAlerts
from imagebank.storage.cards import SQLCards
from imagebank.storage.completeness import SQLCompleteness
from imagebank.storage.health_links import SQLHealthLinks
from imagebank.storage.histories import SQLHistories
from imagebank.storage.outlines import SQLOutlines
from imagebank.storage.persons import SQLPersons
from imagebank.storage.pictures import SQLPictures
from imagebank.storage.proposals import SQLProposals
from imagebank.storage.tasks import SQLTasks


@pytest.mark.parametrize(
    "kind",
    [
        SQLAlerts,
        SQLCards,
        SQLCompleteness,
        SQLHistories,
        SQLPersons,
        SQLPictures,
        SQLProposals,
        SQLTasks,
        SQLOutlines,
        SQLHealthLinks,
    ],
)
def test_every_reader_has_to_be_given_a_scope(kind: type) -> None:
    readers = {
        name: inspect.signature(member).parameters.get("scope")
        for name, member in vars(kind).items()
        if inspect.isfunction(member) and not name.startswith("_")
    }

    assert readers
    assert [name for name, scope in readers.items() if scope is None or scope.default is not scope.empty] == []
