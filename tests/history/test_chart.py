"""The chart on the terminal: what its ticks say is where it stands, and numbers that differ look different."""

import io
from datetime import date, timedelta

import numpy as np
import pytest
from rich.console import Console

from harness.history.baseline import Baseline
from harness.history.chart import BESIDE, HEIGHT, chart, lines_of, points_of, show
from harness.history.gated import Gated
from harness.history.series import Group
from tests.history.made_nights import BEFORE


class TestChart:
    def group(self, *values, unit="", sort="loss"):
        """A series of one launch a night."""
        size = len(values)
        numbers, zeros = np.arange(size), np.zeros(size, int)
        return Group(
            cell="suite/cell",
            node="node",
            nights=tuple(str(date(2026, 3, 1) + timedelta(days=number)) for number in range(size)),
            commits=(BEFORE,),
            quantities=(Gated(name="q", title="q", unit=unit, sort=sort),),
            night=numbers,
            commit=zeros,
            launch=zeros,
            attempt=("a",) * size,
            foreign=zeros.astype(bool),
            values=np.array(values)[:, None],
        )

    def ticks(self, text):
        """Of both axes, as they stand there."""
        *vertical, _, horizontal = text.splitlines()[1 : HEIGHT + 4]
        return [line.partition("|")[0].strip() for line in vertical], horizontal.partition("|")[2].split()

    @pytest.mark.parametrize(
        "values",
        [
            (0.5, 0.51),
            (0.4, 0.4 * 1.00005, 0.4),
            (0.3, 0.3 + 1e-11),
            (5e12, 6e12),
            (1e-300, 2e-300),
            (2.0,),
            (0.0, 0.0),
        ],
    )
    def test_no_two_ticks_are_the_same_and_all_are_whole(self, values):
        vertical, horizontal = self.ticks(chart(self.group(*values), 0, Baseline(), 80))
        numbers = list(map(float, vertical))
        assert numbers == sorted(set(numbers), reverse=True)
        assert horizontal == [str(number) for number in range(len(values))]

    @pytest.mark.parametrize(("nights", "width"), [(5, 80), (64, 80), (65, 80), (1000, 80), (1000, 10)])
    def test_ticks_of_nights_are_where_these_nights_are(self, nights, width):
        """The last night is a peak, whose column lies beyond the last tick by the share that its number does."""
        text = chart(self.group(*[1.0] * (nights - 1), 2.0), 0, Baseline(), width)
        _, horizontal = self.ticks(text)
        numbers = list(map(int, horizontal))
        steps = set(np.diff(numbers))
        assert len(steps) == 1
        assert max(map(len, text.splitlines())) <= max(width, 20 + BESIDE)
        canvas = [line.partition("| ")[2] for line in text.splitlines()[2:5]]
        peak = max(map(len, canvas)) - 1
        assert peak == pytest.approx((nights - 1) * 10 / steps.pop(), abs=1.5)

    def test_a_distance_that_no_label_holds_is_drawn_in_percent_of_a_level_that_is_told(self):
        text = chart(self.group(0.3, 0.3, 0.3 * (1 + 4e-11)), 0, Baseline(), 80)
        assert "(%)" in text
        assert "0 % is 0.3\n" in text
        assert max(map(float, self.ticks(text)[0])) == pytest.approx(4.4e-9, rel=0.05)

    def test_levels_that_differ_by_little_are_told_apart(self):
        group = self.group(*[0.4] * 10, *[0.4 * 1.00005] * 10, sort="numbers")
        lines = lines_of(group, 0, points_of(group, 0, Baseline()), Baseline())
        assert lines == [f"2026-03-11: 0.4 to 0.40002  (+0.005 %), commits {BEFORE[:12]} to {BEFORE[:12]}"]
        shown = Console(file=io.StringIO(), width=100)
        show([group], "q", Baseline(), shown)
        assert "0.40002" in next(line for line in shown.file.getvalue().splitlines() if line.startswith("q "))
