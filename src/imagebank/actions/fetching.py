"""Bringing in what a card of another Imagebank opens: redeemed once, fetched durably, and kept as another hospital's.

Number and PIN are shown to the other bank once and kept nowhere; what it answers is a token of exactly what the card
opens, which is kept sealed until the end. Objects that are here already are not asked for again, so that a broken fetch
goes on where it broke. The patient identifiers stay the other bank's until somebody says in the queue who they are here.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from imagebank.actions import brought_reports, ingest, medium, outbound, pins, redeem
from imagebank.actions.arrival import Arrival
from imagebank.actions.audit import event
from imagebank.actions.other_bank import ENDED, Named, Web, batches, decoded, missing, named_objects
from imagebank.bank import Bank
from imagebank.errors import BankError, Invalid, NotAllowed, NotFound, TooOften, Unavailable
from imagebank.model import card_number
from imagebank.model.access import Principal, Right, Scope
from imagebank.model.event import Act, Event
from imagebank.model.fetch import Fetch
from imagebank.model.imaging import Outcome, Receipt, Selection, Source
from imagebank.model.transfer import State
from imagebank.model.uid import Uid

JOB: Final = "fetch"
MOST_LISTED: Final = 100
_BATCH: Final = 16
_LONGEST: Final = 200
_TAKEN: Final = (Outcome.STORED, Outcome.DUPLICATE)
# Well below what a job may take before another worker does it, too.
_AT_A_TIME: Final = timedelta(seconds=60)
_SUCH_AS: Final = "https://imagebank.example"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A card of another bank: that bank's address, what the patient has told, and who asks for what reason.

    `code` is the one that was mailed, where the card's owner wants one.
    """

    address: str
    number: str
    pin: str = field(repr=False)
    name: str
    institution: str
    purpose: str
    code: str = ""


class _Study(msgspec.Struct):
    uid: str


class _Opened(msgspec.Struct):
    """What of the answer of `POST /api/v1/redeem` counts here."""

    token: str
    expires_at: datetime
    taking: bool
    studies: list[_Study]


def ask(bank: Bank, web: Web, wanted: Wanted, principal: Principal, address: str = "") -> Fetch:
    """Redeem a card at the bank that gave it, and have its studies brought in; a worker does so.

    Raises Invalid for what is mistyped, which costs no try there, NotFound for what opens nothing, NotAllowed where
    only looking is allowed, or a code is wanted, TooOften and Unavailable as the other bank says.
    """
    principal.require(Right.STORE)
    url, shown = _site(wanted.address), _shown(wanted, principal)
    now = bank.now()
    by = (principal.name, principal.role, principal.organization)
    made = Fetch(secrets.token_hex(16), *by, address, url, secret=b"", studies=(), made_at=now, ends_at=now)
    try:
        opened = _redeemed(web, made, shown)
    except BankError as error:
        refused = event(bank, Act.DECIDED, principal, address, f"fetch: {made.host}: {type(error).__name__}")
        with bank.index.begin() as tx:
            tx.record([refused])
        raise
    secret = bank.seal.seal(opened.token.encode())
    studies = tuple(dict.fromkeys(Uid.parse(one.uid) for one in opened.studies))
    made = replace(made, secret=secret, studies=studies, ends_at=opened.expires_at)
    with bank.index.begin() as tx:
        tx.fetches.put(made)
        tx.record(_told(bank, made, f"fetch {made.id}: card of {made.host} redeemed"))
        tx.defer(JOB, {"fetch": made.id}, bank.now(), key=made.id)
    return made


def _shown(wanted: Wanted, principal: Principal) -> dict[str, str]:
    """What is shown to the other bank. Raises Invalid for what it would not even look at."""
    shown = {
        "number": card_number.read(wanted.number),
        "pin": pins.read(wanted.pin),
        "name": _line(wanted.name or principal.name),
        "institution": _line(wanted.institution),
        "purpose": _line(wanted.purpose),
    }
    return shown | ({"code": code} if (code := wanted.code.strip()) else {})


def _site(address: str) -> str:
    """The root of a bank, also where somebody has pasted the address of its page for cards."""
    root = address.strip().partition("#")[0].rstrip("/").removesuffix("/redeem").rstrip("/")
    outbound.check_address(root, _SUCH_AS)
    return root


def _line(text: str) -> str:
    line = " ".join(text.split())
    if not line or len(line) > _LONGEST or not line.isprintable():
        raise Invalid("the other bank asks for your name, where you work, and why: one short line each")
    return line


def _redeemed(web: Web, made: Fetch, shown: Mapping[str, str]) -> _Opened:
    """What the other bank answers to the card. Raises its refusal, in the words that it has for all of them."""
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    status, body = web.ask(f"{made.url}/api/v1/redeem", msgspec.json.encode(shown), headers)
    match status:
        case 200:
            opened = decoded(body, _Opened, made.host)
        case 403:
            raise NotAllowed("number and PIN are right, and a code is wanted, too; it was mailed to who asked for it")
        case 404:
            raise NotFound(redeem.REFUSED)
        case 429:
            raise TooOften("{host} has heard too many wrong tries; try again later", host=made.host)
        case _:
            raise Unavailable("{host} did not answer as an Imagebank does; check the address", host=made.host)
    if not opened.taking:
        raise NotAllowed(
            "this card allows looking only, so nothing was brought in; "
            "ask the patient for one that allows to take copies, or look at {host}",
            host=made.host,
        )
    if not opened.studies:
        raise NotFound("this card opens no studies now")
    return opened


