"""`imagebank consent` and `imagebank label`: what patients decide, and studies that are kept apart."""

from datetime import timedelta
from typing import Literal

from cyclopts import App

from imagebank.cli.console import ALL_WELL, HERE, Common, bank_of, operator, purpose_typed, say, tell, typed
from imagebank.model.access import Role
from imagebank.model.person import PatientId
from imagebank.model.provision import FOR_EVER, Kind, Provision
from imagebank.model.uid import Uid

consents = App(name="consent", help="Consents and care relationships: add, list, revoke.")
labels = App(name="label", help="Labels of studies, such as sensitive: put, remove.")

_COLUMNS = ("id", "kind", "word", "to", "of", "from", "until", "by")


@consents.command
def add(
    word: Literal["permit", "deny", "care"],
    *,
    common: Common = HERE,
    patient: str,
    issuer: str = "",
    organization: str = "",
    principal: str = "",
    role: Role | None = None,
    purpose: str = "",
    study: str = "",
    modality: str = "",
    since: str = "",
    until: str = "",
    days: float | None = None,
) -> int:
    """Write down what a patient permits or denies, or who cares for the patient; in force with the next read.

    Example: imagebank consent add deny --patient ADA --issuer north --organization south --data /srv/imagebank

    Parameters
    ----------
    word
        Permit or deny; care for a care relationship.
    patient
        The patient's identifier.
    issuer
        The organization that gave it; the bank's own without it.
    organization
        Whose people it is for; anybody's without it.
    principal
        The one person or system that it is for, as named in the ledger; with the role device, the AE title of one.
    role
        What those are whom it is for.
    purpose
        For what, such as TREAT or HRESCH; anything without it.
    study
        The one study that it is about, by its UID; all of the patient's without it.
    modality
        The modality that it is about, such as CT.
    since
        The first study date that it is about, such as 20260101.
    until
        The last study date that it is about.
    days
        How many days it holds; until it is revoked without it.
    """
    from imagebank.actions import consent

    with bank_of(common) as bank, typed():
        now = bank.now()
        wanted = Provision(
            "",
            Kind.CARE if word == "care" else Kind.CONSENT,
            permits=word != "deny",
            patient=PatientId(issuer or bank.settings.organization, patient),
            starts_at=now,
            ends_at=FOR_EVER if days is None else now + timedelta(days=days),
            study=Uid.parse(study) if study else None,
            modality=modality,
            since=since,
            until=until,
            organization=organization,
            principal=principal,
            role=role,
            purpose=purpose_typed(purpose),
        )
        one = consent.decide(bank, wanted, operator(bank))
    tell(common, f"{one.id} is in force", id=one.id, outcome="in force")
    return ALL_WELL


@consents.command(name="list")
def listed(*, common: Common = HERE, patient: str = "", issuer: str = "") -> int:
    """What was decided, ended and revoked decisions and emergencies, too.

    Example: imagebank consent list --patient ADA --issuer north --data /srv/imagebank

    Parameters
    ----------
    patient
        About whose images; anybody's without it.
    issuer
        The organization that gave the identifier; the bank's own without it.
    """
    from imagebank.actions import consent

    with bank_of(common) as bank:
        whose = PatientId(issuer or bank.settings.organization, patient) if patient else None
        found = consent.listed(bank, whose, operator(bank))
    say(common, [_row(one) for one in found], _COLUMNS)
    return ALL_WELL


def _row(one: Provision) -> dict[str, object]:
    whose = f"{one.patient.issuer}|{one.patient.identifier}"
    dates = f"{one.since}-{one.until}" if one.since or one.until else ""
    ends_at = one.revoked_at or one.ends_at
    return {
        "id": one.id,
        "kind": str(one.kind),
        "word": "permit" if one.permits else "deny",
        "to": " ".join(str(part) for part in (one.organization, one.principal, one.role, one.purpose) if part) or "all",
        "of": " ".join(part for part in (whose, one.study or "", one.modality, dates) if part),
        "from": one.starts_at,
        "until": "" if ends_at == FOR_EVER else ends_at,
        "by": one.by,
    }


@consents.command
def revoke(identifier: str, *, common: Common = HERE) -> int:
    """End a consent, a care relationship or an emergency, from the next read on.

    Example: imagebank consent revoke 3f0c… --data /srv/imagebank

    Parameters
    ----------
    identifier
        Its identifier, as `consent list` shows it; of those with a number after a point, what is before the point.
    """
    from imagebank.actions import consent

    with bank_of(common) as bank:
        consent.revoke(bank, identifier, operator(bank))
    tell(common, f"{identifier} is revoked", id=identifier, outcome="revoked")
    return ALL_WELL


@labels.command
def put(study: str, label: str, *, common: Common = HERE) -> int:
    """Put a label on a study; the site's rules say what follows from it.

    Example: imagebank label put 1.2.840.1 sensitive --data /srv/imagebank

    Parameters
    ----------
    study
        Its Study Instance UID.
    label
        A word or two in small letters.
    """
    from imagebank.actions import consent

    with bank_of(common) as bank, typed():
        consent.put_label(bank, Uid.parse(study), label, operator(bank))
    tell(common, f"{study} is {label}", study=study, label=label, outcome="put")
    return ALL_WELL


@labels.command
def remove(study: str, label: str, *, common: Common = HERE) -> int:
    """Take a label off a study.

    Example: imagebank label remove 1.2.840.1 sensitive --data /srv/imagebank

    Parameters
    ----------
    study
        Its Study Instance UID.
    label
        The label, as it was put.
    """
    from imagebank.actions import consent

    with bank_of(common) as bank:
        with typed():
            uid = Uid.parse(study)
        consent.remove_label(bank, uid, label, operator(bank))
    tell(common, f"{study} is {label} no longer", study=study, label=label, outcome="removed")
    return ALL_WELL
