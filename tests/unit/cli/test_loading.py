"""What the program loads before it answers, and how it takes Ctrl-C meanwhile."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("pydicom", "numpy", "sqlalchemy", "alembic", "psycopg", "granian", "starlette", "pynetdicom", "imagecodecs")


def loaded(*arguments: str | Path) -> set[str]:
    """The names of all modules that a command has loaded when it ends."""
    program = "import sys; from imagebank import cli; cli.run(sys.argv[1:]); print('\\n', *sys.modules)"
    given = [sys.executable, "-c", program, *map(str, arguments)]
    said = subprocess.run(given, capture_output=True, text=True, check=True)
    return set(said.stdout.rpartition("\n ")[2].split())


@pytest.mark.parametrize(
    "arguments", [("--version",), ("--help",), ("import", "--help"), ("token", "create", "--help")]
)
def test_help_loads_nothing_that_touches_images_or_the_database(arguments: tuple[str, ...]) -> None:
    assert loaded(*arguments).isdisjoint(HEAVY)


def test_a_token_loads_no_server_and_no_decoder(tmp_path: Path) -> None:
    given = ("--data", tmp_path / "bank")
    loaded("token", "create", "--role", "admin", *given)

    assert loaded("token", "list", *given).isdisjoint(
        {"alembic", "granian", "starlette", "pynetdicom", "imagecodecs", "obstore", "pydicom"}
    )


def test_ctrl_c_ends_the_program_quietly_while_it_loads() -> None:
    # The interruption comes with the first module that is loaded after our own.
    program = (
        "import os, signal, sys\n"
        "from imagebank.cli import main\n"
        "sys.addaudithook(lambda event, _: event == 'import' and os.kill(os.getpid(), signal.SIGINT))\n"
        "sys.argv[1:] = ['--help']\n"
        "main()\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (said.returncode, said.stdout, said.stderr) == (130, "", "")
