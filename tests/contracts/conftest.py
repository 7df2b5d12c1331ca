"""Makes the PostgreSQL server known to the contract tests, and their assertions tell what they saw."""

import pytest

pytest.register_assert_rewrite("contracts.index_contract", "contracts.matching_contract", "contracts.jobs_contract")

from contracts.postgres import postgres  # noqa: E402  # the suites have to be named before they are imported

__all__ = ["postgres"]
