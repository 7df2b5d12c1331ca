"""What a caller may do."""

import pytest

from imagebank.errors import NotAllowed
from imagebank.model.access import RIGHTS, Principal, Right, Role, Scope


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("right", Right)
def test_a_caller_without_a_right_is_told_which_one_he_lacks(role: Role, right: Right) -> None:
    caller = Principal("Dr Varga", role, "north", RIGHTS[role], Scope.of("north"))

    if right in RIGHTS[role]:
        caller.require(right)
    else:
        with pytest.raises(NotAllowed, match=right):
            caller.require(right)


def test_only_an_administrator_deletes_and_administers() -> None:
    assert [role for role in Role if Right.DELETE in RIGHTS[role]] == [Role.ADMIN]
    assert [role for role in Role if Right.ADMINISTER in RIGHTS[role]] == [Role.ADMIN]
