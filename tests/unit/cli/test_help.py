"""`--help`: every command and every option is described."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import App

from imagebank.cli.commands import cli
from running import imagebank


def commands(app: App = cli, name: str = "") -> Iterator[tuple[str, App]]:
    """Every command that does something, with its words."""
    for part in (part for part in app if not part.startswith("-")):
        words = f"{name} {part}".strip()
        if app[part].default_command is None:
            yield from commands(app[part], words)
        else:
            yield words, app[part]


def test_every_command_is_met() -> None:
    assert {"serve", "import", "token create", "device echo", "quarantine submit"} <= {name for name, _ in commands()}


@pytest.mark.parametrize(("name", "command"), [pytest.param(*found, id=found[0]) for found in commands()])
def test_every_parameter_has_a_help_text_and_every_command_an_example(name: str, command: App) -> None:
    arguments = command.assemble_argument_collection(parse_docstring=True)
    silent = [one.name for one in arguments if one.show and not one.parameter.help]
    shown = imagebank(*name.split(), "--help")

    assert silent == []
    assert shown.status == 0
    assert f"Example: imagebank {name}" in " ".join(shown.out.split())


def test_options_of_every_command_are_never_taken_by_position(tmp_path: Path) -> None:
    said = imagebank("verify", tmp_path)

    assert said.status == 2
    assert list(tmp_path.iterdir()) == []
