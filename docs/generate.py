"""Writes the generated parts of the documentation; a test fails when they differ from the code."""

import ast
import inspect
import itertools
import sys
from dataclasses import MISSING, fields
from pathlib import Path

from imagebank import settings
from imagebank.dicomweb import conformance as dicomweb
from imagebank.dimse import conformance as dimse

DOCS = Path(__file__).resolve().parent


def settings_page() -> str:
    """Every setting, with its default and what it is for."""
    tree = ast.parse(inspect.getsource(settings))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Settings")
    words = {}
    for field, text in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            assert isinstance(field.target, ast.Name)
            words[field.target.id] = (ast.unparse(field.annotation), ast.literal_eval(text.value))
    lines = [
        "# Settings",
        "",
        "Each may stand in `imagebank.toml` under its name, or in the environment in capitals with `IMAGEBANK_` before it.",
        "The command line comes before the environment, that before the file, and that before the default.",
        "A name in the file that is none of these ends the program; a variable that is none is warned of at the start.",
        "",
        "| setting | kind | default | what it is for |",
        "|---|---|---|---|",
    ]
    for field in fields(settings.Settings):
        kind, text = words[field.name]
        default = "" if field.default in (MISSING, None, "", ()) else f"`{field.default}`"
        lines.append(f"| `{field.name}` | `{kind}` | {default} | {text} |".replace(" | None`", "`, may be unset"))
    return "\n".join(lines) + "\n"


def pages() -> dict[Path, str]:
    """Every generated page and its text."""
    return {
        DOCS / "reference" / "settings.md": settings_page(),
        DOCS / "conformance" / "dicom.md": dimse.statement(),
        DOCS / "conformance" / "dicomweb.md": dicomweb.statement(),
    }


def main() -> None:
    for path, text in pages().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(DOCS.parent)}\n")


if __name__ == "__main__":
    main()
