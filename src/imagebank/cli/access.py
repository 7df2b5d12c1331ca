"""`imagebank access`: who may see a study, and why."""

import sys
from typing import TYPE_CHECKING, Any

import orjson
from cyclopts import App

from imagebank.cli.console import (
    ALL_WELL,
    HERE,
    NOT_WELL,
    Common,
    bank_of,
    operator,
    out,
    purpose_typed,
    say,
    table,
    typed,
)
from imagebank.model.access import Asker, Role
from imagebank.model.rights import purpose_of
from imagebank.model.uid import Uid

if TYPE_CHECKING:
    from imagebank.actions import rights

app = App(name="access", help="Who may see a study: explain, who.")


@app.command
def explain(
    study: str,
    *,
    common: Common = HERE,
    role: Role,
    organization: str = "",
    name: str = "",
    purpose: str = "",
) -> int:
    """Say whether somebody may see a study, and every rule and decision that bears on it; 1 when they may not.

    Example: imagebank access explain 1.2.840.1 --role clinician --organization south --data /srv/imagebank

    Parameters
    ----------
    study
        Its Study Instance UID.
    role
        What the asker is.
    organization
        Whose; the bank's own without it.
    name
        Under which name the asker is known, where decisions name somebody.
    purpose
        Why somebody asks, such as TREAT or HRESCH; what is usual for the role without it.
    """
    from imagebank.actions import rights

    with bank_of(common) as bank:
        with typed():
            uid = Uid.parse(study)
        why = purpose_typed(purpose) or purpose_of(role)
        asker = Asker(name, role, organization or bank.settings.organization, why, bank.now())
        found = rights.explain(bank, uid, asker, operator(bank))
    _report(found, asker, as_json=common.json)
    return ALL_WELL if found.may_see else NOT_WELL


def _report(found: "rights.Explained", asker: Asker, *, as_json: bool) -> None:
    if as_json:
        reasons = [{"effect": one.effect, "name": one.name, "holds": one.holds} for one in found.reasons]
        answer: dict[str, Any] = {"may_see": found.may_see, "purpose": str(asker.purpose), "reasons": reasons}
        sys.stdout.write(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    rows = [(one.effect, one.name, "holds" if one.holds else "") for one in found.reasons]
    out.print(table(("effect", "rule or decision", "for this study"), rows))
    word = "may see it" if found.may_see else "may not see it"
    out.print(f"{asker.role} of {asker.organization}, for {asker.purpose}: {word}", markup=False)


@app.command
def who(study: str, *, common: Common = HERE) -> int:
    """List which role of which organization may see a study, for the usual purpose of the role.

    Example: imagebank access who 1.2.840.1 --data /srv/imagebank

    Parameters
    ----------
    study
        Its Study Instance UID.
    """
    from imagebank.actions import rights

    with bank_of(common) as bank:
        with typed():
            uid = Uid.parse(study)
        found = rights.who(bank, uid, operator(bank))
    columns = ("role", "organization", "may_see")
    if common.json:
        say(common, [{name: getattr(one, name) for name in columns} for one in found], columns)
        return ALL_WELL
    rows = [(one.role, one.organization, "may see" if one.may_see else "") for one in found]
    out.print(table(("role", "organization", "this study"), rows))
    return ALL_WELL
