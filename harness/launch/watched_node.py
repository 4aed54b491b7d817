"""What is watched on a node while a launch works there: power, other processes on its devices, and foreign load."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from collectors.accounting.energy_curve import NS_PER_S
from collectors.calibration.calibrated import corrected
from collectors.occupancy.occupant_watch import OccupantWatch
from collectors.occupancy.occupants import Occupancy
from collectors.samples import SampleLog
from collectors.sampling.process import SamplerOutcome, SamplerProcess
from harness.errors import one_line
from harness.launch.energy import account, corrections_of, device_processes, power_plan
from harness.launch.foreign_load import ForeignLoadMeter, foreign_cores_allowed
from harness.launch.host_energy import HostSamplers
from harness.launch.plan import LaunchPlan, PowerPlan
from harness.machine import accelerators
from harness.results.file_names import POWER_LOG
from harness.results.measurements import MeasuredParts
from harness.results.record import Energy, Load
from harness.scenario.variants import as_variant


class WatchedNode:
    """The node that this process runs on, from before a launch until `stop`; what is sampled goes to `folder`."""

    def __init__(self, plan: LaunchPlan, folder: Path, environment: Mapping[str, str]) -> None:
        chip = plan.chip
        self._plan, self._folder, self._environment = plan, folder, environment
        self._load_before, self._meter = os.getloadavg()[0], ForeignLoadMeter()
        self._states = accelerators.states(chip.visible_devices, "before", plan.device_count)
        self._sampler = SamplerProcess.start(folder / POWER_LOG, chip.power_collectors, environment)
        self._occupants = OccupantWatch.start(folder / "occupants.jsonl", chip.power_collectors, environment)
        self._hosts = HostSamplers(folder)
        self._foreign_cores, self._late_s = 0.0, 0.0
        self._outcome: SamplerOutcome | None = None
        self._occupancy: Occupancy | None = None

    def wait_ready(self, results: Path) -> PowerPlan:
        """Wait until all that is sampled has been read once; what workers must do for the sake of energy.

        That is what the devices' sensors ask for, with what calibrations below `results` say of them, and what those of
        the host do where the devices have none.
        """
        self._sampler.wait_ready()
        self._hosts.start(self._plan.chip, self._sampler, self._environment)
        self._occupants.wait_ready()
        header, scenario = self._sampler.header, self._plan.scenario
        corrections = corrections_of(header, scenario.chip, results)
        self._late_s = max((each.shift_ns / NS_PER_S for each in corrections.values()), default=0.0)
        of_devices = corrected(SampleLog(header), corrections).sensors
        return power_plan(of_devices or self._hosts.sensors, scenario.idle_s)

    def stop(self) -> None:
        """The work is over; a sensor that is late tells the end of it later."""
        time.sleep(self._late_s)
        self._outcome, self._occupancy = self._sampler.stop(), self._occupants.stop(self._plan.device_count)
        self._hosts.stop()
        self._foreign_cores = self._meter.foreign_cores()

    @property
    def elapsed_s(self) -> float:
        """From the beginning until `stop`."""
        return self._meter.elapsed_s

    def load(self, cpu_count: int) -> Load:
        """What else the node did, after `stop`."""
        after = accelerators.states(self._plan.chip.visible_devices, "after", self._plan.device_count)
        return Load(
            load_average_1min=self._load_before,
            cpu_count=cpu_count,
            foreign_cores=self._foreign_cores,
            foreign=self._foreign_cores > foreign_cores_allowed(self._meter.cores),
            cores=self._meter.cores,
            devices=device_processes(self._occupancy),
            device_states=(*self._states, *after),
        )

    def energy(self, measured: MeasuredParts, results: Path) -> Energy:
        """The energy of the phases of a rank of this node, after `stop`.

        Whatever is wrong with the power log costs no other measurement.
        """
        assert self._outcome is not None
        plan, outcome = self._plan, self._outcome
        name = measured.framework.device_name if measured.framework else None
        cap_w = as_variant(plan.chip, name).power_cap_w.value
        try:
            hosts = self._hosts.logs()
            return account(
                self._folder,
                outcome,
                measured,
                plan.scenario.chip,
                results,
                cap_w,
                self._occupancy,
                plan.device_count,
                hosts,
            )
        except Exception as error:
            return Energy(collector=outcome.collector, reason=f"the power log cannot be used: {one_line(error)}")
