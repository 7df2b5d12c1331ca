"""How the prefetch stands: for the bank itself and each reading station and archive what waits, what was done, and within what limits."""

from collections.abc import Sequence
from dataclasses import dataclass

from imagebank.actions import search
from imagebank.actions.other_archives import listed
from imagebank.actions.prefetch_limits import midnight
from imagebank.bank import Bank
from imagebank.exams.prefetching import Rule, prefetching
from imagebank.model.access import Principal, Right
from imagebank.model.imaging import DataSet
from imagebank.model.prefetch import HERE, Link, Prefetch, archive_of, source
from imagebank.model.uid import Uid

_NEWEST = 50


@dataclass(frozen=True, slots=True)
class Standing:
    """Where priors are made ready, how that stands, and how many studies a day are its limit.

    The bank itself has no rule. Nothing goes to a station, or comes from an archive, that is not known, and nothing more
    where no rule names it.
    """

    link: Link
    studies_a_day: int | None
    rule: Rule | None = None
    is_known: bool = True


def standing(bank: Bank) -> list[Standing]:
    """The bank itself, then each station and archive that a rule names or something went by.

    It is of no patient: for who may administer, and for machines.
    """
    table = prefetching(bank.settings.prefetch_file)
    found = {one.device: one for one in bank.index.prefetches.links(midnight(bank, bank.now()))}
    rules: dict[str, Rule] = {source(rule.archive): rule for rule in reversed(table.fetch)}
    rules |= {rule.device: rule for rule in reversed(table.push)}
    here, archives = Standing(found.pop(HERE, Link(HERE)), table.warm_a_day), listed(bank)
    stations = []
    for name in sorted({*found, *rules}):
        rule, archive = rules.get(name), archive_of(name)
        is_known = archive in archives if archive else bank.index.device(name) is not None
        limit = None if rule is None else rule.studies_a_day
        stations.append(Standing(found.get(name, Link(name)), limit, rule, is_known))
    return [here, *stations]


def report(
    bank: Bank, principal: Principal, way: str, address: str = ""
) -> tuple[list[Standing], Sequence[tuple[Prefetch, DataSet]]]:
    """How it stands, and the newest studies with what a list says of each, of those that the caller sees.

    Raises NotAllowed for whoever may not administer.
    """
    principal.require(Right.ADMINISTER)
    bank.reads.search(principal, f"{way}: priors made ready", address)
    newest = bank.index.prefetches.newest(_NEWEST)
    studies = list(dict.fromkeys(Uid(one.study) for one in newest))
    told = {
        one.attributes["0020000D"]["Value"][0]: one.attributes
        for one in search.of_studies(bank, studies, principal.scope)
    }
    return standing(bank), [(one, told[one.study]) for one in newest if one.study in told]
