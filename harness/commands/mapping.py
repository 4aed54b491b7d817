"""`crosscast mapping`."""

import click


@click.command()
@click.argument("file")
def mapping(file: str) -> None:
    """Print a first mapping of your data, for MAPPING=.

    FILE is a netCDF or GRIB file, a Zarr store, a folder of them or a URL. Names, levels, units and what the file does
    not say are filled in from its metadata; save it as a .yaml file, keep the channels that you want and name it with
    MAPPING= (or --mapping).
    """
    from harness.data.drafting import draft
    from harness.data.locations import location

    click.echo(draft(location(file)), nl=False)
