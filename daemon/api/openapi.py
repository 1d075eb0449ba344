"""The OpenAPI 3.1 document of a surface, from the same declarations its routes are made of.

pydantic emits JSON Schema 2020-12, which OpenAPI 3.1 takes as it is.
"""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter

from daemon.api.dialect import Dialect
from daemon.api.models import CamelMaybe
from daemon.api.operation import Operation
from daemon.api.reply import JSON

Mode = Literal["validation", "serialization"]
Schemas = Mapping[tuple[Any, Mode], dict[str, Any]]

_REF = "#/components/schemas/"


def document(
    title: str,
    version: str,
    prefix: str,
    operations: Sequence[Operation],
    dialect: Dialect,
) -> dict[str, Any]:
    """Write the whole document."""
    schemas, components = _schemas(operations, dialect)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        path = paths.setdefault((prefix + operation.path).replace("*}", "}"), {})
        path[operation.method.lower()] = _operation(operation, dialect, schemas, components)
    for operation in operations:
        if operation.query is not None:
            components.pop(_name(schemas[operation.query, "validation"]), None)  # written out as parameters
    security = {name: dict(scheme) for op in operations if op.auth for name, scheme in op.auth.schemes.items()}
    tags = dict.fromkeys(operation.tag for operation in operations if operation.tag)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "tags": [{"name": tag} for tag in tags],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": security},
    }


def statuses(operation: Operation, dialect: Dialect) -> list[int]:
    """Give every error an operation may answer with: declared, and those the layer itself gives."""
    found = {*operation.errors, 500}
    if operation.auth is not None:
        found.update(operation.auth.statuses)
    if operation.body is not None:
        found.update(dialect.refusing("body"), (413,))
    if operation.query is not None:
        found.update(dialect.refusing("query"))
    if any(kind is not str for kind in operation.parameters.values()):
        found.update(dialect.refusing("path"))
    return sorted(found)


def _schemas(operations: Iterable[Operation], dialect: Dialect) -> tuple[Schemas, dict[str, Any]]:
    wanted: dict[tuple[Any, Mode], TypeAdapter[Any]] = {}
    for operation in operations:
        uses: list[tuple[Any, Mode]] = [
            (operation.body, "validation"),
            (operation.query, "validation"),
            (operation.out, "serialization"),
            *((kind, "validation") for kind in operation.parameters.values()),
            *((dialect.shape(status), "serialization") for status in statuses(operation, dialect)),
        ]
        wanted.update({use: TypeAdapter(use[0]) for use in uses if use[0] is not None})
    inputs = [((kind, mode), mode, adapter) for (kind, mode), adapter in wanted.items()]
    found, rest = TypeAdapter.json_schemas(inputs, by_alias=True, ref_template=_REF + "{model}")
    return {key: schema for (key, _), schema in found.items()}, dict(rest.get("$defs", {}))


def _operation(
    operation: Operation,
    dialect: Dialect,
    schemas: Schemas,
    components: Mapping[str, Any],
) -> dict[str, Any]:
    summary, _, description = (inspect.getdoc(operation.handler) or operation.name).partition("\n")
    written: dict[str, Any] = {"operationId": operation.name, "summary": summary}
    if description.strip():
        written["description"] = description.strip()
    if operation.tag:
        written["tags"] = [operation.tag]
    if operation.auth is not None:
        written["security"] = [{name: [] for name in operation.auth.schemes}]
    if parameters := [*_path(operation, schemas), *_query(operation.query, schemas, components)]:
        written["parameters"] = parameters
    if operation.body is not None:
        schema = schemas[operation.body, "validation"]
        written["requestBody"] = {
            "required": not issubclass(operation.body, CamelMaybe),
            "content": {JSON: {"schema": schema}},
        }
    written["responses"] = _responses(operation, dialect, schemas)
    return written


def _path(operation: Operation, schemas: Schemas) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": schemas[kind, "validation"]}
        for name, kind in operation.parameters.items()
    ]


def _query(
    query: type[BaseModel] | None,
    schemas: Schemas,
    components: Mapping[str, Any],
) -> list[dict[str, Any]]:
    if query is None:
        return []
    schema = schemas[query, "validation"]
    flat = components[_name(schema)] if "$ref" in schema else schema
    required = flat.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": kind}
        for name, kind in flat.get("properties", {}).items()
    ]


def _responses(operation: Operation, dialect: Dialect, schemas: Schemas) -> dict[str, Any]:
    success: dict[str, Any] = {}
    if operation.out is not None:
        success = {"content": {operation.media: {"schema": schemas[operation.out, "serialization"]}}}
    elif operation.media != JSON:
        success = {"content": {operation.media: {"schema": {"type": "string"}}}}
    written = {str(status): _phrase(status) | success for status in (operation.status, *operation.also)}
    for status in statuses(operation, dialect):
        schema = schemas[dialect.shape(status), "serialization"]
        written[str(status)] = _phrase(status) | {"content": {dialect.media: {"schema": schema}}}
    return written


def _phrase(status: int) -> dict[str, Any]:
    return {"description": HTTPStatus(status).phrase}


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).removeprefix(_REF)
