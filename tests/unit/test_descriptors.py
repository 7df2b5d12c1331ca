"""How many files a process may hold."""

import resource
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
from imagebank import descriptors
print(descriptors.raised(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(("soft", "hard", "found"), [(256, 900, 900), (900, 900, 900), (128, 1500, 1500)])
def test_a_process_takes_what_the_system_gives_without_asking(soft: int, hard: int, found: int) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < hard:
        pytest.skip("the system gives less here")
    command = [sys.executable, "-c", PROGRAM, str(soft), str(hard)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert said.split() == [str(found), str(found), str(hard)]
