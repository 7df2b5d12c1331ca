"""What other archives are known to hold of a person, as far as the caller may know: from what they answered, and when."""

from collections.abc import Collection, Sequence

from imagebank.actions import asking, exams, search
from imagebank.actions.other_archives import listed
from imagebank.bank import Bank
from imagebank.exams.said import said_of
from imagebank.model.access import HOLDERS, Principal, Right, Scope
from imagebank.model.elsewhere import Elsewhere, Line
from imagebank.model.exam import Past
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid


def known(bank: Bank, principal: Principal, patients: Collection[PatientId]) -> list[Elsewhere]:
    """Studies of these persons that other archives hold and the caller does not find here, the newest first.

    Who has not answered lately is asked, and nobody waits for that. None for owners, and for who has redeemed a card.
    """
    if not listed(bank) or principal.role in HOLDERS:
        return []
    named = asking.identifiers(bank, patients)
    asking.have_asked(bank, named, principal.name, principal.organization, are_all=True)
    return _held(bank, principal, named)


def held(bank: Bank, principal: Principal, patients: Collection[PatientId]) -> list[Elsewhere]:
    """The same from what is known, and nobody is asked."""
    return _held(bank, principal, asking.identifiers(bank, patients)) if listed(bank) else []


def _held(bank: Bank, principal: Principal, identifiers: Collection[PatientId]) -> list[Elsewhere]:
    archives = listed(bank)
    found = bank.index.elsewhere.held(identifiers, principal.scope)
    named = {one.study for one in found}
    here = {one.attributes["0020000D"]["Value"][0] for one in search.of_studies(bank, named, principal.scope)}
    # The first answer of several that name one study: the archive by name.
    by_study = {one.study: one for one in reversed(found) if one.archive in archives and one.study not in here}
    return [one for one in found if by_study.get(one.study) is one]


def exams_of(bank: Bank, patients: Collection[PatientId], scope: Scope) -> list[Past]:
    """Exams of these persons that other archives have said they hold, also those that are here; nobody is asked."""
    archives = listed(bank)
    found = bank.index.elsewhere.held(asking.identifiers(bank, patients), scope) if archives else []
    return [past(bank, one) for one in found if one.archive in archives]


def past(bank: Bank, one: Elsewhere) -> Past:
    """The exam that a study elsewhere is, as far as its words and modalities say."""
    words = {"00081030": {"vr": "LO", "Value": [one.description]}}
    series = [{**words, "00080060": {"vr": "CS", "Value": [modality]}} for modality in one.modalities] or [words]
    exam = exams.understood(bank, said_of(series))
    return Past(str(one.study), exam, exams.day_of(one.date), one.organization, one.archive)


def lines(bank: Bank) -> Sequence[Line]:
    """How each archive of the site answers, in the site's order; nothing of anybody."""
    if not listed(bank):
        return []
    found = {one.archive: one for one in bank.index.elsewhere.lines()}
    return [found.get(name, Line(name)) for name in listed(bank)]


def one(bank: Bank, principal: Principal, archive: str, study: Uid) -> Elsewhere | None:
    """A study that an archive holds; None where there is none, or the caller may not know of it."""
    if archive not in listed(bank) or principal.role in HOLDERS:
        return None
    return bank.index.elsewhere.one(archive, study, principal.scope)


def looked_at(
    bank: Bank, principal: Principal, archive: str, study: Uid, way: str, address: str = ""
) -> Elsewhere | None:
    """The same for somebody who looks at it, which stands in the ledger first. Raises NotAllowed."""
    principal.require(Right.FIND)
    bank.reads.search(principal, f"{way}: a study of another archive", address)
    return one(bank, principal, archive, study)