def listed(bank: Bank, principal: Principal) -> list[Fetch]:
    """What the caller has had brought in, the newest first; an admin is told of everybody's."""
    found = bank.index.fetches.fetches("" if principal.keeps else principal.name, MOST_LISTED)
    return [one for one in found if principal.may_know(one)]


def kept(bank: Bank, identifier: str, principal: Principal) -> Fetch:
    """One of them. Raises NotFound."""
    found = bank.index.fetches.fetch(identifier)
    if found is None or not principal.may_know(found):
        raise NotFound("you have brought in nothing of this name")
    return found


def work(web: Web, bank: Bank, payload: Mapping[str, Any]) -> None:
    """What the job does. Raises Unavailable to be tried again, as long as the other bank's token is good."""
    found = bank.index.fetches.fetch(payload["fetch"])
    if found is None or found.state is not State.WAITING:
        return None
    try:
        refused = _bring_in(web, bank, found)
        unread = 0 if refused is None else _bring_reports(web, bank, found)
    except (NotFound, Invalid) as error:
        _settle(bank, found, State.STOPPED, ENDED if isinstance(error, NotFound) else str(error))
    except (NotAllowed, Unavailable) as error:
        if bank.now() >= found.ends_at:
            return _settle(bank, found, State.STOPPED, ENDED)
        now = _now(bank, found)
        with bank.index.begin() as tx:
            tx.fetches.progress(found.id, now.total, now.kept, str(error))
        raise
    else:
        if refused is None:
            with bank.index.begin() as tx:
                tx.defer(JOB, {"fetch": found.id}, bank.now(), key=found.id)
        else:
            _settle(bank, found, State.DONE, _words(refused, unread))


def _words(refused: Sequence[Receipt], unread: int) -> str:
    found = []
    if refused:
        why = refused[0].error or "they lie in quarantine, where an administrator decides"
        found.append(f"{len(refused)} images were not taken in: {why}")
    if unread:
        found.append(f"{unread} reports could not be read")
    return "; ".join(found)


def _bring_reports(web: Web, bank: Bank, found: Fetch) -> int:
    """The reports of what came; how many could not be read."""
    headers = _bearer(bank, found)
    return sum(brought_reports.bring(web, bank, found, study, headers) for study in found.studies)


def _bearer(bank: Bank, found: Fetch) -> dict[str, str]:
    return {"Authorization": f"Bearer {bank.seal.unseal(found.secret).decode()}"}


def _bring_in(web: Web, bank: Bank, found: Fetch) -> list[Receipt] | None:
    """Take in what is not here yet: what was refused of it; None when its time is over and there is more."""
    headers = _bearer(bank, found)
    root = f"{found.url}/dicom-web"
    named = {study: named_objects(web.ask, root, found.host, study, headers, ENDED) for study in found.studies}
    total = sum(len(one) for series in named.values() for one in series.values())
    here = {uid for study, series in named.items() for uid in _here(bank, found, study, series)}
    _note(bank, found, total, len(here))
    end, refused = bank.now() + _AT_A_TIME, list[Receipt]()
    source = Source("api", found.by, found.organization, found.address, issuer=found.host)
    for study, path in [(study, path) for study, series in named.items() for path in missing(series, here)]:
        if bank.now() >= end:
            return None
        for batch in batches(web.files(bank, f"{root}/studies/{study}/{path}", headers), _BATCH):
            receipts = _take(bank, batch, source, study)
            taken = [one.uid for one in receipts if one.outcome in _TAKEN]
            here.update(str(uid) for uid in taken)
            refused += [one for one in receipts if one.outcome not in _TAKEN]
            _note(bank, found, total, len(here))
    return refused


def _here(bank: Bank, found: Fetch, study: Uid, series: Named) -> set[str]:
    """What of it the organization has. What others have here does not count, nor is it told."""
    held = bank.index.instances(Selection(study=study), Scope.of(found.organization))
    return {str(one.uid) for one in held} & {uid for of_it in series.values() for uid in of_it}


def _take(bank: Bank, batch: Sequence[Arrival], source: Source, study: Uid) -> list[Receipt]:
    """Take some objects in, and ask in the queue whose they are."""
    try:
        receipts = ingest.receive(bank, batch, source, study)
    finally:
        for one in batch:
            one.content.close()
    medium.ask_whose(bank, receipts, source)
    return receipts


def _note(bank: Bank, found: Fetch, total: int, kept: int) -> None:
    """Note how much of what is named is here."""
    with bank.index.begin() as tx:
        tx.fetches.progress(found.id, total, kept, "")


def _now(bank: Bank, found: Fetch) -> Fetch:
    return bank.index.fetches.fetch(found.id) or found


def _settle(bank: Bank, found: Fetch, state: State, reason: str) -> None:
    """The end, which stands in the ledger with how much is here."""
    now = _now(bank, found)
    with bank.index.begin() as tx:
        if tx.fetches.settle(found.id, state, reason, bank.now()):
            detail = f"fetch {found.id}: {state}, {now.kept} of {now.total} from {found.host}"
            tx.record(_told(bank, found, detail))


def _told(bank: Bank, found: Fetch, detail: str) -> list[Event]:
    one = Event(bank.now(), Act.DECIDED, found.by, found.organization, found.address, detail=detail)
    return [replace(one, study=study) for study in found.studies]
