"""`crosscast prepare`."""

import shlex
from pathlib import Path

import click

from harness.commands.options import PathName, refuse_unwritable


@click.command()
@click.option("--data", "root", type=PathName(str), required=True, help="Folder or file of the archive, or its URL.")
@click.option("--mapping", "mapping_name", help="Channel mapping: a name in scenarios/data or a YAML file.")
@click.option("--out", type=PathName(file_okay=False), required=True, help="Store to write; a folder of its own.")
@click.option(
    "--type",
    "stored",
    type=click.Choice(["float32", "float16", "int16"]),
    default="float32",
    show_default=True,
    help="Type of the stored values; the two short ones are scaled by channel, and rounded.",
)
@click.option("--normalised", is_flag=True, help="Store values without mean and in units of the training deviation.")
@click.option(
    "--compression",
    type=click.Choice(["none", "lz4", "zstd"]),
    default="lz4",
    show_default=True,
    help="How the chunks are compressed.",
)
def prepare(root: str, mapping_name: str | None, out: Path, stored: str, normalised: bool, compression: str) -> None:
    """Rewrite an archive once as a store that training reads fast, for DATA= with the same MAPPING=.

    The store is a Zarr group that other programs read: one chunk a time with all channels. As float32 its values are
    those of the archive, bit by bit, and records say that they are the same data. After an ending, the same command
    goes on where it stopped; a folder that holds anything else is refused.
    """
    from harness.console import PlainConsole
    from harness.data.config import ArchiveConfig
    from harness.data.locations import location
    from harness.data.matching import match_mapping
    from harness.data.preparing import Packing
    from harness.data.preparing import prepare as write
    from harness.errors import UserError
    from harness.files import refuse_unnameable
    from harness.launch.progress import ReadingProgress
    from harness.scenario import catalogue
    from harness.terminal import say

    data = location(root)
    if not data.exists():
        raise UserError(f"DATA={data}: no such file or folder")
    refuse_unnameable(out)
    refuse_unwritable(out)
    if mapping_name is None:
        known = {name: catalogue.data(name) for name in catalogue.names("data")}
        mapping_name = match_mapping(
            data, {name: config for name, config in known.items() if isinstance(config, ArchiveConfig)}
        )
    config = catalogue.data(mapping_name)
    if not isinstance(config, ArchiveConfig):
        raise UserError(f"data {mapping_name!r} are generated: there is no archive to prepare")
    with ReadingProgress(PlainConsole()) as progress:
        done = write(config, data, out, Packing(stored, normalised, compression), progress.update)  # type: ignore[arg-type]
    compressed = f"{done.stored_bytes / 1e9:.3g} GB on disk for {done.value_bytes / 1e9:.3g} GB of float32"
    say(f"{out}: {done.steps} steps of {len(done.said.channels)} channels as {stored}, {compressed}")
    say(f"{done.written} steps were written now, {done.steps - done.written} were there")
    rates = done.rates
    if rates is None:
        say(f"how fast it is read was not measured: {done.unmeasured}")
    else:
        gain = rates.prepared_gb_s / rates.archive_gb_s
        say(
            f"ready values, page cache warm: archive {rates.archive_gb_s:.2g} GB/s, prepared "
            f"{rates.prepared_gb_s:.2g} GB/s ({gain:.1f} times), a plain file {rates.plain_gb_s:.2g} GB/s"
        )
    say(f"read it with DATA={shlex.quote(str(out))} MAPPING={shlex.quote(mapping_name)}")
