"""The JSON Schemas of the files in scenarios/, which editors complete and check by."""

import json
from pathlib import Path
from typing import Any

from harness.architectures import architecture, architecture_names
from harness.data.config import DataConfig
from harness.errors import UserError
from harness.files import write_atomically
from harness.scenario.chips import ChipConfig
from harness.scenario.claims import Ledger
from harness.scenario.loading import json_schema
from harness.scenario.schema import ModelConfig, SuiteConfig
from harness.scenario.sites import SiteConfig
from harness.scenario.weights import WeightNames


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schemas by file stem: the kinds of file of fixed form, and one for every architecture's models."""
    model_config: Any = ModelConfig
    return {
        "chip": json_schema(ChipConfig, "A chip"),
        "suite": json_schema(SuiteConfig, "A suite"),
        "site": json_schema(SiteConfig, "A site"),
        "data": json_schema(DataConfig, "A data set"),
        "claims": json_schema(Ledger, "Claims of a study"),
        "weights": json_schema(WeightNames, "Names of a network's weights"),
        **{
            name: json_schema(model_config[architecture(name).Network], f"A {name} model")
            for name in architecture_names()
        },
    }


def write_schemas(folder: Path) -> list[Path]:
    """Write every schema as NAME.json into a folder; the paths. Raises UserError where they cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}") from None
    paths = []
    for name, schema in schemas().items():
        path = folder / f"{name}.json"
        write_atomically(path, json.dumps(schema, indent=2) + "\n")
        paths.append(path)
    return paths
