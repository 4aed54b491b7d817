"""What passes over the training steps give is computed once for the same values and steps."""

import numpy as np
import pytest

from harness.cache import cache_folder
from harness.data import climatology as module
from harness.data.config import Splits
from harness.data.forcings import FormulaFields
from harness.data.kept_passes import KeptPasses
from harness.data.windows import Windows
from harness.models.domain import InputSpec

SPLITS = Splits(train=0.6, validation=0.2, test=0.2)
SPEC = InputSpec(history=2, residual=True)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture
def fields():
    return np.random.default_rng(3).normal(loc=5.0, size=(50, 2, 3, 4))


@pytest.fixture
def source_of(array_source):
    """A source over fields with two forcings by formula."""

    def make(fields, **changes):
        source = array_source(fields, **changes)
        source.forcings = ("toa_radiation", "year_progress_sin")
        source.read_forcings = lambda indices: FormulaFields.read_forcings(source, indices)
        return source

    return make


def passes(windows):
    """Everything that a pass over the training steps gives."""
    return [
        windows.normalisation.mean,
        windows.normalisation.std,
        windows.domain.residual_scale,
        windows.forcings_at(np.array([3, 40]))[0],
        windows.climatology.at(np.array([41, 42])),
    ]


def same(found, expected):
    return all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def test_a_second_launch_reads_nothing_for_the_same_numbers(source_of, fields):
    without = passes(Windows(source_of(fields), SPLITS, SPEC))
    first = passes(Windows(source_of(fields), SPLITS, SPEC, KeptPasses("a")))
    second = source_of(fields)
    assert same(first, without)
    assert same(passes(Windows(second, SPLITS, SPEC, KeptPasses("a"))), without)
    assert second.steps_read == set()


@pytest.mark.parametrize("change", ["values", "splits", "missing step"])
def test_what_changes_a_result_is_computed_anew(source_of, fields, change):
    passes(Windows(source_of(fields), SPLITS, SPEC, KeptPasses("a")))
    splits = Splits(train=0.5, validation=0.3, test=0.2) if change == "splits" else SPLITS
    missing = {"missing_steps": (7,)} if change == "missing step" else {}
    values = fields * 2 if change == "values" else fields
    kept = KeptPasses("b" if change == "values" else "a")
    found = passes(Windows(source_of(values, **missing), splits, SPEC, kept))
    assert same(found, passes(Windows(source_of(values, **missing), splits, SPEC)))


def test_a_damaged_file_is_made_anew(source_of, fields):
    without = passes(Windows(source_of(fields), SPLITS, SPEC))
    passes(Windows(source_of(fields), SPLITS, SPEC, KeptPasses("a")))
    files = {path: path.read_bytes() for path in cache_folder().iterdir()}
    assert {path.name.split("-")[0] for path in files} == {"normalisation", "change", "forcings", "climatology"}
    for path, content in files.items():
        path.write_bytes(content[: len(content) // 2])
    assert same(passes(Windows(source_of(fields), SPLITS, SPEC, KeptPasses("a"))), without)
    assert {path: path.read_bytes() for path in cache_folder().iterdir()} == files


def test_without_a_fingerprint_nothing_is_kept(source_of, fields):
    passes(Windows(source_of(fields), SPLITS, SPEC))
    assert not cache_folder().exists()


class TestClimatologyByDay:
    """Seven years of daily states: every day of the year is a group, the last year is forecast."""

    LEADS = (1, 5, 12)

    @pytest.fixture
    def source(self, array_source):
        fields = np.random.default_rng(0).normal(size=(7 * 365, 1, 1, 2))
        return array_source(fields, step_hours=24)

    def truths(self, windows):
        for start in windows.rollouts("test", self.LEADS, batch_size=4):
            for lead in self.LEADS:
                start.climatology(lead)

    def test_a_rollout_reads_the_states_of_a_day_once(self, source):
        splits = Splits(train=6 / 7, validation=0, test=1 / 7)
        windows = Windows(source, splits)
        windows.normalise(source.read([0]))
        asked, read = [], source.read
        source.read = lambda indices: asked.extend(i for i in indices if i < 6 * 365) or read(indices)
        self.truths(windows)
        assert windows.climatology.kind == "day_of_year_hour"
        assert len(asked) == len(set(asked))

    def test_more_than_the_cache_may_take_is_not_kept(self, source, monkeypatch):
        splits = Splits(train=6 / 7, validation=0, test=1 / 7)
        monkeypatch.setattr(module, "_KEPT_BYTES", 365 * 2 * 4)
        Windows(source, splits, kept=KeptPasses("a")).climatology.at(np.array([6 * 365 + 3]))
        assert [path.name.split("-")[0] for path in cache_folder().iterdir()] == ["climatology"]
        monkeypatch.setattr(module, "_KEPT_BYTES", 365 * 2 * 4 - 1)
        Windows(source, splits, kept=KeptPasses("a")).climatology.at(np.array([6 * 365 + 4]))
        assert len(list(cache_folder().iterdir())) == 1
