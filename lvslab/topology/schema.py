"""The JSON schema of a topology file, for editors."""

from __future__ import annotations

import json
from typing import Any

from lvslab.topology.models import Topology

#: The name of the committed schema, beside the topologies that refer to it.
FILE = "topology.schema.json"


def json_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of what a topology file may say."""
    schema = Topology.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "lvslab topology",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def text() -> str:
    """Return the schema as the file that is committed."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
