"""What a comparison found, as a file that tables and other machines can rely on."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from collectors.regular_files import read_regular
from harness.errors import UserError
from harness.files import write_atomically
from harness.frozen import Frozen
from harness.porting.parity.exchange import Described
from harness.results.checks import check_numbers
from harness.results.record import MOST_BYTES, Purpose
from harness.scenario.execution import Precision, StoredExecution, execution_of_old
from harness.scenario.labels import as_name, label
from harness.scenario.schema import FrameworkName

FOLDER = "parity"

LevelName = Literal["operators", "layers", "gradients", "trajectory"]
Verdict = Literal["same network", "departs", "incomplete"]


class Departure(Frozen):
    """A deviation from the truth, relative, and how large it may be; `deviation` None where nothing is comparable."""

    quantity: str
    name: str
    part: str
    deviation: float | None
    tolerance: float

    def __str__(self) -> str:
        what = " ".join(part for part in (self.quantity, self.name or "", self.part) if part)
        off = "not comparable" if self.deviation is None else f"{self.deviation:.1e}"
        return f"{what}: {off}, allowed {self.tolerance:.1e}"


class Level(Frozen):
    """One of the four levels: how much was compared, what departs, and the deviation largest against its tolerance."""

    name: LevelName
    verdict: Literal["passed", "failed", "not run", "not applicable"]
    compared: int
    departed: int
    worst: Departure | None = None
    first: tuple[Departure, ...] = Field(default=(), description="the first that depart, in the order of the network")
    reason: str | None = Field(default=None, description="why it was not run, or what failed")


class Diagnosis(Frozen):
    """Where a port departs: the lowest level that sees it, the layer, the place in it, and what was found there."""

    level: LevelName
    layer: str
    where: str
    finding: Departure

    def __str__(self) -> str:
        where = f" ({self.where})" if self.where else ""
        return f"{self.layer}{where}, seen at the level of {self.level}: {self.finding}"


class Certificate(Frozen):
    """Whether a network in a framework, on a device, is the one that PyTorch computes on the CPU in float64.

    It holds for the sources, the version and the chip that it names, at any size of the network.
    """

    schema_version: Literal[2] = 2
    model: str
    preset: str
    architecture: str
    architecture_fingerprint: str
    framework: FrameworkName
    execution: StoredExecution
    chip: str
    port_name: str | None = Field(description="module of a lab's own port; None for the harness's")
    port: Described
    reference: Described
    seed: int
    batch_size: int
    steps: int
    factor: float = Field(description="how many times float32 PyTorch's own deviation a port may be off")
    levels: tuple[Level, ...]
    diagnosis: Diagnosis | None
    only_in_port: tuple[str, ...]
    only_in_reference: tuple[str, ...]
    made_at: str = Field(description="UTC, ISO 8601")
    crosscast_version: str
    host: str
    purpose: Purpose = Field(default="measurement", description="what a rehearsal certifies counts in rehearsals alone")

    @model_validator(mode="before")
    @classmethod
    def _of_schema_1(cls, content: Any) -> Any:
        """There the execution was a word, and half precisions were the framework's own lists."""
        if not isinstance(content, dict) or content.get("schema_version") != 1:
            return content
        found = {**content, "schema_version": 2}
        precision, execution = found.pop("precision", None), found.get("execution")
        if precision in ("fp16", "bf16") and isinstance(execution, str):
            lowered = Precision(autocast="native-fp16" if precision == "fp16" else "native-bf16")
            found["execution"] = execution_of_old(execution).model_copy(update={"precision": lowered})
        return found

    @property
    def verdict(self) -> Verdict:
        """`departs` if a level failed, `incomplete` if one was not run."""
        verdicts = {level.verdict for level in self.levels}
        return "departs" if "failed" in verdicts else "incomplete" if "not run" in verdicts else "same network"

    @property
    def name(self) -> str:
        """Of its files, without their ending."""
        port = f".{self.port_name}" if self.port_name else ""
        cell = f"{self.model}-{self.preset}.{self.framework}-{as_name(label(self.execution))}.{self.chip}"
        return f"{cell}{port}".replace(":", "-")


def save(certificate: Certificate, results: Path) -> Path:
    """Write the certificate among the results; raises UserError where that cannot be."""
    folder = results / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}; choose another RESULTS=") from None
    path = folder / f"{certificate.name}.json"
    write_atomically(path, certificate.model_dump_json(indent=1) + "\n")
    return path


def load(path: Path) -> Certificate:
    """Read a certificate; raises UserError where the file is none."""
    try:
        certificate = Certificate.model_validate_json(read_regular(path, MOST_BYTES))
        check_numbers(certificate)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a certificate that can be read ({_first_line(error)}); make it again") from None
    return certificate


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'file'}: {first['msg']}"
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
