"""Loaded by schemathesis: what it makes up for one caller is sent again by every other role, and none meets a fault."""

import json
import os
from collections.abc import Mapping
from typing import Any, Final

import requests
import schemathesis
from schemathesis import Case, CheckContext, Response
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure

from protocol import openapi_bodies  # noqa: F401 - schemathesis loads one module, and this is it

# The bearer token of each further role; `test_openapi.py` gives them.
_callers: Final[Mapping[str, str]] = json.loads(os.environ["OPENAPI_TOKENS"])
_session: Final = requests.Session()


@schemathesis.check
def no_role_meets_a_fault(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """Of the random requests only: what the other phases make up for every limit of a schema is the same for all."""
    if ctx.phase != "fuzzing":
        return
    for role, token in _callers.items():
        again = response.request.copy()
        again.headers["Authorization"] = f"Bearer {token}"
        answer = _session.send(again, timeout=60)
        try:
            not_a_server_error(ctx, Response.from_requests(answer, verify=False), case)
        except Failure as error:
            raise AssertionError(f"as {role}: {error}") from error
