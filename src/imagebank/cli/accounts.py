"""`imagebank account`: people's own accounts, opened at the desk."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from imagebank.cli.console import ALL_WELL, HERE, Common, bank_of, new_file, operator, say, tell, typed
from imagebank.model.provision import FOR_EVER, Relation

if TYPE_CHECKING:
    from imagebank.actions.enrol import Sheet
    from imagebank.bank import Bank

app = App(name="account", help="People's own accounts: open, sheet, list, end.")
_COLUMNS = ("id", "account", "relation", "starts_at", "ends_at", "opened_by")


@app.command(name="open")
def open_(
    *,
    patient: str,
    issuer: str = "",
    relation: Relation = Relation.OWNER,
    account: str = "",
    name: str = "",
    birth_date: str = "",
    until: date | None = None,
    pdf: Path | None = None,
    language: str = "en",
    common: Common = HERE,
) -> int:
    """Open a person's account once you have seen who they are, and print its number and one-time secret.

    Example: imagebank account open --data /srv/imagebank --patient 4711 --name "Ada Varga" --pdf sheet.pdf

    Example: imagebank account open --patient 4712 --relation parent --account 471108152342

    Parameters
    ----------
    patient
        The patient's identifier.
    issuer
        The organization that gave it; the bank's own without it.
    relation
        What the holder is to the person.
    account
        The number of an account that is there, or the name of somebody who signs in elsewhere; a new one without it.
    name
        How pages call the holder.
    birth_date
        The child's, YYYYMMDD, where a parent is to hold and the record says none.
    until
        The day on which the hold ends.
    pdf
        A file for the sheet to hand out; one that is there already is left alone.
    language
        The language of the sheet.
    """
    from imagebank.actions import enrol
    from imagebank.model.person import PatientId
    from imagebank.model.zone import beginning

    with bank_of(common) as bank, typed():
        ends_at = FOR_EVER if until is None else beginning(until, bank.settings.zone)
        whose = PatientId(issuer or bank.settings.organization, patient)
        wanted = enrol.Wanted(whose, relation, account, name, birth_date, ends_at)
        _show(common, bank, enrol.enrol(bank, wanted, operator(bank)), pdf, name, language)
    return ALL_WELL


@app.command
def sheet(account: str, *, name: str = "", pdf: Path | None = None, language: str = "en", common: Common = HERE) -> int:
    """Print a new one-time secret for an account whose owner lost theirs, or all means to sign in.

    Example: imagebank account sheet 471108152342 --pdf sheet.pdf --language de

    Parameters
    ----------
    account
        The number of the account.
    name
        How the sheet calls its owner.
    pdf
        A file for the sheet to hand out; one that is there already is left alone.
    language
        The language of the sheet.
    """
    from imagebank.actions import enrol

    with bank_of(common) as bank, typed():
        _show(common, bank, enrol.reissue(bank, account, operator(bank)), pdf, name, language)
    return ALL_WELL


@app.command(name="list")
def listed(*, patient: str, issuer: str = "", common: Common = HERE) -> int:
    """Who holds a person's records.

    Example: imagebank account list --patient 4711

    Parameters
    ----------
    patient
        The patient's identifier.
    issuer
        The organization that gave it; the bank's own without it.
    """
    from imagebank.actions import enrol
    from imagebank.model.person import PatientId

    with bank_of(common) as bank:
        found = enrol.listed(bank, PatientId(issuer or bank.settings.organization, patient), operator(bank))
    rows = [(one.id, one.principal, one.terms, one.starts_at, one.ends_at, one.by) for one in found]
    say(common, [dict(zip(_COLUMNS, row, strict=True)) for row in rows], _COLUMNS)
    return ALL_WELL


@app.command
def end(holding: str, *, common: Common = HERE) -> int:
    """End what an account holds, by its identifier in the list; in force with the next request.

    Example: imagebank account end 0123456789abcdef0123456789abcdef

    Parameters
    ----------
    holding
        Which of those that `imagebank account list` shows.
    """
    from imagebank.actions import enrol

    with bank_of(common) as bank, typed():
        enrol.end(bank, holding, operator(bank))
    tell(common, "ended", outcome="ended")
    return ALL_WELL


def _show(common: Common, bank: "Bank", made: "Sheet", pdf: Path | None, name: str, language: str) -> None:
    from imagebank.http.whereabouts import web_url
    from imagebank.model import account_number
    from imagebank.portal.enrolment import printed

    if pdf is not None and made.secret:
        with new_file(pdf) as to:
            to.write(printed(bank.settings, web_url(bank.settings), made, name, language))
    words = f"account {made.account}"
    if made.secret and made.expires_at:
        words = f"account {account_number.shown(made.account)}, secret {account_number.shown(made.secret)}"
        words += f", to be used before {made.expires_at.astimezone(bank.settings.zone):%Y-%m-%d}"
    tell(common, words, account=made.account, secret=made.secret, holding=made.holding.id)
