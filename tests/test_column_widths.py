"""Areas of the cells of a grid whose columns are unevenly wide."""

import numpy as np
import pytest

from harness.models.cell_area import longitude_weights
from harness.runners.skill import Scorer


class TestColumns:
    """Areas where columns are unevenly wide, from bounds written out by hand."""

    def test_widths_of_a_part_of_the_globe(self):
        """0, 10, 30, 60: bounds at -5, 5, 20, 45, 75."""
        width = np.array([10, 15, 25, 30.0])
        for columns in ([0, 10, 30, 60], [350, 0, 20, 50], [60, 50, 30, 0]):
            expected = width if columns[0] != 60 else np.array([10, 15, 25, 30])
            np.testing.assert_allclose(longitude_weights(np.array(columns, float)), expected / expected.mean())

    def test_widths_round_the_globe(self):
        """0, 90, 200, 300: bounds at -30, 45, 145, 250 and 330."""
        width = np.array([75, 100, 105, 80.0])
        for shift in (0, -180, 250):
            columns = np.mod(np.array([0, 90, 200, 300.0]) + shift, 360)
            np.testing.assert_allclose(longitude_weights(columns), width / width.mean(), rtol=1e-12)

    @pytest.mark.parametrize("count", [1, 2, 36, 1440])
    def test_even_columns_are_exactly_1(self, count):
        for columns in (np.arange(count) * 360 / count, 20 + np.arange(count) * 0.08):
            for each in (columns, columns.astype("f4").astype("f8"), columns[::-1]):
                assert (longitude_weights(each) == 1).all()

    def test_the_root_mean_squared_error_is_that_over_the_area(self):
        latitude, longitude = np.array([50.0, 10.0, -10.0]), np.array([0.0, 10, 30, 60])
        random = np.random.default_rng(0)
        truth, forecast = random.normal(size=(2, 3, 1, 3, 4))
        mask = np.ones((1, 3, 4), dtype=bool)
        mask[0, 1, 2] = False
        scorer = Scorer(["t"], latitude, mask, longitude=longitude)
        height = np.sin(np.radians([70.0, 30, 0])) - np.sin(np.radians([30.0, 0, -20]))
        area = np.outer(height, [10, 15, 25, 30]) * mask[0]
        expected = np.sqrt(((forecast - truth)[:, 0] ** 2 * area).sum() / (3 * area.sum()))
        found = scorer.statistics(forecast, truth, np.zeros_like(truth)).rmse()
        np.testing.assert_allclose(found, [expected], rtol=1e-12)
        even = Scorer(["t"], latitude, mask).statistics(forecast, truth, np.zeros_like(truth)).rmse()
        assert abs(found[0] / even[0] - 1) > 1e-3
