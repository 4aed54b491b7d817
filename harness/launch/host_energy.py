"""Energy of the host beside that of the devices: every collector of the host that works, each with a sampler."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from collectors.accounting.energy import EnergyAccount, WindowEnergy
from collectors.accounting.idle import idle_power
from collectors.accounting.scopes import host_scopes, of_scope
from collectors.base import Sensor
from collectors.registry import choose
from collectors.samples import SampleLog
from collectors.sampling.process import SamplerProcess, to_parquet
from harness.results.phases import Idle, Phase, PhaseEnergy, ScopeEnergy
from harness.scenario.chips import ChipConfig

IDLE_PHASES = ("idle before", "idle after")


@dataclass(frozen=True)
class HostLog:
    """What the sampler of a host's collector left; `problem` says why there is nothing, or not all of it."""

    collector: str
    log: SampleLog | None
    problem: str | None


class HostSamplers:
    """The samplers of a host's collectors, in the folder of a launch."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._samplers: dict[str, SamplerProcess] = {}
        self._problems: dict[str, str | None] = {}

    def start(self, chip: ChipConfig, main: SamplerProcess, environment: Mapping[str, str]) -> None:
        """Start those that the sampler of the devices has not tried, and wait until they answer or cannot."""
        header = main.header
        preferred = list(chip.power_collectors)
        chosen = header.collector if header else None
        tried = preferred[: preferred.index(chosen) + 1] if chosen in preferred else preferred
        for name in dict.fromkeys(chip.host_collectors):
            if name in tried:
                continue
            found = choose([name])
            if found.name is None:
                self._problems[name] = found.probe.reason
                continue
            path = self._folder / f"power-{name}.jsonl"
            self._samplers[name] = SamplerProcess.start(path, [name], environment)
        for sampler in self._samplers.values():
            sampler.wait_ready()

    @property
    def sensors(self) -> tuple[Sensor, ...]:
        """Those that have been found."""
        headers = [sampler.header for sampler in self._samplers.values()]
        return tuple(sensor for header in headers if header for sensor in header.sensors)

    def stop(self) -> None:
        """End all of them."""
        for sampler in self._samplers.values():
            sampler.stop()

    def logs(self) -> tuple[HostLog, ...]:
        """What each has left, kept as Parquet beside the record, and why others read nothing; after `stop`.

        Raises OSError where it cannot be written.
        """
        found = [HostLog(name, None, problem) for name, problem in self._problems.items()]
        for name, sampler in self._samplers.items():
            outcome = sampler.stop()
            log = to_parquet(outcome.path, outcome.path.with_suffix(".parquet")) if outcome.collector else None
            for path in (outcome.path, outcome.path.with_suffix(".log")):
                path.unlink(missing_ok=True)
            found.append(HostLog(name, log, outcome.reason))
        return tuple(found)


def scopes(logs: Sequence[tuple[str, SampleLog]], phases: Sequence[Phase]) -> tuple[ScopeEnergy, ...]:
    """Energy of every phase by each scope of the host, of the first collector that has the scope."""
    found: dict[str, ScopeEnergy] = {}
    for collector, log in logs:
        for scope in host_scopes(log):
            if scope not in found:
                found[scope] = _of_scope(collector, of_scope(log, scope), scope, phases)
    return tuple(found.values())


def of_phases(windows: Mapping[str, WindowEnergy]) -> tuple[Idle, tuple[PhaseEnergy, ...]]:
    """The power at rest before and after the work, and the energy of each phase, gross and net of that power."""
    idle = idle_power(*(windows.get(name) for name in IDLE_PHASES))
    found = Idle(before_w=idle.before_w, after_w=idle.after_w, power_w=idle.power_w, reasons=idle.reasons)
    return found, tuple(
        PhaseEnergy(
            phase=name,
            window=window,
            net_energy_j=idle.net_energy_j(window),
            net_reason=idle.why_no_net(window),
        )
        for name, window in windows.items()
    )


def _of_scope(collector: str, log: SampleLog, scope: str, phases: Sequence[Phase]) -> ScopeEnergy:
    account = EnergyAccount(log)
    windows = {phase.name: account.window(phase.t0_ns, phase.t1_ns) for phase in phases}
    idle, energies = of_phases(windows)
    return ScopeEnergy(
        scope=scope,
        collector=collector,
        idle=idle,
        phases=energies,
    )
