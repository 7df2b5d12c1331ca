"""The reconciliation queue as a page: what waits, one thing of it with its picture, and whoever it may be. One key decides.

Forms do all of it without script; `static/queue.js` makes keys of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from imagebank.actions import reconciling, repeat_orders
from imagebank.actions.guesses import FIELDS
from imagebank.bank import Bank
from imagebank.errors import BankError, Conflict, Invalid, NotFound, status_for
from imagebank.http.auth import address_of, bank_of
from imagebank.http.errors import HTTP_STATUS
from imagebank.model.access import Principal, Right
from imagebank.model.identity import Identity
from imagebank.model.person import PatientId, PersonName
from imagebank.model.task import WHOSE, Kind, State, Task, Wanted
from imagebank.portal import queue_view
from imagebank.portal.language import noted
from imagebank.portal.layout import ASKING, HEADERS, for_the_signed_in, page, read_own_form, see_other
from imagebank.portal.refusals import worded
from imagebank.portal.rows import study_row

_STATES: Final[Mapping[State, str]] = {
    State.OPEN: noted("To do"),
    State.POSTPONED: noted("Later"),
    State.ASIDE: noted("Laid aside"),
    State.SETTLED: noted("Done"),
}
_VIEW: Final = ("kind", "state", "department", "after")
_REFUSALS: Final = (Invalid, Conflict, NotFound)


@dataclass(frozen=True, slots=True)
class View:
    """What the list is narrowed to, and what is looked at."""

    wanted: Wanted
    task: str = ""
    done: str = ""
    image: int = 1

    def address(self, task: str = "", **other: str) -> str:
        """The page with another task, or narrowed otherwise, and the list as it is."""
        kept = {
            "kind": str(self.wanted.kind or ""),
            "state": "" if self.wanted.state is State.OPEN else str(self.wanted.state),
            "department": self.wanted.department,
            "after": self.wanted.after,
        }
        asked = {name: value for name, value in {**kept, "task": task, **other}.items() if value}
        return "/queue" + (f"?{urlencode(asked)}" if asked else "")


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody sent that could not be done, so that nothing has to be typed again."""

    fields: Mapping[str, str] = field(default_factory=dict)
    notice: str = ""
    status: int = HTTPStatus.OK
    sought: str = ""


def _view(given: Mapping[str, str], task: str = "") -> View:
    kind, state, image = given.get("kind", ""), given.get("state", ""), given.get("image", "")
    wanted = Wanted(
        State(state) if state in set(State) else State.OPEN,
        Kind(kind) if kind in set(Kind) else None,
        given.get("department", "")[:64],
        queue_view.PAGE_SIZE,
        given.get("after", "")[:512],
    )
    number = int(image) if image.isascii() and image.isdigit() and len(image) < 6 else 1
    return View(wanted, task or given.get("task", ""), given.get("done", ""), number)


def _listed(form: Mapping[str, str], task: str) -> View:
    """The list as it was when a form was shown, beside the form's own fields."""
    return _view({name: form.get(f"list_{name}", "") for name in _VIEW}, task)


@for_the_signed_in
async def show(request: Request, principal: Principal) -> Response:
    """The list, and the first of it or the one that is asked for."""
    principal.require(Right.RECONCILE)
    return await _page(request, principal, _view(request.query_params))


async def _page(request: Request, principal: Principal, view: View, typed: Typed | None = None) -> Response:
    given = (bank_of(request), principal, view, typed or Typed(), address_of(request))
    try:
        context = await run_in_threadpool(_context, *given)
    except Invalid:
        return see_other("/queue")  # a page that no page named
    status = typed.status if typed else HTTPStatus.OK
    answer = page(request, "queue.html", status, principal, **context)
    # Its script says that somebody is at a task, and when they leave it.
    answer.headers.update(ASKING)
    return answer


