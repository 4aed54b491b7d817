"""The JSON Schemas of the scenario files: up to date, named by each file, closed to what is unknown."""

import json
import re

import pytest
import yaml
from pydantic import TypeAdapter

from harness.data.config import DataConfig
from harness.models.fourcastnet import Network
from harness.scenario.chips import ChipConfig
from harness.scenario.export import write_schemas
from harness.scenario.schema import ModelConfig, SuiteConfig
from tests.shared import REPOSITORY

SCENARIOS = REPOSITORY / "scenarios"


def test_schemas_in_the_repository_are_up_to_date(tmp_path):
    written = write_schemas(tmp_path / "new")
    committed = SCENARIOS / "schemas"
    assert {path.name for path in written} == {path.name for path in committed.iterdir()}
    for path in written:
        hint = "run: crosscast schemas"
        assert path.read_text() == (committed / path.name).read_text(), hint


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*/*.yaml")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_first_line_of_a_file_names_a_schema_that_has_its_fields(path):
    text = path.read_text()
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    schema = json.loads((path.parent / named[1]).read_text())
    options = [schema["$defs"][option["$ref"].rsplit("/", 1)[-1]] for option in schema.get("oneOf", [])] or [schema]
    fields = yaml.safe_load(text).keys()
    assert any(fields <= option["properties"].keys() and set(option["required"]) <= fields for option in options)


@pytest.mark.parametrize("kind", [ChipConfig, SuiteConfig, DataConfig, ModelConfig[Network]])
def test_schemas_forbid_the_unknown_and_describe_themselves(kind):
    name = {ChipConfig: "chip", SuiteConfig: "suite", DataConfig: "data"}.get(kind, "fourcastnet")
    schema = json.loads((SCENARIOS / f"schemas/{name}.json").read_text())
    objects = [part for part in [schema, *schema["$defs"].values()] if "properties" in part]
    assert objects
    assert all(part["additionalProperties"] is False for part in objects)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$defs"].keys() == TypeAdapter(kind).json_schema()["$defs"].keys()


def test_times_of_data_sets_may_be_written_as_yaml_writes_them():
    schema = json.loads((SCENARIOS / "schemas/data.json").read_text())
    assert {"type": "string"} in schema["$defs"]["TimeAxis"]["properties"]["start"]["anyOf"]
