"""Splits by period: which steps they have, in any calendar, and what is refused."""

from datetime import datetime

import numpy as np
import pytest
from pydantic import ValidationError

from harness.data.calendar import even_times
from harness.data.config import RossbyConfig, Splits
from harness.data.opening import open_source
from harness.data.windows import Windows, split_ranges
from harness.errors import UserError
from harness.models.domain import InputSpec
from harness.projection.domains import training_samples
from harness.scenario import catalogue

DAY = np.timedelta64(24, "h")


def made(train, validation, test):
    return Splits(train=train, validation=validation, test=test)


@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day"])
@pytest.mark.parametrize("start", [datetime(1999, 1, 1), datetime(1999, 1, 1, 12)])
def test_steps_of_a_period_are_those_whose_own_date_lies_in_it(calendar, start):
    """Oracle: the fields of each date, compared as numbers."""
    times = even_times(start, DAY, 365 * 3, calendar)
    ranges = split_ranges(times, made(["1999-03", "2000-02-28"], ["2000-02-29", "2000-06"], [2001, "2001"]))
    dates = [(int(str(each)[:4]), int(str(each)[5:7]), int(str(each)[8:10])) for each in times]
    assert list(ranges["train"]) == [k for k, date in enumerate(dates) if (1999, 3, 1) <= date <= (2000, 2, 28)]
    assert list(ranges["validation"]) == [k for k, date in enumerate(dates) if (2000, 2, 29) <= date <= (2000, 6, 31)]
    assert list(ranges["test"]) == [k for k, date in enumerate(dates) if date[0] == 2001]


def test_fewer_training_steps_leave_the_test_period_as_it_was():
    """What lies in no period is in no window, and means are those of the training period alone."""
    source = open_source(RossbyConfig(kind="rossby", time_steps=240), grid=(4, 8))
    rest = (["2000-02-12", "2000-02-16"], ["2000-02-20", "2000-02-29"])
    whole, short = (Windows(source, made([day, "2000-02-10"], *rest)) for day in ("2000-01-01", "2000-01-15"))
    assert whole.ranges["test"] == short.ranges["test"] == range(200, 240)
    assert whole.ranges["train"] == range(164)
    assert short.ranges["train"] == range(56, 164)
    assert short.starts("train", 2)[[0, -1]].tolist() == [56, 161]
    assert short.starts("validation")[[0, -1]].tolist() == [168, 186]
    fields = source.read(np.arange(56, 164)).astype(np.float64)
    np.testing.assert_allclose(np.ravel(short.normalisation.std), fields.std(axis=(0, 2, 3)), rtol=1e-5)
    assert not np.allclose(whole.normalisation.std, short.normalisation.std, rtol=1e-3)


def test_validation_may_be_left_out_of_periods():
    splits = made([1999, 1999], 0, [2000, 2000])
    times = even_times(datetime(1999, 1, 1), DAY, 731, "standard")
    assert split_ranges(times, splits) == {"train": range(365), "validation": range(0), "test": range(365, 731)}


@pytest.mark.parametrize(
    ("splits", "said"),
    [
        (([1979, 2015], [2016, 2017], 0.2), "as shares, or all as periods"),
        (([1979, 2015], 0.1, [2018, 2018]), "as shares, or all as periods"),
        ((0.5, 0, [2018, 2018]), "as shares, or all as periods"),
        (([1979, 2015], [2015, 2016], [2018, 2018]), "train ends with 2015 and validation begins with 2015: no step"),
        (([2000, 2010], ["2010-12", 2011], [2018, 2018]), "train ends with 2010 and validation begins with 2010-12"),
        (([1979, 2015], [2016, 2017], [2010, 2010]), "train ends with 2015 and test begins with 2010"),
        (([2015, 1979], 0, [2018, 2018]), "train ends with 1979, before its beginning, 2015"),
    ],
)
def test_what_does_not_fit_together_is_refused(splits, said):
    with pytest.raises(ValidationError, match=said):
        made(*splits)


def test_the_test_period_may_lie_before_training():
    assert made([1993, 2000], 0, [1980, 1990]).periods["test"] == ("1980", "1990")


@pytest.mark.parametrize(
    ("train", "said"),
    [
        ([1990, "2000-01"], "train is from 1990 to 2000-01, and the data are from 2000-01-01 to 2000-02-29"),
        (["2000-01", "2000-02-10"], None),
        (["2000-01-01", "2000-02-10"], None),
    ],
)
def test_a_period_that_reaches_beyond_the_data_is_refused(train, said):
    source = open_source(RossbyConfig(kind="rossby", time_steps=240), grid=(4, 8))
    splits = made(train, 0, ["2000-02-20", "2000-02"])
    if said is None:
        assert Windows(source, splits).ranges["train"].start == 0
        return
    with pytest.raises(UserError, match=said):
        Windows(source, splits)


def test_years_and_days_stand_in_yaml_without_quotes(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "kind: rossby\nsplits: {train: [2000-01-01, 2000-01-20], validation: 0, test: [2000-02, 2000-02]}\n"
    )
    splits = catalogue.data(str(tmp_path / "mine.yaml")).splits
    assert splits.periods == {"train": ("2000-01-01", "2000-01-20"), "test": ("2000-02", "2000-02")}


@pytest.mark.parametrize(
    ("train", "said"),
    [
        (
            "[20000, 2001]",
            "splits.train.0: needs a year, a month or a day such as 1979, 1979-12 or 1979-12-31, not 20000",
        ),
        ("[2000-01-01T00:00, 2001]", "splits.train.0: needs a year, a month or a day such as"),
        ("[2000]", "splits.train: needs a share such as 0.7, or the first and the last year"),
        ("{from: 2000, to: 2001}", "splits.train: needs a share such as 0.7, or the first and the last year"),
        ("2000", "splits.train: must be less than 1, not 2000"),
    ],
)
def test_what_is_no_share_and_no_period_is_one_line(tmp_path, train, said):
    (tmp_path / "mine.yaml").write_text(
        f"kind: rossby\nsplits: {{train: {train}, validation: 0, test: [2002, 2003]}}\n"
    )
    with pytest.raises(UserError) as raised:
        catalogue.data(str(tmp_path / "mine.yaml"))
    assert f"mine.yaml:2: {said}" in str(raised.value)


@pytest.mark.parametrize("history", [1, 2])
def test_a_projection_counts_the_windows_of_a_bench(history):
    splits = made(["2000-01-05", "2000-02-10"], 0, ["2000-02-20", "2000-02-29"])
    config = RossbyConfig(kind="rossby", time_steps=240, splits=splits)
    spec = InputSpec(history=history, forcing_offsets=(), statics=False)
    windows = Windows(open_source(config, grid=(4, 8)), splits, spec)
    assert training_samples(config, spec, 3) == len(windows.starts("train", 3))