def _context(bank: Bank, principal: Principal, view: View, typed: Typed, address: str) -> dict[str, Any]:
    found = reconciling.page(bank, view.wanted, principal, address)
    ids = [task.id for task in found.tasks]
    current = view.task or next(iter(ids), "")
    try:
        shown = reconciling.shown(bank, current, principal, address, typed.sought) if current else None
    except NotFound:
        # Somebody was faster: the first that is left is shown instead.
        current = next((each for each in ids if each != current), "")
        shown = reconciling.shown(bank, current, principal, address) if current else None
    place = ids.index(current) if current in ids else -1
    following = ids[place + 1] if place + 1 < len(ids) else ""
    return {
        "view": view,
        "rows": queue_view.rows(bank, found.tasks, current, principal),
        "after": found.after,
        "counts": reconciling.counts(bank, principal),
        "oldest": queue_view.age(found.tasks[0].opened_at, bank.now()) if found.tasks else "",
        "kinds": queue_view.KINDS,
        "states": _STATES,
        "answers": queue_view.ANSWERS.get(shown.task.kind, {}) if shown else {},
        "task": shown.task if shown else None,
        "following": following,
        "before": ids[place - 1] if place > 0 else "",
        "done": _done(bank, view, principal),
        "typed": typed,
        **_of_task(bank, shown, view, typed, principal),
    }


def _of_task(
    bank: Bank, shown: reconciling.Shown | None, view: View, typed: Typed, principal: Principal
) -> dict[str, Any]:
    """What belongs to the task that is looked at."""
    found: dict[str, Any] = dict.fromkeys(("picture", "fields", "people", "compared", "pair", "study", "repeat"))
    if shown is None:
        return found | {"standing": "", "taken_by": ""}
    now, mark = bank.now(), shown.task.mark
    found["picture"] = queue_view.picture(bank, shown, view.image, principal)
    if shown.known is not None:
        found["fields"] = queue_view.fields(shown, typed.fields)
        found["people"] = queue_view.people(shown.candidates, typed.fields.get("patient"))
        found["compared"] = queue_view.compared(shown)
    elif shown.records:
        found["pair"] = queue_view.pair(shown)
    if shown.instances and (shown.known is None or shown.task.kind is Kind.MEDIA):
        found["study"] = study_row(bank, shown.instances[0].study, principal.scope)
    if shown.task.kind is Kind.REPEAT:
        found["repeat"] = queue_view.repeat(repeat_orders.shown(bank, shown.task, principal.scope))
    taken = mark.taken_by if mark.is_taken(now) and mark.taken_by != principal.name else ""
    return found | {"standing": str(shown.task.state(now)), "taken_by": taken}


def _done(bank: Bank, view: View, principal: Principal) -> dict[str, Any] | None:
    """What was done with the task before, to be taken back where somebody slipped."""
    task = bank.index.tasks.task(view.done, principal.scope, bank.now()) if view.done else None
    if task is None or task.state(bank.now()) is State.OPEN:
        return None
    whose = ""
    if task.kind in WHOSE and task.state(bank.now()) is State.SETTLED:
        whose = study_row(bank, task.studies[0], principal.scope).patient.text
    return {"task": task, "whose": whose, "standing": str(task.state(bank.now()))}


Form = Mapping[str, str]
Act = Callable[[Bank, str, Principal, Form, str], Task]


def _deciding(act: Act) -> Any:
    """A form that decides about a task, and goes on to the next."""

    @for_the_signed_in
    async def decide(request: Request, principal: Principal) -> Response:
        form = await read_own_form(request)
        task = request.path_params["task"]
        view = _listed(form, task)
        try:
            await run_in_threadpool(act, bank_of(request), task, principal, form, address_of(request))
        except _REFUSALS as error:
            status = status_for(error, HTTP_STATUS, HTTPStatus.CONFLICT)
            status = HTTPStatus.UNPROCESSABLE_ENTITY if isinstance(error, Invalid) else status
            return await _page(request, principal, view, Typed(form, worded(error), status))
        return see_other(view.address(form.get("next", ""), done=task))

    return decide


