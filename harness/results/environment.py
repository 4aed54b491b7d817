"""The machine and the software around a launch."""

from pydantic import Field

from harness.frozen import Frozen
from harness.results.devices import Accelerator


class Environment(Frozen):
    """The machine and the software around a launch; None where it could not be found out."""

    crosscast_version: str
    git_commit: str | None
    git_dirty: bool | None
    python: str
    interpreter: str | None = Field(
        default=None, description="the Python that the chip's file names for the framework; None: that of the bench"
    )
    platform: str
    host: str = Field(description="SHA-256 of the identity of the machine, 12 hex digits: see harness.machine.identity")
    host_identity: str | None = Field(
        default=None, description="what kind of identity that is; None in older records, which have the host name's"
    )
    container: str | None
    cpu_name: str
    cpu_count: int
    cpu_mhz: float | None
    cpu_mhz_max: float | None
    memory_bytes: int | None
    packages: str = Field(description="SHA-256 of the list of installed packages and versions")
    visible_devices: str | None = Field(description="value of the chip's visible-devices variable")
    threads: dict[str, str] = Field(description="thread settings found in the environment variables")
    variables: dict[str, str] | None = Field(
        default=None, description="other environment variables that change speed or numbers; None where not recorded"
    )
    accelerator: Accelerator = Accelerator()

    def of_devices(self, count: int) -> "Environment":
        """The environment of a launch on the first `count` devices."""
        return self.model_copy(update={"accelerator": self.accelerator.first(count)})
