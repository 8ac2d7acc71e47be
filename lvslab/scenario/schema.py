"""The JSON schema of a scenario file, for editors."""

from __future__ import annotations

import json
from typing import Any

from lvslab.scenario.models import ScenarioModel
from lvslab.topology.models import Topology

#: The name of the committed schema, beside the scenarios that refer to it.
FILE = "scenario.schema.json"


def json_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of what a scenario file may say."""
    schema = ScenarioModel.model_json_schema()
    schema["properties"]["with"] |= _changes()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "lvslab scenario",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def _changes() -> dict[str, Any]:
    """Return what ``with`` may say: any key of a topology, its value as loose as an overlay's."""
    keys = Topology.model_json_schema()["properties"]
    return {
        "properties": {key: {"description": part["description"]} for key, part in keys.items()},
        "additionalProperties": False,
    }


def text() -> str:
    """Return the schema as the file that is committed."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