def _identify(bank: Bank, task: str, principal: Principal, form: Form, address: str) -> Task:
    issuer = reconciling.shown(bank, task, principal, address).task.organization
    accepted = {name: form[name] for name in FIELDS if form.get(name, "-") not in ("", "-")}
    if form.get("patient", "") != "new":
        who = PatientId(issuer, form.get("patient", "").strip())
        return reconciling.identify(bank, task, principal, who, accepted, address=address)
    who = PatientId(issuer, form.get("patient_id", "").strip())
    name = "^".join(form.get(each, "").strip() for each in ("family_name", "given_name")).rstrip("^")
    born = form.get("birth_date", "").replace("-", "")
    new = Identity(who, PersonName.parse(name), born, form.get("sex", ""))
    return reconciling.identify(bank, task, principal, who, accepted, new=new, address=address)


def _postpone(bank: Bank, task: str, principal: Principal, _form: Form, address: str) -> Task:
    return reconciling.postpone(bank, task, principal, address=address)


def _aside(bank: Bank, task: str, principal: Principal, form: Form, address: str) -> Task:
    return reconciling.lay_aside(bank, task, principal, form.get("reason", ""), address)


def _settle(bank: Bank, task: str, principal: Principal, form: Form, address: str) -> Task:
    return reconciling.settle(bank, task, principal, form.get("how", ""), form.get("reason", ""), address)


def _undo(bank: Bank, task: str, principal: Principal, form: Form, address: str) -> Task:
    return reconciling.undo(bank, task, principal, form.get("reason", ""), address)


@for_the_signed_in
async def undo(request: Request, principal: Principal) -> Response:
    """Take back what was decided, and show it again."""
    form = await read_own_form(request)
    task = request.path_params["task"]
    try:
        await run_in_threadpool(_undo, bank_of(request), task, principal, form, address_of(request))
    except _REFUSALS as error:
        status = status_for(error, HTTP_STATUS, HTTPStatus.CONFLICT)
        return await _page(request, principal, _listed(form, task), Typed(form, worded(error), status))
    return see_other(_view({}).address(task))


@for_the_signed_in
async def seek(request: Request, principal: Principal) -> Response:
    """The same page with patients of that identifier or name: by a form, so that no name stands in an address."""
    form = await read_own_form(request)
    principal.require(Right.RECONCILE)
    typed = Typed(
        {"patient": ""} if form.get("sought", "").strip() else {}, sought=form.get("sought", "").strip()[:128]
    )
    return await _page(request, principal, _listed(form, request.path_params["task"]), typed)


@for_the_signed_in
async def take(request: Request, principal: Principal) -> Response:
    """Say that somebody is at it; the page's script does when it shows a task."""
    return await _having(request, principal, reconciling.take)


@for_the_signed_in
async def release(request: Request, principal: Principal) -> Response:
    """Say that nobody is any more."""
    return await _having(request, principal, reconciling.let_go)


async def _having(request: Request, principal: Principal, act: Callable[..., Task]) -> Response:
    await read_own_form(request)
    try:
        await run_in_threadpool(act, bank_of(request), request.path_params["task"], principal, address_of(request))
    except BankError as error:
        return Response(None, status_for(error, HTTP_STATUS, HTTPStatus.CONFLICT), HEADERS)
    return Response(None, HTTPStatus.NO_CONTENT, HEADERS)


ROUTES: Final = [
    Route("/queue", show, methods=["GET"]),
    Route("/queue/{task}/identify", _deciding(_identify), methods=["POST"]),
    Route("/queue/{task}/postpone", _deciding(_postpone), methods=["POST"]),
    Route("/queue/{task}/aside", _deciding(_aside), methods=["POST"]),
    Route("/queue/{task}/settle", _deciding(_settle), methods=["POST"]),
    Route("/queue/{task}/undo", undo, methods=["POST"]),
    Route("/queue/{task}/search", seek, methods=["POST"]),
    Route("/queue/{task}/take", take, methods=["POST"]),
    Route("/queue/{task}/release", release, methods=["POST"]),
]
