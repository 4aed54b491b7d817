"""What ran, as the children tell it."""

from types import ModuleType

from harness.frameworks.base import FrameworkDescription
from harness.models.sources import sources_digest
from harness.porting.parity.exchange import Described


def described(framework: FrameworkDescription, package: ModuleType, port: str | None = None) -> Described:
    """A framework, its device and the sources of the network that ran."""
    return Described(
        framework=framework.name,
        version=framework.version,
        device=framework.device,
        device_name=framework.device_name,
        execution=framework.execution,
        sources=sources_digest(package, framework.name, port),
    )
