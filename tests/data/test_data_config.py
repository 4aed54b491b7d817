import subprocess
import sys

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError
from shared import REPOSITORY

from harness.data.config import ArchiveConfig, DataConfig, RossbyConfig

ARCHIVE = {"kind": "archive", "files": "*.nc", "channels": [{"name": "t", "variable": "t", "units": "K"}]}


def parse(content):
    return TypeAdapter(DataConfig).validate_python(content)


@pytest.mark.parametrize("path", sorted((REPOSITORY / "scenarios/data").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_mapping_of_the_repository_is_valid(path):
    parse(yaml.safe_load(path.read_text()))


def test_kind_decides_the_class():
    assert isinstance(parse({"kind": "rossby"}), RossbyConfig)
    assert isinstance(parse(ARCHIVE), ArchiveConfig)
    assert parse(ARCHIVE).files == ("*.nc",)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"chanels": []}, "chanels"),
        ({"files": "../*.nc"}, "inside the DATA folder"),
        ({"files": ["/etc/*.nc"]}, "inside the DATA folder"),
        ({"files": []}, "files"),
        ({"channels": []}, "channels"),
        ({"channels": ARCHIVE["channels"] * 2}, "named twice: t"),
        ({"channels": [{**ARCHIVE["channels"][0], "level": 500}]}, "dimensions.level is not given"),
        ({"channels": [{**ARCHIVE["channels"][0], "files": "/t.nc"}]}, "inside the DATA folder"),
        ({"splits": {"train": 0.8, "validation": 0.15, "test": 0.15}}, "add up to 1, not 1.1"),
        ({"splits": {"train": 1.0, "validation": 0.0, "test": 0.0}}, "test"),
        ({"time": {"start": "2000-01-01T00:00:00Z", "step_hours": 6}}, "without a time zone"),
        ({"time": {"start": "2000-01-01", "step_hours": 0}}, "step_hours"),
        ({"missing": "fill"}, "missing"),
        ({"time": {"start": "2000-01-01"}}, "give start and step_hours, or units"),
        ({"time": {"start": "2000-01-01", "step_hours": 6, "units": "days since 1900-01-01"}}, "or units"),
        ({"time": {"units": "1900-01-01"}}, "units"),
        ({"channels": [{**ARCHIVE["channels"][0], "level": 1, "levels": [2]}]}, "either level or levels"),
        ({"channels": [{**ARCHIVE["channels"][0], "levels": [1, 2]}]}, "dimensions.level is not given"),
        ({"forcings": ["toa_radiatio"]}, "toa_radiation"),
        ({"forcings": ["toa_radiation", "toa_radiation"]}, "named twice: toa_radiation"),
        ({"statics": [ARCHIVE["channels"][0]] * 2}, "named twice: t"),
    ],
)
def test_mistakes_are_refused(change, complaint):
    with pytest.raises(ValidationError, match=complaint):
        parse({**ARCHIVE, **change})


def test_levels_stand_for_one_channel_each_and_survive_a_round_trip():
    channel = {"name": "z", "variable": ["z", "geopotential"], "levels": [500, 0.5], "units": "m2 s-2"}
    config = parse({**ARCHIVE, "channels": [channel], "dimensions": {"level": "level"}})
    assert [(each.name, each.level) for each in config.channels] == [("z500", 500.0), ("z0.5", 0.5)]
    assert parse(config.model_dump(mode="json")) == config


@pytest.mark.parametrize("change", [{"channels": ["q"]}, {"channels": ["u", "u"]}, {"waves": 36}, {"time_steps": 2}])
def test_impossible_waves_are_refused(change):
    with pytest.raises(ValidationError):
        parse({"kind": "rossby", **change})


def test_reading_the_configuration_imports_no_heavy_library():
    heavy = "{'numpy', 'scipy', 'pandas', 'xarray', 'torch', 'mindspore'}"
    code = f"import sys, harness.data.config; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)
