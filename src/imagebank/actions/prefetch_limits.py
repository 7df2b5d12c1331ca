"""When a standing rule permits another study to go or come: its hours, and how much it permits a day."""

from datetime import UTC, datetime, timedelta

from imagebank.bank import Bank
from imagebank.exams.prefetching import Rule


def permitted(bank: Bank, link: str, rule: Rule, octets: int, now: datetime) -> datetime:
    """When a study may: now, when the hours begin, or the next day once the day's studies or bytes are used up."""
    studies, before = bank.index.prefetches.done_since(link, midnight(bank, now))
    # One study that is larger than a whole day's bytes has a day of its own.
    if studies >= rule.studies_a_day or (studies and before + octets > rule.bytes_a_day):
        return opening(bank, rule, midnight(bank, now) + timedelta(days=1))
    return opening(bank, rule, now)


def opening(bank: Bank, rule: Rule, at: datetime) -> datetime:
    """The first moment from then at which the hours permit."""
    return rule.opens(at.astimezone(bank.settings.zone)).astimezone(UTC)


def midnight(bank: Bank, now: datetime) -> datetime:
    """When the site's day began."""
    local = now.astimezone(bank.settings.zone)
    return local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
