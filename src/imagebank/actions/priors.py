"""Which earlier studies of the same person are worth comparing with one, or with what is ordered; each with its reasons.

`wide` are answers that other archives' studies are among, as far as these have said what they hold.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from imagebank.actions import elsewhere, exams, ordered, search
from imagebank.actions.timeline import whose
from imagebank.bank import Bank
from imagebank.exams.comparing import likeness
from imagebank.exams.priors import ranked
from imagebank.model.access import Principal, Right
from imagebank.model.elsewhere import Elsewhere
from imagebank.model.exam import Asked, Past, Prior
from imagebank.model.imaging import DataSet
from imagebank.model.order import Order
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid


@dataclass(frozen=True, slots=True)
class Ranked:
    """An exam with its priors, best first, and what a list says of the study of each.

    `away` are those of them that another archive holds, by study.
    """

    asked: Asked
    priors: tuple[tuple[Prior, DataSet], ...]
    away: Mapping[str, Elsewhere] = field(default_factory=dict)


def of_study(
    bank: Bank,
    principal: Principal,
    study: Uid,
    way: str,
    address: str = "",
    most: int = 50,
    *,
    wide: bool = False,
) -> Ranked:
    """The priors of a study. Raises NotAllowed, and NotFound for a study that is not there or not for the caller."""
    principal.require(Right.FIND)
    bank.reads.search(principal, f"{way}: priors of a study", address)
    _, _, patients = whose(bank, principal, study)
    history = exams.history(bank, patients, principal.scope) if patients else []
    current = next((one for one in history if one.id == study), None)
    if current is None:
        current = exams.of_study(bank, study, principal.scope)
    day = current.day or bank.now().astimezone(bank.settings.zone).date()
    asked = Asked(current.exam, day, organization=current.organization, id=study)
    away = elsewhere.known(bank, principal, patients) if wide else []
    return _ranked(bank, principal, asked, history, most, away)


def of_order(
    bank: Bank,
    principal: Principal,
    number: str,
    way: str,
    address: str = "",
    most: int = 50,
    *,
    by_accession: bool = False,
    wide: bool = False,
) -> Ranked:
    """The priors of what an order asks for, by its number or accession number; of its first step that is not over.

    Raises NotAllowed, NotFound for an order that is not there or not for the caller, and Invalid where several patients
    have one of this number.
    """
    principal.require(Right.FIND)
    bank.reads.search(principal, f"{way}: priors of an order", address)
    look = ordered.with_accession if by_accession else ordered.numbered
    order = look(bank, number, principal.scope)
    patients = ordered.records(bank, [order.patient.id], order.organization, principal.scope)
    away = elsewhere.known(bank, principal, patients) if wide else []
    return among(bank, principal, ordered.asked(bank, order), patients, most, away)


def of_wish(
    bank: Bank,
    principal: Principal,
    asked: Asked,
    patients: Collection[PatientId],
    way: str,
    address: str = "",
    most: int = 50,
) -> Ranked:
    """The priors of an exam that is only wanted, of a person with these records. Raises NotAllowed."""
    principal.require(Right.FIND)
    bank.reads.search(principal, f"{way}: priors of an order", address)
    return among(bank, principal, asked, patients, most)


def among(
    bank: Bank,
    principal: Principal,
    asked: Asked,
    patients: Collection[PatientId],
    most: int,
    away: Sequence[Elsewhere] = (),
) -> Ranked:
    """The same for a job of the bank's own, of which nobody is told what was found."""
    history = exams.history(bank, patients, principal.scope)
    return _ranked(bank, principal, asked, [exams.timely(past, asked.day) for past in history], most, away)


def of_orders(
    bank: Bank, principal: Principal, orders: Sequence[Order], patients: Collection[PatientId]
) -> list[tuple[Prior, DataSet] | None]:
    """The best prior of each of some orders of one person, whose history is read once; for a page that is noted already."""
    history = exams.history(bank, patients, principal.scope) if orders else []
    found = []
    for order in orders:
        asked = ordered.asked(bank, order)
        timely = [exams.timely(past, asked.day) for past in history]
        found.append(next(iter(_ranked(bank, principal, asked, timely, 1).priors), None))
    return found


def _ranked(
    bank: Bank,
    principal: Principal,
    asked: Asked,
    history: Collection[Past],
    most: int,
    away: Sequence[Elsewhere] = (),
) -> Ranked:
    others = {str(one.study): one for one in away}
    everything = [*history, *(exams.timely(elsewhere.past(bank, one), asked.day) for one in away)]
    found = ranked(likeness(bank.settings.priors_file, bank.settings.exams_file), asked, everything)[:most]
    named = [Uid(prior.past.id) for prior in found if not prior.past.archive]
    shown = {
        one.attributes["0020000D"]["Value"][0]: one.attributes
        for one in search.of_studies(bank, named, principal.scope)
    }
    shown |= {prior.past.id: others[prior.past.id].attributes for prior in found if prior.past.archive}
    told = tuple((prior, shown[prior.past.id]) for prior in found if prior.past.id in shown)
    return Ranked(asked, told, {prior.past.id: others[prior.past.id] for prior, _ in told if prior.past.archive})
