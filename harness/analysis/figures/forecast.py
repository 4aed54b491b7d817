"""Maps of one forecast beside the truth and their difference."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from harness.analysis.figures import maps
from harness.analysis.figures.coastlines import SOURCE
from harness.analysis.figures.fitting import broken
from harness.analysis.figures.style import STYLE, TWO_COLUMNS_INCHES, add_title, new_figure
from harness.analysis.figures.subject import Drawn, FigureSubject, Illustration, NotDrawn, ShownCell
from harness.errors import UserError
from harness.results.forecast import FILE_NAME, Forecast

FIELD_COLOURS, DIFFERENCE_COLOURS = "cividis", "PuOr_r"
MAP_WIDTH_INCHES = 1.65


def illustrate(subject: FigureSubject) -> Drawn:
    """A map for each cell, of its first launch that kept a forecast."""
    cells = subject.shown(lambda cell: cell.launches)
    if not cells:
        yield NotDrawn(f"forecast-{subject.stem}", "no cell has a completed launch")
    for shown in cells:
        yield _of_cell(shown, subject)


def forecast_data(forecast: Forecast) -> pd.DataFrame:
    """A row for each channel and point: forecast, truth and their difference in the channel's units."""
    latitudes, longitudes = np.meshgrid(forecast.latitude, forecast.longitude, indexing="ij")
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "channel": channel,
                    "units": units,
                    "latitude": latitudes.ravel(),
                    "longitude": longitudes.ravel(),
                    "truth": truth.ravel(),
                    "forecast": predicted.ravel(),
                    "difference": (predicted.astype(np.float64) - truth).ravel(),
                }
            )
            for channel, units, truth, predicted in zip(
                forecast.channels, forecast.units, forecast.truth, forecast.forecast, strict=True
            )
        ],
        ignore_index=True,
    )


def forecast_figure(forecast: Forecast, title: str, *, coasts: bool = False) -> Figure:
    """Draw a row of maps for each channel; truth and forecast share their colours.

    `coasts` asks for the Earth's coastlines, which must be installed then.
    """
    columns, rows = maps.edges(forecast.longitude), maps.edges(forecast.latitude)
    height = maps.height_inches(MAP_WIDTH_INCHES, columns, rows)
    count = len(forecast.channels)
    with mpl.rc_context(STYLE):
        figure = new_figure(TWO_COLUMNS_INCHES, 0.75 + count * (height + maps.GAP_INCHES))
        panels = figure.subplots(count, 3, sharex=True, sharey=True, squeeze=False)
        for number, (channel, units) in enumerate(zip(forecast.channels, forecast.units, strict=True)):
            truth = forecast.truth[number].astype(np.float64)
            predicted = maps.drawable(forecast.forecast[number].astype(np.float64))
            difference = maps.drawable(predicted - truth)
            low, high = float(np.nanmin(truth)), float(np.nanmax(truth))
            fields = [
                maps.draw_map(axes, columns, rows, field, FIELD_COLOURS, low, high)
                for axes, field in zip(panels[number], (truth, predicted), strict=False)
            ]
            beyond = bool((predicted < low).any()), bool((predicted > high).any())
            extend = {(True, True): "both", (True, False): "min", (False, True): "max"}.get(beyond, "neither")
            figure.colorbar(
                fields[0],
                ax=list(panels[number][:2]),
                label=broken(channel, units, height + maps.GAP_INCHES),
                extend=extend,
                pad=0.02,
            )
            most = float(np.max(np.abs(difference), initial=0.0, where=np.isfinite(difference))) or 1.0
            mesh = maps.draw_map(panels[number, 2], columns, rows, difference, DIFFERENCE_COLOURS, -most, most)
            figure.colorbar(
                mesh,
                ax=panels[number, 2],
                label=broken("difference", units, height + maps.GAP_INCHES),
                pad=0.02,
            )
            panels[number, 0].set_ylabel("Latitude (°N)")
        for axes, name in zip(panels[0], ("Truth", "Forecast", "Forecast - truth"), strict=True):
            axes.set_title(name.replace("-", "\N{MINUS SIGN}"))
        for axes in panels[-1]:
            axes.set_xlabel("Longitude (°E)")
        for axes in panels.flat if coasts else ():
            maps.draw_coasts(axes, columns, rows)
        add_title(figure, title)
    return figure


def _of_cell(shown: ShownCell, subject: FigureSubject) -> Illustration | NotDrawn:
    name = f"forecast-{subject.stem}-{shown.stem}"
    for record in shown.cell.launches:
        path = record.beside(FILE_NAME)
        if path is None:
            continue
        try:
            forecast = Forecast.load(path)
        except UserError as error:
            return NotDrawn(name, str(error))
        title = f"{subject.title}: {shown.label}, launch {record.launch}, {forecast.lead_h:g} h"
        thinned = f" Every {forecast.stride}th row and column is shown." if forecast.stride > 1 else ""
        caption = (
            f"Forecast of {subject.title} by {shown.label}, launch {record.launch}: first start of the test period, "
            f"lead time {forecast.lead_h:g} h, valid at {forecast.valid_at} UTC. Grey: no truth.{thinned}"
        )
        if wrong := [
            channel
            for channel, truth, predicted in zip(forecast.channels, forecast.truth, forecast.forecast, strict=True)
            if (np.isfinite(truth) & ~np.isfinite(predicted)).any()
        ]:
            caption += f" Grey in the forecast of {', '.join(wrong)}: infinite or NaN."
        coasts = maps.has_coasts(shown.cell)
        if coasts:
            caption += f" {SOURCE}"
        figure = forecast_figure(forecast, title, coasts=coasts)
        return Illustration(name, caption, figure, forecast_data(forecast), (shown.cell,), record.launch)
    return NotDrawn(name, f"no launch of the cell kept a forecast ({FILE_NAME})")
