"""How the attributes of a study or series grow with its instances: the first value that is not empty wins.

First means received first, whatever the order of entering, so that rows rebuilt from the objects come out equal.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection, delete, insert

from imagebank.model.attribute import Level
from imagebank.model.comparison import comparison
from imagebank.model.imaging import DataSet
from imagebank.storage.rows import clean, columns_of, cut, dumps, is_filled
from imagebank.storage.tables import Stored, attribute

Rank = tuple[int, str]
"""When an instance was received, in microseconds, and its UID: the smaller comes first."""

FOUNDER = "founder"
"""Key in `origins` of the instance that gives a study its patient and organization."""


@dataclass(slots=True)
class Branch:
    """The attributes of one study or series while instances are being entered."""

    dataset: DataSet = field(default_factory=dict)
    origins: dict[str, Rank] = field(default_factory=dict)
    forms: dict[str, tuple[str, ...]] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)

    @classmethod
    def of_row(cls, dataset: str, origins: str) -> "Branch":
        ranks = {key: (at, uid) for at, uid, keys in orjson.loads(origins) for key in keys.split()}
        return cls(orjson.loads(dataset), ranks)

    def take(self, dataset: DataSet, declared: Mapping[str, tuple[str, ...]], rank: Rank) -> None:
        """Let one instance speak: it fills what is missing and corrects what came from a later one."""
        for key, element in dataset.items():
            if self._is_open(key, rank) and is_filled(element):
                self.dataset[key] = element
                self._set(key, rank)
                # The declared forms of the same attribute go with it; without any, former ones no longer hold.
                self.forms[key] = declared.get(key, ())
        for key, forms in declared.items():
            if key not in dataset and forms and self._is_open(key, rank):
                self._set(key, rank)
                self.forms[key] = forms

    def renew(self, dataset: DataSet, declared: Mapping[str, tuple[str, ...]], rank: Rank) -> None:
        """Let one instance say again what it says of attributes that were not asked for when it came."""
        for key in {**dataset, **declared}:
            origin, element = self.origins.get(key), dataset.get(key, {})
            if (origin is None or rank <= origin) and (is_filled(element) or declared.get(key)):
                if is_filled(element):
                    self.dataset[key] = element
                self._set(key, rank)
                self.forms[key] = declared.get(key, ())

    def drop(self, keys: Iterable[str]) -> None:
        """Leave out attributes that are held no more."""
        for key in keys:
            self.dataset.pop(key, None)
            self.origins.pop(key, None)

    def _is_open(self, key: str, rank: Rank) -> bool:
        origin = self.origins.get(key)
        return origin is None or rank < origin

    def _set(self, key: str, rank: Rank) -> None:
        self.origins[key] = rank
        self.changed.add(key)

    @property
    def is_founded(self) -> bool:
        return FOUNDER in self.origins

    def found(self, rank: Rank) -> bool:
        """Whether this instance is now the first of all; then it gives patient and organization."""
        if not self._is_open(FOUNDER, rank):
            return False
        self._set(FOUNDER, rank)
        return True

    def forget(self, keys: Iterable[str]) -> None:
        """Drop attributes that belonged to another patient."""
        for key in keys:
            if self.dataset.pop(key, None) is not None:
                del self.origins[key]
                self.changed.add(key)
                self.forms[key] = ()

    def columns(self, attributes: Sequence[Stored]) -> dict[str, Any]:
        """The attribute columns and the two texts, as they are to stand in the row."""
        ranks: dict[Rank, list[str]] = {}
        for key, rank in self.origins.items():
            ranks.setdefault(rank, []).append(key)
        origins = [[at, uid, " ".join(sorted(keys))] for (at, uid), keys in sorted(ranks.items())]
        dataset = dict(sorted(self.dataset.items()))
        texts = {"json": clean(dumps(dataset)), "origins": dumps(origins)}
        return columns_of(attributes, dataset) | texts

    def values(self, attributes: Sequence[Stored]) -> dict[str, frozenset[str]]:
        """For each changed key, what the attribute table is to hold from now on.

        That is the forms of a declared attribute, and all values of a main attribute that has several.
        """
        values: dict[str, frozenset[str]] = {key: distinct(self.forms.get(key, ())) for key in self.changed}
        values |= dict(several(attributes, {key: self.dataset[key] for key in self.changed & self.dataset.keys()}))
        values.pop(FOUNDER, None)
        return values


def write_values(connection: Connection, level: Level, owner: int, values: Mapping[str, frozenset[str]]) -> None:
    """Give a row these values in the attribute table, in place of those it had under the same keys."""
    rows = attribute
    if not values:
        return
    connection.execute(delete(rows).where(rows.c.level == level, rows.c.owner == owner, rows.c.key.in_(list(values))))
    new = [{"level": level, "key": k, "value": v, "owner": owner} for k, vs in values.items() for v in sorted(vs)]
    if new:
        connection.execute(insert(rows), new)


def distinct(forms: Iterable[str]) -> frozenset[str]:
    return frozenset(cut(form) for form in forms if form)


def several(attributes: Sequence[Stored], dataset: DataSet) -> Iterable[tuple[str, frozenset[str]]]:
    """Attributes with a column whose element has more than one value, with all of them."""
    for stored in attributes:
        element = dataset.get(stored.key)
        if element and len(element.get("Value") or ()) > 1:
            yield stored.key, distinct(comparison(stored.attribute, element))
