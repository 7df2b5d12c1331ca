"""What matching is worth: precision of automatic links, and recall with the queue, on people who do not exist."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

from imagebank.actions.persons import CANDIDATES
from imagebank.actions.population import Record, population
from imagebank.model.identity_comparison import Profile, keys, names_of, profile
from imagebank.model.identity_weights import Census, Verdict, Weights, verdict, weigh

Progress = Callable[[int, int], None]
NO_ERROR: Final = "none"
_STEP: Final = 1_000
BIN: Final = 2


@dataclass(frozen=True, slots=True)
class Kind:
    """Pairs of records of one person that have an error, and how many of them were found."""

    error: str
    pairs: int
    linked: int
    found: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of one population. A pair is two records; `true` ones are of one person.

    `linked` pairs belong to one person after all automatic links, `wrong` of them to two in truth; of those `wrong_by`
    tells how the two are related. `found` are true pairs that are one person's once somebody has answered the queue.
    `asked` are the queue's questions, `asked_true` those whose answer is yes. `scores` counts pairs that were compared
    by score, in steps of two: those of two persons, and true ones.
    """

    records: int
    people: int
    seed: int
    without: tuple[str, ...]
    automatic: float
    review: float
    compared: int
    true: int
    linked: int
    wrong: int
    wrong_by: dict[str, int]
    found: int
    asked: int
    asked_true: int
    kinds: tuple[Kind, ...]
    scores: dict[int, tuple[int, int]]

    @property
    def precision(self) -> float:
        return 1 - self.wrong / self.linked if self.linked else 1.0

    @property
    def recall_alone(self) -> float:
        return (self.linked - self.wrong) / self.true if self.true else 1.0

    @property
    def recall(self) -> float:
        return self.found / self.true if self.true else 1.0


def in_silence(_: int, __: int) -> None:
    """For whoever does not watch."""


def measure(
    weights: Weights,
    records: int,
    seed: int,
    without: frozenset[str] = frozenset(),
    progress: Progress = in_silence,
) -> Measured:
    """Let a population of so many records come in one by one, and compare what becomes of it with the truth.

    `without` are fields that no record has.
    """
    came = list(population(records, seed, without))
    here = _Here(weights)
    for number, record in enumerate(came):
        here.hear(record)
        if number % _STEP == 0:
            progress(number, len(came))
    return _measured(here, came, seed, without)


@dataclass(slots=True)
class _Here:
    """What `actions.persons` does with records, in memory: the same search, the same weights, the same bars."""

    weights: Weights
    came: list[tuple[Record, Profile]] = field(default_factory=list)
    by_key: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    names: Counter[str] = field(default_factory=Counter)
    person: list[int] = field(default_factory=list)
    members: dict[int, list[int]] = field(default_factory=dict)
    asked: dict[tuple[int, int], float] = field(default_factory=dict)
    scores: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    compared: int = 0

    def hear(self, record: Record) -> None:
        mine, me = profile(record.identity), len(self.came)
        found = set[int]()
        for key in keys(mine):
            bearing = self.by_key[key]
            if len(bearing) <= CANDIDATES:
                found.update(bearing)
            bearing.append(me)
        self.names.update(names_of(mine))
        self.came.append((record, mine))
        self.person.append(me)
        self.members[me] = [me]
        self._match(me, found)

    def _match(self, me: int, found: Iterable[int]) -> None:
        record, mine = self.came[me]
        census = Census(len(self.came), self.names)
        likely = []
        for other in found:
            their_record, theirs = self.came[other]
            weighed = weigh(self.weights, mine, theirs, census)
            self.compared += 1
            self.scores[int(weighed.score // BIN) * BIN][record.human == their_record.human] += 1
            says = verdict(self.weights, weighed, len(self.came))
            if says is not Verdict.NOTHING:
                likely.append((-weighed.score, other, says is Verdict.LINK))
        for score, other, is_sure in sorted(likely):
            self._consider(me, other, -score, is_sure=is_sure)

    def _consider(self, me: int, other: int, score: float, *, is_sure: bool) -> None:
        mine, theirs = self.members[self.person[me]], self.members[self.person[other]]
        if self.person[me] == self.person[other]:
            return
        shared = {self._issuer(each) for each in mine} & {self._issuer(each) for each in theirs}
        if not is_sure or shared or (len(mine) > 1 and len(theirs) > 1):
            self.asked[other, me] = score
            return
        gone, into = (me, other) if len(mine) == 1 else (other, me)
        whose = self.person[into]
        del self.members[self.person[gone]]
        self.person[gone] = whose
        self.members[whose].append(gone)

    def _issuer(self, number: int) -> str:
        return self.came[number][0].identity.patient.issuer


def _measured(here: _Here, came: Sequence[Record], seed: int, without: frozenset[str]) -> Measured:
    of_human: defaultdict[int, list[int]] = defaultdict(list)
    for number, record in enumerate(came):
        of_human[record.human].append(number)
    true = [pair for group in of_human.values() for pair in combinations(group, 2)]
    linked = [pair for group in here.members.values() for pair in combinations(group, 2)]
    wrong = [(a, b) for a, b in linked if came[a].human != came[b].human]
    asked_true = [(a, b) for a, b in here.asked if came[a].human == came[b].human]
    after = _answered(here.person, asked_true)
    found = {(a, b) for a, b in true if after[a] == after[b]}
    return Measured(
        len(came),
        len(of_human),
        seed,
        tuple(sorted(without)),
        here.weights.automatic,
        here.weights.review,
        here.compared,
        len(true),
        len(linked),
        len(wrong),
        dict(Counter(came[a].kin or came[b].kin or "strangers" for a, b in wrong)),
        len(found),
        len(here.asked),
        len(asked_true),
        _kinds(came, true, here.person, found),
        {score: (counts[0], counts[1]) for score, counts in sorted(here.scores.items())},
    )


def _answered(person: Sequence[int], pairs: Iterable[tuple[int, int]]) -> list[int]:
    """To which person each record belongs once somebody has answered every question rightly."""
    above = list(range(len(person)))

    def top(one: int) -> int:
        while above[one] != one:
            above[one] = above[above[one]]
            one = above[one]
        return one

    for a, b in pairs:
        above[top(person[a])] = top(person[b])
    return [top(each) for each in person]


def _kinds(
    came: Sequence[Record], true: Sequence[tuple[int, int]], person: Sequence[int], found: set[tuple[int, int]]
) -> tuple[Kind, ...]:
    counts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for a, b in true:
        for error in came[a].errors | came[b].errors or {NO_ERROR}:
            counts[error][0] += 1
            counts[error][1] += person[a] == person[b]
            counts[error][2] += (a, b) in found
    return tuple(Kind(error, *numbers) for error, numbers in sorted(counts.items(), key=lambda each: -each[1][0]))
