"""What the OpenAPI document says is what a client that believes it meets."""

import json
import subprocess
import sys
from pathlib import Path

import httpx

from bank import a_token, bearer, keep, open_test_bank, serving
from make import a_series

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def test_requests_made_from_the_document_get_the_answers_that_it_names(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank, serving(bank) as url:
        keep(bank, *a_series(2))
        token = a_token(bank)
        document = tmp_path / "openapi.json"
        document.write_text(json.dumps(httpx.get(f"{url}/api/openapi.json", headers=bearer(token)).json()))
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "run", str(document), "--url", url),
            *("-H", f"Authorization: Bearer {token}", "--checks", CHECKS),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", "5", "--seed", "1"),
        ]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=150, cwd=tmp_path, check=False)

    assert "Failures:" not in ended.stdout, ended.stdout[-6000:]
    assert "Tested: 3" in ended.stdout, ended.stdout[-6000:]
