"""`crosscast calibrate`."""

from pathlib import Path

import click

from harness.commands.options import Duration, results_option
from harness.errors import UserError


@click.command()
@click.option("--chip", default="cpu", show_default=True, help="Chip: a name in scenarios/chips or a YAML file.")
@click.option("--framework", help="Load the device with this framework; default: the first that runs here.")
@click.option("--collectors", help="Calibrate these collectors' sensors, the first that works; default: the chip's.")
@click.option("--period", type=Duration(1), default=8.0, show_default=True, help="Seconds on and off.")
@click.option("--cycles", type=click.IntRange(min=3), default=8, show_default=True, help="How often.")
@results_option
def calibrate(
    chip: str, framework: str | None, collectors: str | None, period: float, cycles: int, results: Path
) -> None:
    """Find the delay, averaging window and update period of a chip's power sensors, and keep them."""
    from harness.calibration.calibrate import calibrate as measure
    from harness.console import PlainConsole
    from harness.power.preferences import preferences
    from harness.power.summary import calibration_table
    from harness.terminal import say

    made, path = measure(chip, framework, preferences(chip, collectors), period, cycles, results)
    PlainConsole().print(calibration_table(made.sensors))
    say(path)
    if all(sensor.reason for sensor in made.sensors):
        raise UserError("no sensor responds to the load; nothing here can be calibrated")
