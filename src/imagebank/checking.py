"""What settings name is read before the bank opens: a mistake in it ends the start, and not some work in the night.

What is not set is not imported either: every command begins here.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from imagebank.errors import Invalid, Unavailable
from imagebank.model.delay import Delay, delay_of
from imagebank.model.rights import Rights
from imagebank.settings import Settings, SettingsError, read_toml


@dataclass(frozen=True)
class Checked:
    """What was made of settings and of the files that they name."""

    rights: Rights
    delays: tuple[Delay, ...]


def check(settings: Settings) -> Checked:
    """Read all that the settings name. Raises SettingsError, which says where the mistake is."""
    _check_attributes(settings)
    rights, delays = _rights(settings), _delays(settings)
    _check_provider(settings)
    _check_mail(settings)
    _check_matching(settings)
    _check_proposals(settings)
    _check_exams(settings)
    _check_orders(settings)
    _check_archives(settings)
    return Checked(rights, delays)


@contextlib.contextmanager
def _told(where: str = "") -> Iterator[None]:
    try:
        yield
    except Invalid as error:
        raise SettingsError(f"{where}: {error}" if where else str(error)) from None


def _check_attributes(settings: Settings) -> None:
    if not settings.attributes:
        return
    from imagebank.dicom.dictionary import declared

    with _told("the setting attributes"):
        for text in settings.attributes:
            declared(text)


def _rights(settings: Settings) -> Rights:
    if settings.rights_file is None:
        return Rights()
    from imagebank.actions.rights import parse

    with _told(str(settings.rights_file)):
        return parse(read_toml(settings.rights_file))


def _delays(settings: Settings) -> tuple[Delay, ...]:
    with _told("the setting report_delays"):
        return tuple(delay_of(one.types, one.hours, one.reason) for one in settings.report_delays)


def _check_provider(settings: Settings) -> None:
    if not settings.oidc_issuer:
        return
    from imagebank.actions.identity import host_of, hosts
    from imagebank.actions.signing_in_elsewhere import roles

    with _told("the setting oidc_hosts"):
        hosts(settings.oidc_hosts)
    with _told("the setting oidc_roles"):
        roles(settings.oidc_roles)
    try:
        host_of(settings.oidc_issuer)
    except Unavailable:
        raise SettingsError("the setting oidc_issuer is an https address, or an http address on this machine") from None


def _check_mail(settings: Settings) -> None:
    if settings.smtp:
        from imagebank import smtp

        smtp.check(settings)


def _check_matching(settings: Settings) -> None:
    if settings.matching_file is None:
        return
    from imagebank.actions.matching import weights

    with _told(str(settings.matching_file)):
        weights(settings.matching_file)


def _check_proposals(settings: Settings) -> None:
    if settings.proposals_file is None:
        return
    from imagebank.actions.reading_names import reading

    with _told():
        reading(settings.proposals_file)


def _check_exams(settings: Settings) -> None:
    files = (settings.exams_file, settings.priors_file, settings.repeats_file, settings.doses_file)
    if not any((*files, settings.prefetch_file, settings.costs_file)):
        return
    from imagebank.exams.comparing import likeness
    from imagebank.exams.costs import costs
    from imagebank.exams.doses import doses
    from imagebank.exams.prefetching import prefetching
    from imagebank.exams.repeats import repeats

    with _told():
        prefetching(settings.prefetch_file)
        likeness(settings.priors_file, settings.exams_file)
        repeats(settings.repeats_file)
        doses(settings.doses_file, settings.exams_file)
        costs(settings.costs_file)


def _check_orders(settings: Settings) -> None:
    if not (settings.overrides_file or settings.cds_clients_file):
        return
    from imagebank.actions.cds_clients import listed
    from imagebank.exams.overriding import overrides

    with _told():
        overrides(settings.overrides_file)
        listed(settings.cds_clients_file)


def _check_archives(settings: Settings) -> None:
    if settings.archives_file is None:
        return
    from imagebank.actions.other_archives import archives_of

    with _told():
        archives_of(settings.archives_file)
