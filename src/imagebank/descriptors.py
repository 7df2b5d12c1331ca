"""How many files and connections a process may hold."""

import resource
from typing import Final

# What more could hold is memory, and some systems say "any number".
_ENOUGH: Final = 65_536


def raised() -> int:
    """Take as many as the system gives without asking; how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return _ENOUGH if soft == resource.RLIM_INFINITY else soft
