"""An archive with an odd number of rows or columns: the way on is named where there is one."""

import pytest

from harness.data.config import ArchiveConfig
from harness.errors import UserError
from harness.scenario import catalogue
from harness.scenario.networks import network_on

HINT = "; or `even_grid: true` in the mapping, which leaves one out: "


@pytest.mark.parametrize(
    ("grid", "even_grid", "hint"),
    [
        ((721, 1440), False, f"{HINT}720x1440"),
        ((41, 81), False, f"{HINT}40x80"),
        ((721, 1440), True, ""),
        ((35, 64), False, ""),
        ((34, 64), False, ""),
    ],
)
def test_an_odd_grid_that_would_fit_without_a_row_or_column(grid, even_grid, hint):
    channels = [{"name": "t", "variable": "t", "units": "K"}]
    data = ArchiveConfig(kind="archive", files="*.nc", channels=channels, even_grid=even_grid)
    with pytest.raises(UserError) as refused:
        network_on(catalogue.preset("fourcastnet", "tiny"), data, "mine", grid)
    said = str(refused.value)
    assert f"fourcastnet tiny on data 'mine': patch_size 4 does not divide the grid {grid[0]}x{grid[1]}" in said
    assert (HINT in said) == bool(hint)
    assert said.endswith(hint)
