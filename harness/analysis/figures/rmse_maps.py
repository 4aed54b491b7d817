"""Maps of the RMSE: where on the globe the forecasts of a cell err, by lead time."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from harness.analysis.figures import maps
from harness.analysis.figures.coastlines import SOURCE
from harness.analysis.figures.fitting import broken
from harness.analysis.figures.style import (
    ONE_COLUMN_INCHES,
    STYLE,
    TWO_COLUMNS_INCHES,
    add_title,
    new_figure,
)
from harness.analysis.figures.subject import Drawn, FigureSubject, Illustration, NotDrawn, ShownCell
from harness.analysis.quantities.error_maps import CellErrors, errors_of
from harness.errors import UserError
from harness.results.error_maps import ErrorMaps
from harness.results.forecast import spread

COLOURS = "cividis"
MOST_LEADS = 3
MAP_WIDTHS_INCHES = {1: 2.0, 2: 2.3, 3: 1.75}
"""By the number of maps beside each other."""


def illustrate(subject: FigureSubject) -> Drawn:
    """The maps of each cell that kept its errors."""
    cells = subject.shown(lambda cell: cell.launches)
    if not cells:
        yield NotDrawn(f"rmse_maps-{subject.stem}", "no cell has a completed launch")
    for shown in cells:
        name = f"rmse_maps-{subject.stem}-{shown.stem}"
        try:
            found = errors_of(shown.cell)
        except UserError as error:
            yield NotDrawn(name, str(error))
            continue
        title = f"RMSE of {subject.title}: {shown.label}"
        figure = rmse_figure(found.pooled, title, coasts=maps.has_coasts(shown.cell))
        yield Illustration(name, _caption(subject, shown, found), figure, rmse_data(found.pooled), (shown.cell,))


def rmse_data(errors: ErrorMaps) -> pd.DataFrame:
    """A row for each channel and point, a column for each drawn lead time: the RMSE in the channel's units.

    It is NaN at masked points.
    """
    latitudes, longitudes = (axis.ravel() for axis in np.meshgrid(errors.latitude, errors.longitude, indexing="ij"))
    rmse, leads = rmse_of(errors), _leads_drawn(errors)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "channel": channel,
                    "units": units,
                    "latitude": latitudes,
                    "longitude": longitudes,
                    **{f"rmse_{errors.lead_h[lead]:g}h": rmse[lead, number].ravel() for lead in leads},
                }
            )
            for number, (channel, units) in enumerate(zip(errors.channels, errors.units, strict=True))
        ],
        ignore_index=True,
    )


def rmse_of(errors: ErrorMaps) -> NDArray[np.float64]:
    """The root of the mean squared error (L, C, H, W) of each point over all samples."""
    return np.sqrt(errors.squared_error / errors.samples[:, None, None, None].astype(np.float64))


def rmse_figure(errors: ErrorMaps, title: str, *, coasts: bool = False) -> Figure:
    """Draw a row of maps for each channel, which share their colours, and a column for each lead time.

    `coasts` asks for the Earth's coastlines, which must be installed then.
    """
    columns, rows = maps.edges(errors.longitude), maps.edges(errors.latitude)
    leads, rmse = _leads_drawn(errors), rmse_of(errors)
    width = ONE_COLUMN_INCHES if len(leads) == 1 else TWO_COLUMNS_INCHES
    height = maps.height_inches(MAP_WIDTHS_INCHES[len(leads)], columns, rows)
    with mpl.rc_context(STYLE):
        figure = new_figure(width, 0.75 + len(errors.channels) * (height + maps.GAP_INCHES))
        panels = figure.subplots(len(errors.channels), len(leads), sharex=True, sharey=True, squeeze=False)
        for number, (channel, units) in enumerate(zip(errors.channels, errors.units, strict=True)):
            fields = [maps.drawable(rmse[lead, number]) for lead in leads]
            highest = max((float(field[np.isfinite(field)].max(initial=0.0)) for field in fields), default=0.0) or 1.0
            meshes = [
                maps.draw_map(axes, columns, rows, field, COLOURS, 0.0, highest)
                for axes, field in zip(panels[number], fields, strict=True)
            ]
            label = broken(channel, units, height + maps.GAP_INCHES)
            figure.colorbar(meshes[0], ax=list(panels[number]), label=label, pad=0.02)
            panels[number, 0].set_ylabel("Latitude (°N)")
        for axes, lead in zip(panels[0], leads, strict=True):
            axes.set_title(f"{errors.lead_h[lead]:g} h")
        for axes in panels[-1]:
            axes.set_xlabel("Longitude (°E)")
        for axes in panels.flat if coasts else ():
            maps.draw_coasts(axes, columns, rows)
        add_title(figure, title)
    return figure


def _leads_drawn(errors: ErrorMaps) -> list[int]:
    return spread(len(errors.lead_h), MOST_LEADS)


def _caption(subject: FigureSubject, shown: ShownCell, found: CellErrors) -> str:
    errors = found.pooled
    count = len(found.launches)
    samples = " and ".join(map(str, dict.fromkeys(errors.samples[_leads_drawn(errors)])))
    sentences = [
        f"RMSE of {subject.title} by {shown.label} at each point: root of the mean squared error over all starts of "
        f"the test period and {count} launch{'es' if count > 1 else ''} ({samples} forecasts)."
    ]
    if np.isnan(errors.squared_error).any():
        sentences.append("Grey: no truth.")
    if errors.stride > 1:
        sentences.append(f"Every {errors.stride}th row and column is shown.")
    if found.blown_up:
        sentences.append(f"Grey in {', '.join(found.blown_up)}, too: the forecast blew up.")
    if maps.has_coasts(shown.cell):
        sentences.append(SOURCE)
    return " ".join(sentences)
