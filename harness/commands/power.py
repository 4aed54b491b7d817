"""`crosscast power`, with its commands `record` and `show`."""

import sys
from pathlib import Path

import click

from harness.commands.options import Duration, PathName


@click.group()
def power() -> None:
    """Record the power of this machine, and show what was recorded."""


@power.command("record")
@click.option("--out", type=PathName(), required=True, help="Parquet file to write.")
@click.option("--chip", help="Ask this chip's collectors; default: those of every chip whose device files exist here.")
@click.option("--collectors", help="Ask these collectors, comma-separated, in this order.")
@click.option("--seconds", type=Duration(0, min_open=True), help="End after this time.")
@click.option("--period-ms", type=Duration(1), help="Sampling period; default: the sensor's own.")
@click.option("--idle", type=Duration(0), default=10.0, show_default=True, help="Idle seconds around the command.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def power_record(
    out: Path,
    chip: str | None,
    collectors: str | None,
    seconds: float | None,
    period_ms: float | None,
    idle: float,
    command: tuple[str, ...],
) -> None:
    """Log power to a file until Ctrl-C, --seconds, or the end of a COMMAND after --."""
    from harness.console import PlainConsole
    from harness.power.preferences import preferences
    from harness.power.recording import record
    from harness.power.summary import jitter_lines, phase_table
    from harness.terminal import say

    period_s = None if period_ms is None else period_ms / 1000
    names = preferences(chip, collectors)
    done = record(out, names, seconds=seconds, period_s=period_s, idle_s=idle, command=command)
    console = PlainConsole()
    console.print(phase_table(done.power))
    for line in jitter_lines(done.power):
        say(line)
    say(
        f"{out} holds {'an interrupted' if done.interrupted else 'the'} recording"
        + (f"; {done.reason}" if done.reason else "")
    )
    sys.exit(done.returncode if done.returncode >= 0 else 128 - done.returncode)


@power.command("show")
@click.argument("path", type=PathName())
@click.option("--png", type=PathName(dir_okay=False), help="Draw it to this PNG file too.")
@click.option("--svg", type=PathName(dir_okay=False), help="Draw it to this SVG file too.")
def power_show(path: Path, png: Path | None, svg: Path | None) -> None:
    """Chart and table of a recording, or of the folder of a launch."""
    from harness.console import PlainConsole
    from harness.power.chart import chart
    from harness.power.log import load
    from harness.power.summary import jitter_lines, phase_table
    from harness.terminal import say

    loaded = load(path)
    console = PlainConsole()
    click.echo(chart(loaded, console.width, coloured=console.is_terminal and not console.no_color))
    console.print(phase_table(loaded))
    for line in jitter_lines(loaded):
        say(line)
    for target, file_format in ((png, "png"), (svg, "svg")):
        if target is not None:
            from harness.power.figure import write_figure

            write_figure(loaded, target, file_format)
            say(target)
