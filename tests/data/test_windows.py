import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.climatology import MIN_STATES
from harness.data.config import Splits
from harness.data.source import stream
from harness.data.windows import Windows, split_ranges
from harness.errors import UserError

SPLITS = Splits(train=0.6, validation=0.2, test=0.2)


def numbered(steps, channels=2, rows=3, columns=4):
    """Fields whose every value tells its step, different in each channel and point."""
    points = np.arange(channels * rows * columns, dtype=float).reshape(channels, rows, columns)
    return 1000.0 * np.arange(steps)[:, None, None, None] + points


def steps_of(windows, fields):
    """The steps that normalised `numbered` fields were made from."""
    return np.round(windows.denormalise(fields)[:, 0, 0, 0] / 1000.0).astype(int)


class TestSplits:
    @given(steps=st.integers(8, 5000), train=st.floats(0.1, 0.8), rest=st.floats(0.1, 0.9))
    def test_ranges_follow_each_other_and_leave_no_step_out(self, steps, train, rest):
        validation = (1 - train) * rest
        times = np.datetime64("2000-01-01", "ns") + np.timedelta64(6, "h") * np.arange(steps)
        ranges = split_ranges(times, Splits(train=train, validation=validation, test=1 - train - validation))
        assert [step for part in ranges.values() for step in part] == list(range(steps))
        assert abs(len(ranges["train"]) - train * steps) <= 0.5 + 1e-6

    @settings(deadline=None)
    @given(data=st.data(), steps=st.integers(20, 60), lead=st.integers(1, 4))
    def test_no_window_leaves_its_split_or_crosses_a_missing_step(self, array_source, data, steps, lead):
        missing = data.draw(st.sets(st.integers(0, steps - 1), max_size=5))
        windows = Windows(array_source(numbered(steps), missing_steps=tuple(missing)), SPLITS)
        for split, allowed in windows.ranges.items():
            possible = [
                start
                for start in allowed
                if all(step in allowed and step not in missing for step in range(start, start + lead + 1))
            ]
            if possible:
                assert windows.starts(split, lead).tolist() == possible
            else:
                with pytest.raises(UserError, match=f"{split} split"):
                    windows.starts(split, lead)

    def test_training_never_reads_another_split(self, array_source):
        source = array_source(numbered(50))
        windows = Windows(source, SPLITS)
        list(windows.batches("train", 4, epoch_seed=0))
        windows.climatology.at(np.array([45]))
        assert source.steps_read == set(range(30))


class TestNormalisation:
    def test_is_that_of_the_training_steps_over_points_that_count(self, array_source):
        rng = np.random.default_rng(1)
        fields = rng.normal(5.0, 3.0, (40, 2, 6, 8)) * [[[[1.0]], [[100.0]]]] + [[[[0.0]], [[101_000.0]]]]
        fields[:, 1, :2, :3] = np.nan
        fields[7] = np.nan
        windows = Windows(_with_mask_of(array_source, fields, step=0, missing=(7,)), SPLITS)
        training = np.delete(fields[:24], 7, axis=0)
        for channel in range(2):
            values = training[:, channel][~np.isnan(training[:, channel])].astype(np.float32).astype(float)
            assert windows.normalisation.mean[channel] == pytest.approx(values.mean(), rel=1e-12)
            assert windows.normalisation.std[channel] == pytest.approx(values.std(), rel=1e-9)

    def test_does_not_depend_on_the_other_splits(self, array_source):
        fields = np.random.default_rng(2).normal(size=(40, 1, 4, 4))
        other = fields.copy()
        other[24:] += 100.0
        first, second = (Windows(array_source(values), SPLITS).normalisation for values in (fields, other))
        assert first.mean == second.mean
        assert first.std == second.std

    def test_constant_channel_is_refused(self, array_source):
        fields = numbered(40)
        fields[:, 1] = 0.1
        with pytest.raises(UserError, match="'c1' is constant"):
            Windows(array_source(fields), SPLITS).normalisation  # noqa: B018

    def test_there_and_back(self, array_source):
        fields = np.random.default_rng(3).normal(280.0, 10.0, (40, 1, 4, 4)).astype(np.float32)
        fields[:, :, 0, 0] = np.nan
        windows = Windows(array_source(fields), SPLITS)
        normalised = windows.normalise(fields)
        assert (normalised[:, :, 0, 0] == 0).all()
        np.testing.assert_allclose(windows.denormalise(normalised), fields, rtol=1e-6)


class TestBatches:
    def test_targets_are_the_steps_after_the_input(self, array_source):
        windows = Windows(array_source(numbered(50)), SPLITS)
        for inputs, targets, _ in windows.batches("train", 4, epoch_seed=(3, 0), lead=3):
            assert len(targets) == 3
            for step, target in enumerate(targets, start=1):
                np.testing.assert_array_equal(steps_of(windows, target), steps_of(windows, inputs) + step)

    def test_each_window_once_but_for_the_dropped_remainder(self, array_source):
        windows = Windows(array_source(numbered(50)), SPLITS)
        batches = list(windows.batches("train", 4, epoch_seed=0))
        seen = np.concatenate([steps_of(windows, batch.inputs) for batch in batches])
        assert len(windows.starts("train")) == 29
        assert (len(batches), windows.dropped("train", 4), len(set(seen))) == (7, 1, 28)

    def test_arrays_are_static_contiguous_float32_with_0_at_masked_points(self, array_source):
        fields = numbered(50)
        fields[:, 1, 2, :] = np.nan
        windows = Windows(array_source(fields), SPLITS)
        for batch in windows.batches("train", 4, epoch_seed=0):
            assert batch.inputs.shape == (4, 2, 3, 4)
            assert batch.targets.shape == (1, 4, 2, 3, 4)
            assert batch.forcings is None
            for array in (batch.inputs, batch.targets):
                assert array.dtype == np.float32
                assert array.flags.c_contiguous
                assert (array[..., 1, 2, :] == 0).all()
                assert np.isfinite(array).all()

    def test_shuffling_follows_the_seed_alone(self, array_source):
        def order(epoch_seed):
            windows = Windows(array_source(numbered(50)), SPLITS)
            return [
                step
                for batch in windows.batches("train", 4, epoch_seed=epoch_seed)
                for step in steps_of(windows, batch.inputs)
            ]

        assert order((5, 1)) == order((5, 1))
        assert order((5, 1)) != order((5, 2))
        assert order(None) == list(range(28))

    def test_batch_larger_than_the_split_is_refused(self, array_source):
        with pytest.raises(UserError, match="validation split has 9 windows, fewer than the batch size 10"):
            Windows(array_source(numbered(50)), SPLITS).batches("validation", 10)


