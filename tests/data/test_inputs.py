"""History, forcings and static fields of windows over a made-up source."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data import threads
from harness.data.config import Splits
from harness.data.inputs import static_fields
from harness.data.normalisation import Moments, change_deviation
from harness.data.windows import Windows
from harness.errors import UserError
from harness.models.domain import InputSpec

SPLITS = Splits(train=0.6, validation=0.2, test=0.2)
SPEC = InputSpec(history=2, forcing_offsets=(-1, 0, 1))
STEPS, ROWS, COLUMNS = 50, 3, 4


@pytest.fixture
def source(array_source):
    """Two channels, one masked at a row; two forcings, one constant; two static fields, one constant."""

    def make(steps=STEPS, missing=()):
        random = np.random.default_rng(7)
        fields = random.normal([[[3.0]], [[-40.0]]], [[[2.0]], [[7.0]]], (steps, 2, ROWS, COLUMNS))
        fields[:, 1, 0] = np.nan
        made = array_source(fields, missing_steps=missing)
        made.forcings, made.statics = ("sun", "flat"), ("height", "level")
        sun = random.normal(5.0, 2.0, (steps, ROWS, COLUMNS))
        forcing = np.stack([sun, np.full_like(sun, 0.1)], axis=1).astype(np.float32)
        statics = np.stack([random.normal(size=(ROWS, COLUMNS)), np.full((ROWS, COLUMNS), 0.3)]).astype(np.float32)
        made.forcing_steps_read = set()

        def read_forcings(indices):
            assert min(indices) >= 0
            made.forcing_steps_read.update(int(index) for index in indices)
            return forcing[np.asarray(indices)]

        made.read_forcings, made.read_statics = read_forcings, lambda: statics
        made.forcing_values, made.static_values = forcing, statics
        return made

    return make


def normalised_forcing(source, step):
    sun = source.forcing_values[:, 0].astype(float)
    training = sun[: round(0.6 * len(sun))]
    return np.stack([(sun[step] - training.mean()) / training.std(), np.zeros((ROWS, COLUMNS))])


def expected_x(windows, step):
    """x of one sample whose newest state is at `step`, by the order in the docstring of Domain."""
    source = windows.source
    states = [windows.normalise(source.fields[[at]].astype(np.float32))[0] for at in (step, step - 1)]
    forcings = [normalised_forcing(source, step + offset) for offset in (-1, 0, 1)]
    height = source.static_values[0].astype(float)
    statics = np.stack([(height - height.mean()) / height.std(), np.zeros_like(height)])
    return np.concatenate([*states, *forcings, statics])


def close(found, expected):
    np.testing.assert_allclose(found, expected, atol=2e-6)


class TestBatches:
    def test_channels_are_those_of_the_docstring_at_their_times(self, source):
        windows = Windows(source(), SPLITS, SPEC)
        starts = windows.starts("validation", 3)
        for number, batch in enumerate(windows.batches("validation", 4, lead=3)):
            assert batch.inputs.shape == (4, windows.domain.inputs(SPEC), ROWS, COLUMNS) == (4, 12, ROWS, COLUMNS)
            for sample, start in enumerate(starts[4 * number : 4 * number + 4]):
                close(batch.inputs[sample], expected_x(windows, start))
                for later in (0, 1):
                    close(batch.forcings[later, sample], expected_x(windows, start + later + 1)[4:10])
                for lead in (1, 2, 3):
                    close(batch.targets[lead - 1, sample], expected_x(windows, start + lead)[:2])

    def test_arrays_are_contiguous_float32(self, source):
        for batch in Windows(source(), SPLITS, SPEC).batches("train", 4, epoch_seed=0, lead=2):
            for array in batch:
                assert array.dtype == np.float32
                assert array.flags.c_contiguous

    def test_a_single_step_needs_no_later_forcings(self, source):
        assert next(Windows(source(), SPLITS, SPEC).batches("train", 4)).forcings is None

    def test_each_kind_of_input_can_be_left_out(self, source):
        for spec, channels in (
            (InputSpec(forcing_offsets=(), statics=False), 2),
            (InputSpec(history=3, forcing_offsets=(), statics=False), 6),
            (InputSpec(forcing_offsets=(1,), statics=False), 4),
            (InputSpec(forcing_offsets=(), statics=True), 4),
        ):
            windows = Windows(source(), SPLITS, spec)
            assert next(windows.batches("train", 4)).inputs.shape[1] == windows.domain.inputs(spec) == channels

    def test_forcings_are_normalised_by_the_training_steps_alone(self, source):
        made = source()
        Windows(made, SPLITS, SPEC).forcings_at(np.array([5]))
        assert made.forcing_steps_read == set(range(30))


class TestStarts:
    @settings(deadline=None)
    @given(data=st.data(), history=st.integers(1, 4), lead=st.integers(1, 3))
    def test_history_stays_inside_the_split_and_the_valid_steps(self, array_source, data, history, lead):
        missing = data.draw(st.sets(st.integers(0, 39), max_size=4))
        windows = Windows(
            array_source(np.zeros((40, 1, 2, 2)), missing_steps=tuple(missing)),
            SPLITS,
            InputSpec(history=history, forcing_offsets=(), statics=False),
        )
        for split, allowed in windows.ranges.items():
            possible = [
                start
                for start in allowed
                if all(t in allowed and t not in missing for t in range(start - history + 1, start + lead + 1))
            ]
            if possible:
                assert windows.starts(split, lead).tolist() == possible
            else:
                with pytest.raises(UserError, match=f"{split} split"):
                    windows.starts(split, lead)

    def test_forcings_stay_inside_the_data_but_may_lie_in_another_split(self, source):
        windows = Windows(source(), SPLITS, InputSpec(forcing_offsets=(-3, 2)))
        assert windows.starts("train", 2)[0] == 3
        assert windows.starts("validation", 2)[[0, -1]].tolist() == [30, 37]
        assert windows.starts("test", 2)[-1] == 49 - 2 - 1
        windows.forcings_at(windows.starts("test", 2) + 1)


class TestRollouts:
    def test_inputs_of_later_steps_hold_the_forecast_then_what_was_known(self, source):
        windows = Windows(source(), SPLITS, SPEC)
        rollouts = list(windows.rollouts("test", (1, 3), 4))
        assert [rollout.samples for rollout in rollouts] == [4, 2]
        for rollout in rollouts:
            x, forecast = rollout.inputs, np.random.default_rng(1).normal(size=(2, 4, 2, ROWS, COLUMNS))
            first = rollout.next_inputs(x, forecast[0], 1)
            second = rollout.next_inputs(first, forecast[1], 2)
            for sample, start in enumerate(rollout.padded_starts):
                close(x[sample], expected_x(windows, start))
                truth = [expected_x(windows, start + lead) for lead in (0, 1, 2)]
                close(first[sample], np.concatenate([forecast[0][sample], truth[0][:2], truth[1][4:]]))
                close(second[sample], np.concatenate([forecast[1][sample], forecast[0][sample], truth[2][4:]]))


class TestResidualScale:
    @pytest.mark.parametrize("missing", [(), (0, 7, 8, 29)])
    def test_is_the_deviation_of_the_change_over_that_of_the_field(self, source, missing):
        made = source(missing=missing)
        windows = Windows(made, SPLITS, InputSpec(residual=True))
        valid = [step for step in range(30) if step not in missing]
        values = made.fields.astype(np.float32).astype(float)
        change = np.stack([values[t + 1] - values[t] for t in valid if t + 1 in valid])
        for channel in (0, 1):
            ratio = np.nanstd(change[:, channel]) / np.nanstd(values[valid, channel])
            assert windows.domain.residual_scale[channel] == pytest.approx(ratio, rel=1e-6)

    @pytest.mark.parametrize("steps_in_block", [1, 2, 7, 30])
    def test_does_not_depend_on_how_the_data_are_streamed(self, source, steps_in_block):
        made = source()
        whole = np.diff(made.fields[:30].astype(np.float32).astype(float), axis=0)
        block_bytes = steps_in_block * 4 * 2 * ROWS * COLUMNS
        found = change_deviation(made, np.arange(30), block_bytes=block_bytes)
        np.testing.assert_allclose(found, np.nanstd(whole, axis=(0, 2, 3)), rtol=1e-12)

    @pytest.mark.parametrize("steps_in_block", [1, 5, 10, 30])
    def test_no_change_is_taken_over_steps_that_are_left_out(self, source, steps_in_block):
        made = source()
        first, second = np.arange(10), np.arange(15, 25)
        values = made.fields.astype(np.float32).astype(float)
        changes = np.concatenate([np.diff(values[part], axis=0) for part in (first, second)])
        block_bytes = steps_in_block * 4 * 2 * ROWS * COLUMNS
        found = change_deviation(made, np.concatenate([first, second]), block_bytes=block_bytes)
        np.testing.assert_allclose(found, np.nanstd(changes, axis=(0, 2, 3)), rtol=1e-12)

    def test_a_channel_that_drifts_evenly_is_refused(self, array_source):
        made = array_source(1000.0 * np.arange(40)[:, None, None, None] + np.zeros((1, 1, 2, 2)))
        with pytest.raises(UserError, match="'c0' changes by the same amount at every training step"):
            Windows(made, SPLITS, InputSpec(residual=True)).domain  # noqa: B018

    def test_is_not_a_number_for_a_network_that_is_not_residual(self, source):
        made = source()
        assert np.isnan(Windows(made, SPLITS).domain.residual_scale).all()
        assert made.steps_read == set()


@pytest.mark.parametrize(
    "shape", [(2, 3, 300, 260), (3, 4, 200, 100), (70, 2, 30, 40)], ids=["runs", "channels", "steps"]
)
@pytest.mark.parametrize("differences", [False, True])
def test_moments_of_what_is_summed_in_tiles_and_threads_are_those_of_numpy(monkeypatch, shape, differences):
    """A field larger than a tile, a step larger than one, and a tile of several steps."""
    monkeypatch.setattr(threads, "WORTH_BYTES", 0)
    monkeypatch.setattr(threads, "cores", lambda: 3)
    random = np.random.default_rng(3)
    mask = random.random(shape[1:]) < 0.8
    widths = np.arange(1, shape[1] + 1)[:, None, None]
    fields, before = random.normal(1e4 * widths, widths, (2, *shape)).astype(np.float32)
    fields[:, ~mask] = np.nan
    values = fields.astype(np.float64) - (before if differences else 0)
    moments = Moments(mask)
    for part in (slice(0, 1), slice(1, None)):
        moments.add(fields[part], before[part] if differences else None)
    mean, std = moments.mean_and_std()
    np.testing.assert_allclose(mean, np.nanmean(values, axis=(0, 2, 3)), rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(std, np.nanstd(values, axis=(0, 2, 3)), rtol=1e-11)


def test_constant_static_field_is_zero(source):
    fields = static_fields(source())
    assert (fields[1] == 0).all()
    assert fields[0].std() == pytest.approx(1, rel=1e-6)


def test_domain_tells_the_grid_names_and_mask_of_the_source(source):
    made = source()
    domain = Windows(made, SPLITS, SPEC).domain
    assert (domain.grid, domain.outputs, domain.forcings, domain.statics) == (
        (ROWS, COLUMNS),
        2,
        made.forcings,
        made.statics,
    )
    np.testing.assert_array_equal(domain.mask, made.mask)
