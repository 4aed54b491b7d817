"""The forecast that a launch keeps: the right channels, points and time, written and read again."""

from dataclasses import replace

import numpy as np
import pytest

from harness.data.config import Splits
from harness.data.windows import Windows
from harness.errors import UserError
from harness.results.forecast import Forecast, keep_first, spread

SPLITS = Splits(train=0.6, validation=0.2, test=0.2)


class Numbered:
    """A source whose value says channel, time, row and column."""

    channels, units = tuple("abcdefg"), ("m",) * 7
    latitude, longitude = np.linspace(90.0, -90.0, 5), np.arange(800) * 0.45
    step = np.timedelta64(6, "h").astype("timedelta64[ns]")
    times = np.datetime64("2001-01-01", "ns") + step * np.arange(50)
    valid_steps = np.ones(50, bool)


def kept():
    windows = Windows(Numbered(), SPLITS)
    (rows, columns), channels = np.indices((5, 800)), np.arange(7)[:, None, None]
    truth = (1e4 * channels + 1e3 * rows + columns)[None].repeat(2, axis=0).astype(np.float64)

    class Start:
        starts = np.array([40, 41])

    Start.windows = windows
    return keep_first(Start, 3, truth + 0.5, truth)


def test_three_channels_are_kept_with_their_units():
    assert kept().channels == ("a", "d", "g")
    assert kept().units == ("m", "m", "m")


def test_of_a_wide_grid_every_third_point_is_kept():
    forecast = kept()
    assert (forecast.stride, forecast.truth.shape) == (3, (3, 2, 267))
    assert list(forecast.latitude) == [90.0, -45.0]
    assert forecast.truth[1, 1, 2] == 3e4 + 3e3 + 6
    assert np.array_equal(forecast.forecast, forecast.truth + np.float32(0.5))


def test_the_time_is_that_of_the_truth():
    assert kept().valid_at == "2001-01-11T18:00:00"
    assert kept().lead_h == 18


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / "forecast.npz"
    kept().save(path)
    again = Forecast.load(path)
    assert vars(again).keys() == vars(kept()).keys()
    for name, value in vars(kept()).items():
        assert np.array_equal(getattr(again, name), value), name


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no zip at all"])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "forecast.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"forecast\.npz: damaged"):
        Forecast.load(tmp_path / "forecast.npz")


def test_an_array_that_is_no_forecast_is_named(tmp_path):
    np.savez(tmp_path / "forecast.npz", something=np.zeros(3))
    with pytest.raises(UserError, match=r"forecast\.npz: damaged"):
        Forecast.load(tmp_path / "forecast.npz")


def test_one_array_alone_is_named(tmp_path):
    with (tmp_path / "forecast.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(UserError, match=r"forecast\.npz: damaged: one array"):
        Forecast.load(tmp_path / "forecast.npz")


def test_no_flipped_bit_gives_another_forecast_or_another_error(tmp_path):
    small = replace(
        kept(),
        latitude=np.array([9.0]),
        longitude=np.arange(2.0),
        forecast=np.ones((3, 1, 2)),
        truth=np.zeros((3, 1, 2)),
    )
    path = tmp_path / "forecast.npz"
    small.save(path)
    content = path.read_bytes()
    refused = 0
    for position in range(0, len(content), 3):
        path.write_bytes(content[:position] + bytes([content[position] ^ 8]) + content[position + 1 :])
        try:
            found = Forecast.load(path)
        except UserError:
            refused += 1
        else:
            assert all(np.array_equal(getattr(found, name), value) for name, value in vars(small).items())
    assert refused > len(content) / 6


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("truth", np.zeros((3, 2, 266), np.float32)),
        ("forecast", np.zeros((2, 267), np.float32)),
        ("latitude", np.float64(3.0)),
        ("units", ("m", "m")),
        ("truth", np.full((3, 2, 267), "text")),
    ],
)
def test_fields_of_another_shape_or_kind_are_damage(tmp_path, name, value):
    replace(kept(), **{name: value}).save(tmp_path / "forecast.npz")
    with pytest.raises(UserError, match=r"forecast\.npz: damaged"):
        Forecast.load(tmp_path / "forecast.npz")


def test_a_missing_file_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        Forecast.load(tmp_path / "forecast.npz")


def test_indices_are_spread_evenly():
    assert spread(227, 6) == [0, 45, 90, 136, 181, 226]
    assert spread(7, 3) == [0, 3, 6]
    assert spread(2, 6) == [0, 1]
    assert spread(1, 6) == [0]
