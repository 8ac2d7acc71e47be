"""The schema and docs/topology.md say what the models say.

``python tests/unit/topology/test_topology_docs.py`` writes both anew.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from lvslab.topology import builtins, json_schema, loads, models, schema

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs" / "topology.md"
SCHEMA = ROOT / "topologies" / schema.FILE
_TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
EXAMPLES = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), re.DOTALL)


def _values(part: dict[str, Any]) -> str:
    for each in (part.get("items", {}), part, *part.get("anyOf", ())):
        if "enum" in each:
            return ", ".join(f"`{value}`" for value in each["enum"])
        if "const" in each:
            return f"`{each['const']}`"
        if "minimum" in each:
            low, high = (f"{each[bound]:.6f}".rstrip("0") for bound in ("minimum", "maximum"))
            return f"{low.rstrip('.')} to {high.rstrip('.')}"
        if each.get("type") == "boolean":
            return "`true`, `false`"
    return ""


def table(name: str) -> str:
    model = getattr(models, name)
    inherited = models.Vrrp.model_fields if name == "VrrpInstance" else {}
    lines = ["| key | values | what |", "|---|---|---|"]
    whole = model.model_json_schema()
    for key, part in whole["properties"].items():
        if key in inherited:
            continue
        what = " ".join(part["description"].split())
        default = part.get("default")
        if "Default" not in what and isinstance(default, str | int | float) and default != "":
            shown = str(default).lower() if isinstance(default, bool) else f"{default}"
            what += f" Default: {shown.removesuffix('.0')}."
        required = " **Required.**" if key in whole.get("required", ()) else ""
        lines.append(f"| `{key}` | {_values(part)} | {what}{required} |")
    return "\n".join(lines) + "\n"


def with_tables(text: str) -> str:
    return _TABLE.sub(lambda found: found[1] + table(found[2]) + found[3], text)


def test_the_committed_schema_is_that_of_the_models():
    assert SCHEMA.read_text() == schema.text(), f"run python {Path(__file__).relative_to(ROOT)}"


def test_the_tables_are_those_of_the_models():
    text = DOCS.read_text()
    assert text == with_tables(text), f"run python {Path(__file__).relative_to(ROOT)}"


def test_every_block_has_its_table():
    blocks = set(json_schema()["$defs"]) | {"Topology"}
    assert {found[2] for found in _TABLE.finditer(DOCS.read_text())} >= blocks


def test_every_key_has_a_description():
    schema_ = json_schema()
    for block in (schema_, *schema_["$defs"].values()):
        assert block["additionalProperties"] is False
        for key, part in block["properties"].items():
            assert part.get("description"), key


def test_the_documents_first_example_is_as_small_as_it_says():
    assert len(EXAMPLES[0].splitlines()) <= 10


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_loads(example: str):
    assert loads(example).vips


@pytest.mark.parametrize("path", builtins().values(), ids=builtins())
def test_the_first_line_makes_editors_use_the_schema(path: Path):
    first = path.read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema=./{schema.FILE}"
    assert SCHEMA.is_file()


if __name__ == "__main__":
    SCHEMA.write_text(schema.text())
    DOCS.write_text(with_tables(DOCS.read_text()))
