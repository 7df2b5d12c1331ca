"""How a group of routes is described in the OpenAPI document: from its endpoints, and what each takes and answers."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from re import findall
from typing import Any, Final

from imagebank.http.methods import Endpoint
from imagebank.http.openapi import REFUSED

Schema = Mapping[str, Any]

UID: Final = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)*$", "maxLength": 128}
"""A UID as it may be given; one that is too long is refused in words."""


@dataclass(frozen=True, slots=True)
class Group:
    """What is said of a group beside its endpoints, each by the name of its function.

    `answers` are by status, `bodies` schemas of JSON or, with their media type, of another; `parameters` are those of
    the query. Whoever calls those that are open need not be known. `names` are the schemas of what stands in the paths.
    """

    tag: str
    answers: Mapping[str, Mapping[int, Any]]
    bodies: Mapping[str, Schema | tuple[str, Schema]] = field(default_factory=dict)
    names: Mapping[str, Schema] = field(default_factory=dict)
    parameters: Mapping[str, Sequence[Schema]] = field(default_factory=dict)
    is_open: frozenset[str] = frozenset()


def closed(required: Schema, optional: Schema | None = None) -> dict[str, Any]:
    """An object that has some fields, may have others, and has no more."""
    properties = {**required, **(optional or {})}
    return {"type": "object", "required": list(required), "properties": properties, "additionalProperties": False}


def several(schema: Schema) -> dict[str, Any]:
    """A list of such things."""
    return {"type": "array", "items": schema}


def query(name: str, schema: Schema, words: str) -> dict[str, Any]:
    """A parameter of the query."""
    return {"name": name, "in": "query", "description": words, "schema": schema}


def paths(resources: Mapping[str, Mapping[str, Endpoint]], group: Group) -> dict[str, Any]:
    """The `paths` of the OpenAPI document for these routes."""
    return {path: _described(path, methods, group) for path, methods in resources.items()}


def _described(path: str, methods: Mapping[str, Endpoint], group: Group) -> dict[str, Any]:
    found: dict[str, Any] = {
        method.lower(): _operation(method, endpoint, group) for method, endpoint in methods.items()
    }
    if names := findall(r"{(\w+)", path):
        found["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": group.names[name]} for name in names
        ]
    return found


def _operation(method: str, endpoint: Endpoint, group: Group) -> dict[str, Any]:
    name = endpoint.__name__
    shared = {code: REFUSED[code] for code in (400, 401, 403, 503)}
    operation: dict[str, Any] = {
        "operationId": f"{method.lower()}_{name}",
        "summary": (inspect.getdoc(endpoint) or "").partition("\n")[0],
        "tags": [group.tag],
        "responses": {str(code): found for code, found in sorted({**shared, **group.answers[name]}.items())},
    }
    if name in group.is_open:
        operation["security"] = []
        operation["responses"].pop("401")
    if name in group.bodies:
        body = group.bodies[name]
        media, schema = body if isinstance(body, tuple) else ("application/json", body)
        operation["requestBody"] = {"required": True, "content": {media: {"schema": schema}}}
    if name in group.parameters:
        operation["parameters"] = list(group.parameters[name])
    return operation