class TestRollouts:
    def test_every_start_is_scored_once_at_a_fixed_batch_size(self, array_source):
        windows = Windows(array_source(numbered(50)), SPLITS)
        rollouts = list(windows.rollouts("test", [1, 2], 3))
        assert [rollout.samples for rollout in rollouts] == [3, 3, 2]
        assert [list(rollout.starts) for rollout in rollouts] == [[40, 41, 42], [43, 44, 45], [46, 47]]
        assert all(rollout.inputs.shape[0] == 3 for rollout in rollouts)
        assert steps_of(windows, rollouts[-1].inputs).tolist() == [46, 47, 47]

    def test_truth_and_baselines_are_of_the_right_time(self, array_source):
        windows = Windows(array_source(numbered(50)), SPLITS)
        rollout = next(windows.rollouts("test", [1, 4], 2))
        np.testing.assert_array_equal(rollout.truth(4)[:, 0, 0, 0], [44_000, 45_000])
        np.testing.assert_array_equal(rollout.persistence()[:, 0, 0, 0], [40_000, 41_000])
        assert windows.climatology.kind == "hour"
        means = [1000.0 * np.arange((start + 3) % 4, 30, 4).mean() for start in (40, 41)]
        assert rollout.climatology(3)[:, 0, 0, 0] == pytest.approx(means)

    def test_lead_time_in_hours(self, array_source):
        assert Windows(array_source(numbered(50), step_hours=6), SPLITS).lead_h(4) == 24.0


class TestClimatology:
    def test_by_hour_leaves_out_missing_steps(self, array_source):
        fields = np.random.default_rng(4).normal(size=(50, 1, 2, 2))
        climatology = Windows(array_source(fields, missing_steps=(9,)), SPLITS).climatology
        assert climatology.kind == "hour"
        same_hour = [step for step in range(1, 30, 4) if step != 9]
        np.testing.assert_allclose(
            climatology.at(np.array([41]))[0], fields[same_hour].astype(np.float32).mean(axis=0), rtol=1e-5
        )

    def test_daily_data_of_less_than_years_give_the_time_mean(self, array_source):
        fields = np.random.default_rng(5).normal(size=(50, 1, 2, 2))
        climatology = Windows(array_source(fields, step_hours=24), SPLITS).climatology
        assert climatology.kind == "time_mean"
        np.testing.assert_allclose(climatology.at(np.array([49]))[0], fields[:30].mean(axis=0), rtol=1e-4, atol=1e-6)

    def test_too_few_states_an_hour_give_the_time_mean(self, array_source):
        steps = round((4 * MIN_STATES - 4) / 0.6)
        assert Windows(array_source(numbered(steps)), SPLITS).climatology.kind == "time_mean"

    @pytest.mark.parametrize(("steps", "train", "kind"), [(32, 19, "time_mean"), (33, 20, "hour")])
    def test_every_hour_must_have_five_states(self, array_source, steps, train, kind):
        windows = Windows(array_source(numbered(steps)), SPLITS)
        assert (len(windows.ranges["train"]), windows.climatology.kind) == (train, kind)

    def test_years_of_data_give_the_day_of_the_year_with_29_february_as_28(self, array_source):
        days = np.arange(np.datetime64("1999-01-01"), np.datetime64("2009-01-01"))
        fields = np.random.default_rng(6).normal(size=(len(days), 1, 1, 2))
        source = array_source(fields, step_hours=24, start=np.datetime64("1999-01-01", "ns"))
        climatology = Windows(source, SPLITS).climatology
        assert climatology.kind == "day_of_year_hour"
        training_days = days[:2192].astype(str)
        for asked, wanted in (("2007-05-03", ("05-03",)), ("2008-02-29", ("02-28", "02-29"))):
            members = [k for k, day in enumerate(training_days) if day[5:] in wanted]
            found = climatology.at(np.flatnonzero(days == np.datetime64(asked)))
            np.testing.assert_allclose(found[0], fields[members].mean(axis=0), rtol=1e-5, atol=1e-6)


def test_streaming_in_blocks_gives_all_steps_in_order(array_source):
    source = array_source(numbered(10))
    blocks = list(stream(source, np.arange(10), block_bytes=3 * 4 * 24))
    assert [len(indices) for indices, _ in blocks] == [3, 3, 3, 1]
    np.testing.assert_array_equal(np.concatenate([fields for _, fields in blocks]), numbered(10))


def _with_mask_of(array_source, fields, *, step, missing):
    source = array_source(np.nan_to_num(fields), missing_steps=missing)
    source.fields = fields
    source.mask = ~np.isnan(fields[step])
    return source
