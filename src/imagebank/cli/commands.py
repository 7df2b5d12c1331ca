"""Every command, and what the program answers when one fails."""

import logging
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Parameter

from imagebank import __version__, logs
from imagebank.cli import (
    access,
    accounts,
    archives,
    arrivals,
    attributes,
    audit,
    bench,
    cards,
    clients,
    compress,
    corrections,
    decisions,
    destinations,
    devices,
    doctor,
    evaluate,
    exams,
    export,
    fetch,
    hl7,
    identities,
    journal,
    keys,
    mail,
    objects,
    people,
    pictures,
    prefetch,
    propose,
    quarantine,
    queue,
    rules,
    running,
    tokens,
)
from imagebank.cli.console import ALL_WELL, WRONG_USAGE, WrongUsage, err
from imagebank.ending import told
from imagebank.errors import BankError
from imagebank.settings import SettingsError

cli = App(
    name="imagebank",
    help="An open-source, cloud-ready bank for medical images.",
    version=__version__,
    result_action="return_value",
    default_parameter=Parameter(negative=""),
)
for command in (running.serve, running.demo, objects.verify, objects.reindex, doctor.doctor, tokens.sign_in_link):
    cli.command(command)
cli.command(objects.import_, name="import")
cli.command(compress.compress)
cli.command(export.export)
cli.command(fetch.fetch)
cli.command(propose.propose)
cli.command(corrections.correct)
cli.command(corrections.versions)
for group in (tokens.app, clients.app, people.app, devices.app, quarantine.app, audit.app, keys.app, hl7.app):
    cli.command(group)
for group in (
    rules.app,
    access.app,
    decisions.consents,
    decisions.labels,
    identities.app,
    arrivals.app,
    attributes.app,
):
    cli.command(group)
cli.command(pictures.app)
cli.command(queue.app)
cli.command(mail.app)
cli.command(accounts.app)
cli.command(cards.app)
cli.command(destinations.app)
cli.command(archives.app)
cli.command(evaluate.app)
cli.command(bench.bench)
cli.command(exams.app)
cli.command(prefetch.app)
cli.command(journal.app)


def run(arguments: Sequence[str] | None = None, *, is_program: bool = False) -> int:
    """Run a command; the exit status: 0 all well, 1 something refused, lost or altered, 2 wrong usage."""
    logs.begin(logging.WARNING, "%(levelname)s %(name)s %(message)s")
    try:
        result = cli(arguments, exit_on_error=False, print_error=True)
        if isinstance(result, running.Server):
            return result.run(is_program=is_program)
    except CycloptsError:
        return WRONG_USAGE
    except WrongUsage as error:
        err.print(str(error), markup=False)
        return WRONG_USAGE
    except (BankError, SettingsError, OSError) as error:
        text, status = told(error)
        err.print(text, markup=False)
        return status
    return result if isinstance(result, int) else ALL_WELL
