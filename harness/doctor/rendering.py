"""The report of `crosscast doctor` as tables."""

from collections.abc import Iterator

from rich.table import Table

from harness.doctor.facts import Report
from harness.frameworks.base import Numerics
from harness.machine.identity import HOST_VARIABLE
from harness.power.summary import number


def tables(report: Report) -> Iterator[Table | str]:
    """A line on the host; frameworks, collectors, sensors as they behave, load."""
    advice = f"; {HOST_VARIABLE}=NAME gives its containers one" if report.host_identity == "host name" else ""
    yield f"Host {report.host}, known by its {report.host_identity}{advice}"
    title = f"Frameworks on {report.chip}"
    frameworks = Table("framework", "device", "packages", "", title=title, title_justify="left")
    for each in report.frameworks:
        packages = ", ".join(f"{name} {version}" for name, version in each.packages.items()) or "-"
        frameworks.add_row(each.name, each.device_name or "-", packages, each.reason or "a product on it is right")
    yield frameworks
    if report.remark:
        yield f"Note: {report.remark}"
    numerics = Table("framework", "bits", "", title="Matrix products of float32", title_justify="left")
    for each in report.frameworks:
        if each.numerics:
            numerics.add_row(
                each.name, f"{each.numerics.matmul_bits} of {each.numerics.policy_bits}", _words(each.numerics)
            )
    if numerics.row_count:
        yield numerics
    collectors = Table("collector", "sensor", "scope", "kind", "tool, driver", title="Collectors", title_justify="left")
    for found in report.collectors:
        if found.reason:
            collectors.add_row(found.name, found.reason)
        for sensor in found.sensors:
            versions = f"{sensor['tool_version'] or '-'}, {sensor['driver_version'] or '-'}"
            collectors.add_row(found.name, sensor["id"], sensor["scope"], sensor["kind"], versions)
    yield collectors
    columns = ("sensor", "update ms", "reads", "distinct", "mean W", "sd W", "read every ms", "sd ms", "longest ms")
    sensors = Table(*columns, title=f"Power by {report.chosen_collector or 'no collector'}", title_justify="left")
    for each_sensor in report.sensors:
        times = (each_sensor.read_interval_s, each_sensor.read_deviation_s, each_sensor.read_longest_s)
        sensors.add_row(
            each_sensor.sensor,
            each_sensor.update_reason or _ms(each_sensor.update_period_s),
            str(each_sensor.n_samples),
            str(each_sensor.n_unique),
            number(each_sensor.mean_w),
            number(each_sensor.deviation_w),
            *map(_ms, times),
        )
    if not report.sensors:
        sensors.add_row(report.no_power_reason or "-")
    yield sensors
    load = report.load
    title = f"Load {load.load_average_1min:.2f} on {load.cpu_count} cores"
    processes = Table("process", "pid", "cores", "", title=title, title_justify="left")
    for process, note in [(p, "") for p in load.busiest] + [(p, "holds the device") for p in load.on_device]:
        processes.add_row(process.name, str(process.pid), f"{process.cores:.2f}", note)
    if load.hidden:
        processes.add_row("", "", "", f"other users' processes, {load.hidden}, may hold the device unseen")
    yield processes


def _words(numerics: Numerics) -> str:
    lines = [f"{numerics.shortfall}: do not call it {numerics.asked}"] if numerics.shortfall else []
    lines += [f"{name}={value}" for name, value in numerics.switches.items()]
    lines += numerics.unread
    lines += [f"{name}={value} is set, no launch inherits it" for name, value in numerics.dropped.items()]
    return "\n".join(lines) or "no switches"


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.1f}"
