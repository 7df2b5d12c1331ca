"""The command `imagebank`. A module for each group of commands; each says what it does and calls one action.

Commands load what they need when they run: help is there at once, and a token costs no decoder.
"""

import sys
from collections.abc import Sequence

INTERRUPTED = 130
"""As shells say it: 128 and the number of SIGINT."""


def run(arguments: Sequence[str] | None = None, *, is_program: bool = False) -> int:
    """Run a command; the exit status: 0 all well, 1 something refused, lost or altered, 2 wrong usage, 130 for Ctrl-C.

    Where the command is all that this process is there for, another program may take its place.
    """
    try:
        # In here, so that Ctrl-C is taken while the program is still being loaded, too.
        from imagebank.cli import commands

        return commands.run(arguments, is_program=is_program)
    except KeyboardInterrupt:
        return INTERRUPTED


def main() -> None:
    sys.exit(run(is_program=True))
