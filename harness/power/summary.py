"""Tables of a power log: each sensor in each phase, and how evenly it was read."""

from collections.abc import Sequence

from rich.table import Table

from collectors.accounting.energy import EnergyAccount
from collectors.sampling.jitter import jitter
from collectors.sampling.log_lines import told
from harness.calibration.store import SensorCalibration
from harness.power.log import PowerLog

UNKNOWN = "-"


def phase_table(power: PowerLog) -> Table:
    """Mean, peak, energy and verdict by sensor and phase."""
    table = Table("sensor", "phase", "s", "mean W", "peak W", "J", "verdict", title=power.title, title_justify="left")
    for column in table.columns[2:6]:
        column.justify = "right"
    account = EnergyAccount(power.log)
    for phase in power.windows:
        window = account.window(phase.t0_ns, phase.t1_ns)
        for device in window.devices:
            table.add_row(
                device.sensor,
                phase.name,
                f"{window.duration_s:.2f}",
                number(device.mean_power_w),
                number(device.peak_power_w),
                number(device.energy_j),
                "; ".join(device.reasons) or "valid",
            )
    return table


def calibration_table(sensors: Sequence[SensorCalibration]) -> Table:
    """Response of each sensor, or why there is none."""
    columns = ("sensor", "delay s", "window s", "rise s", "update s", "idle W", "loaded W", "")
    table = Table(*columns, title="Response to a square wave of load", title_justify="left")
    for found in sensors:
        levels = (
            UNKNOWN if value is None else f"{value:.2f} \u00b1 {error:.2g}"
            for value, error in ((found.idle_w, found.idle_error_w), (found.loaded_w, found.loaded_error_w))
        )
        times = (found.delay_s, found.window_s, found.rise_s, found.update_period_s)
        table.add_row(found.sensor, *(UNKNOWN if t is None else f"{t:.3f}" for t in times), *levels, found.reason or "")
    return table


def jitter_lines(power: PowerLog) -> list[str]:
    """One line a sensor: intervals between reads. One more where lines of the log are bad."""
    bad_lines = told(power.log.bad_lines, power.log.n_bad_lines)
    lines = [
        f"{found.sensor}: {found.n_intervals + 1} reads, every {found.mean_s * 1000:.1f} ms, standard deviation "
        f"{found.deviation_s * 1000:.1f} ms, longest {found.max_s * 1000:.1f} ms"
        for found in jitter(power.log)
    ]
    return [*lines, bad_lines] if bad_lines else lines


def number(value: float | None) -> str:
    """Four significant digits, or a dash for what is not known."""
    return UNKNOWN if value is None else f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
