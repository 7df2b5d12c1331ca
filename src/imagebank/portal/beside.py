"""The study that is chosen in a list, beside it: its picture, facts, and the earlier ones of the same person."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import earlier, elsewhere
from imagebank.actions.earlier import Earlier
from imagebank.bank import Bank
from imagebank.exams.telling import reasons
from imagebank.http.auth import address_of, bank_of
from imagebank.model.access import HOLDERS, Principal
from imagebank.model.exam import Prior
from imagebank.model.timeline import Entry
from imagebank.model.uid import Uid
from imagebank.portal.elsewhere import address_of_study
from imagebank.portal.language import counted, gettext, listed, say
from imagebank.portal.layout import for_the_signed_in, page
from imagebank.portal.rows import StudyRow, row_of, state_of

_SHOWN: Final = 5
_DAYS_AS_DAYS: Final = 60
_DAYS_AS_MONTHS: Final = 730


@dataclass(frozen=True, slots=True)
class EarlierRow:
    """An earlier study, and in words how it agrees with the chosen one.

    `archive` is the other archive that holds it, and said so at `asked_at`; empty for what is here.
    """

    study: StudyRow
    why: str
    archive: str = ""
    asked_at: datetime | None = None

    @property
    def href(self) -> str:
        """Its page: of what is elsewhere the one that fetches it."""
        uid = self.study.uid
        return address_of_study(self.archive, uid) if self.archive else f"/studies/{uid}"


@dataclass(frozen=True, slots=True)
class Beside:
    """The chosen study, the first of the earlier ones, and how many of these are not among them.

    `ranked` are all earlier ones that may be looked at side by side with it, the best first; none where it has no picture.
    `silent` are archives that do not answer, each with since when.
    """

    study: StudyRow
    where: str
    earlier: tuple[EarlierRow, ...]
    further: int
    ranked: tuple[str, ...] = ()
    silent: tuple[tuple[str, datetime], ...] = ()

    @property
    def prior(self) -> str:
        """The first of those that may be looked at side by side; empty where there is none."""
        return next(iter(self.ranked), "")


def of_study(bank: Bank, principal: Principal, study: Uid, address: str) -> Beside:
    """What stands beside the list. Raises NotAllowed, NotFound."""
    chosen, others = earlier.beside(bank, principal, study, "portal", address)
    rows = tuple(_row(one) for one in others)
    shown, row = rows[:_SHOWN], row_of(chosen.study)
    ranked = tuple(one.study.uid for one in rows if row.is_picture and one.study.is_picture)
    state, words = state_of(chosen.standing, row.instances)
    further = sum(not one.archive for one in rows[_SHOWN:])
    row = replace(row, state=state, state_words=words)
    return Beside(row, _where(chosen), shown, further, ranked, _silent(bank, principal))


def _row(one: Earlier) -> EarlierRow:
    row, said = row_of(one.entry.study), why(one)
    return EarlierRow(row, said) if one.away is None else EarlierRow(row, said, one.away.archive, one.away.asked_at)


def _silent(bank: Bank, principal: Principal) -> tuple[tuple[str, datetime], ...]:
    """The same for everybody who is told of other archives: nothing of this person."""
    if principal.role in HOLDERS:
        return ()
    return tuple((one.archive, one.since) for one in elsewhere.lines(bank) if one.since is not None)


def _where(entry: Entry) -> str:
    return listed((*entry.departments, *entry.institutions))


def why(one: Earlier) -> str:
    """How an earlier study agrees, as far as both say it: `same region, same modality, 14 days older`."""
    if one.prior is not None:
        return why_prior(one.prior, one.days)
    region = {True: gettext("same region"), False: gettext("other region"), None: ""}[one.is_same_region]
    modality = {True: gettext("same modality"), False: gettext("other modality"), None: ""}[one.is_same_modality]
    return listed(filter(None, (region, modality, _older(one.days))))


def why_prior(prior: Prior, days: int | None) -> str:
    """Why an exam that is so many days older is worth comparing."""
    # Of age it is said below, in the units that a reader would use.
    said = reasons(factor for factor in prior.factors if factor.name != "age")
    return listed([*map(say, said), *filter(None, [_older(days)])])


def _older(days: int | None) -> str:
    if days is None:
        return ""
    if days == 0:
        return gettext("the same day")
    if days < _DAYS_AS_DAYS:
        return counted(days, "%(num)s day older", "%(num)s days older")
    if days < _DAYS_AS_MONTHS:
        return counted(round(days / 30.4375), "%(num)s month older", "%(num)s months older")
    return counted(round(days / 365.25), "%(num)s year older", "%(num)s years older")


@for_the_signed_in
async def show(request: Request, principal: Principal) -> Response:
    """The same without a page around it, for the script of the list."""
    study = Uid.parse(request.path_params["study"])
    chosen = await run_in_threadpool(of_study, bank_of(request), principal, study, address_of(request))
    return page(request, "beside.html", principal=principal, chosen=chosen)


ROUTES: Final[list[BaseRoute]] = [
    Route("/studies/{study}/beside", show, methods=["GET"]),
]
