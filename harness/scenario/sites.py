"""What a file in scenarios/sites may say: a lab, how its jobs are submitted and in what environment they run."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from harness.frozen import Frozen, PositiveInt
from harness.scenario.limits import ABSOLUTE_PATH
from harness.scenario.schema import FrameworkName

TO_CHANGE = "CHANGE_ME"
"""What `crosscast new site` writes where only the lab knows the value."""

Word = Annotated[str, Field(pattern=r"^[^\s\x00-\x1f]+$")]
"""A name as schedulers have them: no space in it."""

Line = Annotated[str, Field(pattern=r"^[^\x00-\x08\x0a-\x1f]+$")]
"""A line of a shell script."""

VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
OptionName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]+$")]
"""A long option without its two hyphens."""

OURS = frozenset({"array", "error", "job-name", "open-mode", "output", "requeue", "signal", "wrap"})
"""Options of sbatch that a submission sets itself."""

FIELDS = {"gres", "partition", "account", "qos", "time", "cpus-per-task", "mem", "constraint", "dependency"}
"""Those that have fields or other ways of their own."""


class Results(Frozen):
    """Where a job writes while it runs."""

    place: Literal["shared", "node"] = Field(
        default="shared",
        description="shared: in the folder of results, which all nodes see; node: in a folder of the node, from which "
        "each launch is copied to the folder of results when it is done",
    )
    scratch: str | None = Field(
        default=None, description="folder of the node, for place: node; it may hold variables of the job, as in $TMPDIR"
    )

    @model_validator(mode="after")
    def _has_scratch(self) -> "Results":
        if (self.place == "node") != (self.scratch is not None):
            raise ValueError("scratch belongs to place: node, which needs it")
        return self


class Night(Frozen):
    """What `crosscast nightly` runs at this site."""

    suite: str = Field(default="smoke", description="a name in scenarios/suites of each commit, or a YAML file")
    launches: PositiveInt = Field(default=5, description="launches a cell and commit; 3 are needed for an interval")
    jobs: PositiveInt = Field(default=3, description="jobs at most, one after the other, until all launches are made")
    environment: Literal["made", "given"] = Field(
        default="made",
        description="made: each checkout has a virtual environment, kept from night to night; given: `python` runs the "
        "checkouts as it is and holds all that they need",
    )
    wheelhouse: str | None = Field(
        default=None, pattern=ABSOLUTE_PATH, description="folder of wheels to set up from, in the place of an index"
    )
    keep_raw: PositiveInt = Field(
        default=14, description="nights whose steps, power samples, forecasts and logs are kept; records always are"
    )


class SiteConfig(Frozen):
    """A lab: its scheduler, what a job asks for, and the environment of the job."""

    title: str
    scheduler: Literal["local", "slurm"] = Field(description="local: this host, one block after the other")
    chip: str = Field(default="cpu", description="the chip of its nodes: a name in scenarios/chips or a YAML file")
    partition: Word | None = None
    account: Word | None = None
    qos: Word | None = None
    constraint: Word | None = Field(default=None, description="features of the nodes, so that all are of one kind")
    gres: dict[str, Word] = Field(
        default_factory=dict,
        description="Slurm's generic resource of a chip, by the chip's name, without a number: npu:ascend910b",
    )
    devices_per_node: PositiveInt | None = None
    cpus: PositiveInt | None = Field(default=None, description="CPU cores of a job")
    memory_gib: PositiveInt | None = Field(default=None, description="memory of a job")
    time_limit_min: PositiveInt | None = Field(default=None, description="wall time of a job, in minutes")
    end_before_s: int = Field(
        default=120,
        ge=0,
        le=65535,
        description="so long before the end of its wall time a job is asked to end its launch",
    )
    array_limit: PositiveInt = Field(default=4, description="blocks of one submission that run at the same time")
    sbatch: dict[OptionName, str | int | bool] = Field(
        default_factory=dict, description="further options of sbatch without their hyphens, as in exclusive: true"
    )
    setup: tuple[Line, ...] = Field(
        default=(), description="lines of bash before the job's program: module load, source set_env.sh"
    )
    variables: dict[VariableName, str] = Field(default_factory=dict, description="environment variables of the job")
    container: tuple[str, ...] = Field(
        default=(), description="command that runs another command in the image, word by word; it must replace itself"
    )
    python: str | None = Field(
        default=None,
        pattern=ABSOLUTE_PATH,
        description="the Python, with crosscast, that runs a job on its node; default: the one that submits",
    )
    pythons: dict[FrameworkName, Annotated[str, Field(pattern=ABSOLUTE_PATH)]] = Field(
        default_factory=dict, description="the Python of a framework, in the place of what the chip's file names"
    )
    results: Results = Results()
    night: Night = Night()

    @field_validator("sbatch")
    @classmethod
    def _not_ours(cls, options: dict[str, str | int | bool]) -> dict[str, str | int | bool]:
        if taken := OURS.intersection(options):
            raise ValueError(f"{min(taken)} is set by the submission itself: leave it out")
        if named := FIELDS.intersection(options):
            raise ValueError(f"{min(named)} has a field of its own: use that")
        return options

    @model_validator(mode="after")
    def _of_its_scheduler(self) -> "SiteConfig":
        if self.scheduler == "slurm":
            if self.time_limit_min is None:
                raise ValueError("time_limit_min: a job of Slurm needs a wall time")
            if self.end_before_s >= 60 * self.time_limit_min:
                raise ValueError("end_before_s must be shorter than time_limit_min")
            return self
        named = [
            name
            for name in ("partition", "account", "qos", "constraint", "gres", "memory_gib", "cpus", "sbatch")
            if getattr(self, name)
        ]
        if named:
            raise ValueError(f"{named[0]} is of Slurm: a local site takes none")
        return self
