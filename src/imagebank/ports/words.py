"""What the search over everything needs to have kept (`model.search`)."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from imagebank.model.access import Scope
from imagebank.model.imaging import Found
from imagebank.model.search import Document, Hit, Line, Marks
from imagebank.model.uid import Uid


class WordsReader(Protocol):
    """Looks for studies by their marks. What the scope hides is neither found nor counted."""

    def hits(self, marks: Marks, scope: Scope, most: int) -> list[Hit]:
        """Studies that have these marks, newest first; the first `most` of them. All studies, when nothing is asked."""
        ...

    def graded(self, passes: Sequence[Marks], scope: Scope, most: int) -> list[tuple[int, Hit]]:
        """The first `most` studies that any of these questions finds, each with the number of the first that does.

        In the order of the questions, and newest first of each. The last one finds all that the others do.
        """
        ...

    def shown(self, places: Collection[int], scope: Scope) -> dict[int, tuple[Found, tuple[Line, ...]]]:
        """What is said of the studies at these places."""
        ...

    def alike(self, word: str) -> list[str]:
        """Words that are written somewhere and nearly this one, the likest ones, in their order.

        It knows no scope: what is made of them may only be asked, and never shown.
        """
        ...

    def unwritten(self, limit: int, scope: Scope, after: str = "") -> list[Uid]:
        """Studies of which nothing was written yet, or an older edition (`EDITION`), by UID; those after one."""
        ...


class WordsWriter(Protocol):
    """Changes to what can be found, within one transaction. What is taken out of the archive goes by itself."""

    def put(self, document: Document, versions: Mapping[Uid, int]) -> bool:
        """Write what is said of a study in the place of what was; False, and nothing, when it has changed meanwhile.

        `versions` are those that its series had when the document was made.
        """
        ...

    def stand(self, study: Uid) -> None:
        """Write how far a study has come (`model.completeness`) beside what is said of it, as was found last.

        Nothing where nothing is said of it yet. To be done before any other change to whether the study is whole, or in
        a transaction of its own: whoever deposits locks the study first.
        """
        ...
