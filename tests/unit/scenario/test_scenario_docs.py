"""The schema and docs/scenarios.md say what the models and the expectations say.

``python -m tests.unit.scenario.test_scenario_docs`` writes both anew.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lvslab.scenario import library, models, schema
from lvslab.scenario.expectations import all_expectations
from lvslab.scenario.language import parse
from lvslab.scenario.load import load
from lvslab.scenario.spec import DIRECTORS, SERVERS
from lvslab.timeline.splitbrain import CAUSES

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs" / "scenarios.md"
SCHEMA = ROOT / "scenarios" / schema.FILE
_TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_SUBJECTS = re.compile(r"(<!-- subjects -->\n).*?(<!-- end -->)", re.DOTALL)
_EXAMPLES = re.search(r"<!-- examples -->\n(.*?)<!-- end -->", DOCS.read_text(), re.DOTALL)
EXAMPLES = re.findall(r"^\| `([^`]+)` \|", _EXAMPLES[1] if _EXAMPLES else "", re.MULTILINE)
WHOLE = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), re.DOTALL)
RUN_ME = "run python -m tests.unit.scenario.test_scenario_docs"


def _values(part: dict[str, Any]) -> str:
    each = [part, *part.get("anyOf", ())]
    words = [f"`{w}`" for e in each for w in [*e.get("enum", ()), *filter(None, [e.get("const")])]]
    numbers = next((e for e in each if "minimum" in e), None)
    if numbers is not None:
        above = "maximum" not in numbers
        most = f"below {numbers['exclusiveMaximum']:g}" if above else f"{numbers['maximum']:g}"
        words.insert(0, f"{numbers['minimum']:g} to {most}")
    elif {e.get("type") for e in each} >= {"string", "number"}:
        words.insert(0, "a duration")
    return ", ".join(words)


def _described(part: dict[str, Any], whole: dict[str, Any]) -> str:
    """What a key is for: its own words, or where they are the same those of its block."""
    block = whole.get("$defs", {}).get(part.get("$ref", "").rpartition("/")[2], {})
    return " ".join((part.get("description") or block.get("description", "")).split())


def table(name: str) -> str:
    lines = ["| key | values | what |", "|---|---|---|"]
    whole = getattr(models, name).model_json_schema()
    for key, part in whole["properties"].items():
        what = _described(part, whole)
        default = part.get("default")
        if "Default" not in what and isinstance(default, str | int | float) and default != "":
            unit = " s" if _values(part).startswith("a duration") else ""
            what += f" Default: {default:g}{unit}." if unit or isinstance(default, float) else (
                f" Default: {default}."
            )  # fmt: skip
        required = " **Required.**" if key in whole.get("required", ()) else ""
        lines.append(f"| `{key}` | {_values(part)} | {what}{required} |")
    return "\n".join(lines) + "\n"


_KINDS = {
    "auto": "`auto`",
    "s": "a time",
    "%": "a share",
    "": "a number",
    "word": "a name or text",
    "span s": "a range of times",
    "span %": "a range of shares",
}


def subjects() -> str:
    lines = [
        "| subject | what | operators | values | of | more |",
        "|---|---|---|---|---|---|",
    ]
    for one in all_expectations().values():
        operators = " ".join(f"`{o}`" for o in one.operators) or "stands alone"
        values = ", ".join(_KINDS[v] for v in one.values)
        more = [
            *(["`within` a limit"] if one.limit else []),
            *(["`from`, `to`"] if one.window else []),
        ]
        lines.append(
            f"| `{one.subject}` | {one.summary} | {operators} | {values} | {one.of or ''} "
            f"| {', '.join(more)} |"
        )
    return "\n".join(lines) + "\n\n`cause` is one of " + ", ".join(f"`{c}`" for c in CAUSES) + ".\n"


def with_tables(text: str) -> str:
    text = _TABLE.sub(lambda found: found[1] + table(found[2]) + found[3], text)
    return _SUBJECTS.sub(lambda found: found[1] + subjects() + found[2], text)


def test_the_committed_schema_is_that_of_the_models():
    assert SCHEMA.read_text() == schema.text(), RUN_ME


def test_the_tables_are_those_of_the_models():
    text = DOCS.read_text()
    assert text == with_tables(text), RUN_ME


def test_every_block_has_its_table():
    blocks = set(schema.json_schema()["$defs"]) | {"ScenarioModel"}
    assert {found[2] for found in _TABLE.finditer(DOCS.read_text())} >= blocks


def test_every_key_has_a_description():
    whole = schema.json_schema()
    for block in (whole, *whole["$defs"].values()):
        assert block["additionalProperties"] is False
        for key, part in block["properties"].items():
            assert _described(part, whole), key


def test_every_subject_has_an_example_and_every_example_a_subject():
    assert {parse(text).subject for text in EXAMPLES} == set(all_expectations())


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_is_a_sentence_that_a_scenario_can_have(text: str, tmp_path: Path):
    of_server = text.startswith("rs_")
    fault = "httpd-stop, target: rs1" if of_server else "link-down, target: active_director"
    file = tmp_path / "one.yaml"
    file.write_text(
        "title: One\nfaults:\n"
        f"  - {{fault: {fault}, for: 15s}}\n"
        "  - {name: second, fault: power-off, target: backup_director, at: 20s, for: 5s}\n"
        f"expect:\n  - '{text}'\n"
    )
    assert [s.text for s in load(file).expect] == [text]


@pytest.mark.parametrize("text", WHOLE, ids=range(len(WHOLE)))
def test_every_whole_example_loads(text: str, tmp_path: Path):
    file = tmp_path / "one.yaml"
    file.write_text(text)
    assert load(file).expect


def test_every_target_role_is_told():
    text = DOCS.read_text()
    assert all(f"| `{role}` |" in text for role in (*DIRECTORS, *SERVERS))


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return schema.json_schema()


@pytest.mark.parametrize("path", library.shipped().values(), ids=library.shipped())
def test_an_editor_finds_the_schema_and_it_knows_every_key(path: Path, whole: dict[str, Any]):
    text = path.read_text()
    assert text.startswith(f"# yaml-language-server: $schema=./{schema.FILE}\n")
    data = yaml.load(text, yaml.CSafeLoader)
    assert set(data) <= set(whole["properties"])
    assert set(data.get("with", {})) <= set(whole["properties"]["with"]["properties"])
    for fault in data.get("faults", ()):
        assert set(fault) <= set(whole["$defs"]["FaultModel"]["properties"])


if __name__ == "__main__":
    SCHEMA.write_text(schema.text())
    DOCS.write_text(with_tables(DOCS.read_text()))
