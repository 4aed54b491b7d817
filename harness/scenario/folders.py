"""Where the files of scenarios/ are."""

from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[2] / "scenarios"

Kind = Literal["chips", "models", "suites", "data", "claims", "weights"]
