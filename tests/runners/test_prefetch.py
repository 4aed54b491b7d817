import hashlib
import os
import signal
import threading
import time
from functools import partial

import numpy as np
import pytest
import xarray as xr

from harness.data.archive import ArchiveSource
from harness.data.config import ArchiveConfig, RossbyConfig, Splits
from harness.data.opening import open_source
from harness.data.threads import WORTH_BYTES, in_threads
from harness.data.windows import Windows
from harness.errors import UserError
from harness.models.domain import InputSpec
from harness.runners import training
from harness.runners.prefetch import THREAD_NAME, prefetched
from harness.runners.reporter import Reporter
from harness.scenario.execution import EAGER, Clock, Execution, Loading
from harness.scenario.schema import Stage, TrainingConfig
from tests.runners.traced import Traced

STEPS, ROWS, COLUMNS = 48, 6, 12
AHEAD = [
    Execution(loading=Loading(prefetch=1)),
    Execution(loading=Loading(prefetch=3)),
    Execution(loading=Loading(prefetch=4, workers=3), clock=Clock(window=5)),
]
CONFIG = ArchiveConfig(
    kind="archive",
    files=("*.nc", "*.zarr"),
    channels=tuple({"name": name, "variable": name, "units": "1"} for name in "ab"),
    forcings=("toa_radiation",),
    statics=("latitude_sin",),
)


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith(THREAD_NAME)]


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A function that writes the same two channels in a format and opens them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def make(file_format):
        coordinates = {
            "time": np.datetime64("2001-01-01", "ns") + np.timedelta64(6, "h") * np.arange(STEPS),
            "latitude": np.linspace(75.0, -75.0, ROWS),
            "longitude": np.arange(COLUMNS) * 360.0 / COLUMNS,
        }
        values = np.random.default_rng(3).normal(size=(2, STEPS, ROWS, COLUMNS)).astype(np.float32)
        data = xr.Dataset({n: (tuple(coordinates), v) for n, v in zip("ab", values, strict=True)}, coords=coordinates)
        if file_format == "netcdf":
            data.to_netcdf(tmp_path / "all.nc")
        else:
            data.chunk({"time": 1}).to_zarr(tmp_path / "all.zarr", zarr_format=2, consolidated=False)
        return ArchiveSource(CONFIG, tmp_path)

    return make


def train(source, execution, extras=lambda epoch, random: (random.random(3),), before=lambda: None):
    """Digest of everything that the steps of a training with validation were given, and its epochs.

    `before` is called when what normalises the data has been computed.
    """
    framework = Traced()
    windows = Windows(source, Splits(train=0.6, validation=0.2, test=0.2), InputSpec(history=2))
    windows.batch_tasks("train", 3)
    before()
    stages = (
        Stage(name="one", epochs=2, learning_rate=1e-3),
        Stage(name="two", epochs=1, learning_rate=1e-3, rollout_steps=2),
    )
    done = training.train(
        framework, windows, TrainingConfig(batch_size=3, stages=stages), extras, 7, Reporter(), execution
    )
    seen = hashlib.sha256()
    for array in framework.batches:
        seen.update(repr((array.shape, str(array.dtype))).encode() + np.ascontiguousarray(array).tobytes())
    return seen.hexdigest(), [epoch for stage in done for epoch in stage.epochs]


@pytest.mark.parametrize("kind", ["rossby", "netcdf", "zarr"])
def test_steps_are_given_the_same_bytes_in_the_same_order(kind, archive):
    rossby = RossbyConfig(kind="rossby", time_steps=STEPS, forcings=("toa_radiation",), statics=("latitude_sin",))
    source = open_source(rossby, grid=(ROWS, COLUMNS)) if kind == "rossby" else archive(kind)
    plain, epochs = train(source, EAGER)
    assert all(len(epoch.wait_s) == len(epoch.step_s) > 3 and epoch.window == 1 for epoch in epochs)
    for execution in AHEAD:
        digest, ahead = train(source, execution)
        assert digest == plain
        assert [epoch.loss for epoch in ahead] == [epoch.loss for epoch in epochs]
        assert {epoch.window for epoch in ahead} == {execution.clock.window}
    assert not threads()


def test_another_order_gives_another_digest(archive):
    source = archive("zarr")
    assert train(source, EAGER)[0] != train(source, EAGER, lambda epoch, random: (random.random(3) + 1,))[0]


def test_an_error_of_a_reader_ends_the_training_with_its_own_message(archive, tmp_path):
    source = archive("zarr")
    chunk = tmp_path / "all.zarr/a/9.0.0"
    whole, said = chunk.read_bytes(), []
    for execution in (EAGER, *AHEAD):
        chunk.write_bytes(whole)
        with pytest.raises(UserError) as error:
            train(source, execution, before=lambda: chunk.write_bytes(b"no chunk"))
        said.append(str(error.value))
        assert not threads()
    assert "all.zarr: cannot be read" in said[0]
    assert set(said) == {said[0]}


def test_an_error_comes_where_its_batch_would_have_come():
    def task(number):
        if number == 4:
            raise MemoryError("no room for batch 4")
        return number

    taken = []
    with (
        pytest.raises(MemoryError, match="no room for batch 4"),
        prefetched([partial(task, k) for k in range(8)], Loading(prefetch=3, workers=2)) as results,
    ):
        taken.extend(results)
    assert taken == [0, 1, 2, 3]
    assert not threads()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_ending_of_the_loop_leaves_no_thread_and_begins_no_more(error):
    begun = []
    tasks = [partial(begun.append, number) for number in range(100)]

    def loop():
        with prefetched(tasks, Loading(prefetch=4, workers=2)) as results:
            next(results)
            if error is KeyboardInterrupt:
                signal.raise_signal(signal.SIGINT)
            raise error

    with pytest.raises(error):
        loop()
    assert not threads()
    assert len(begun) <= 5


def test_ctrl_c_while_the_loop_waits_for_a_batch_leaves_no_thread():
    begun, release = threading.Event(), threading.Event()

    def slow():
        begun.set()
        release.wait(30)

    def interrupt():
        begun.wait(30)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
        release.set()

    presser = threading.Thread(target=interrupt)
    presser.start()
    with pytest.raises(KeyboardInterrupt), prefetched([slow] * 20, Loading(prefetch=2)) as results:
        next(results)
    presser.join()
    assert not threads()


@pytest.mark.parametrize("pool", ["prefetched", "fields"])
def test_ctrl_c_while_a_thread_is_started_leaves_none(monkeypatch, pool):
    """It comes after the thread has begun and before its pool knows that it has."""
    start = threading.Thread.start

    def interrupted(thread):
        start(thread)
        raise KeyboardInterrupt

    def use():
        if pool == "fields":
            in_threads([partial(time.sleep, 0.2)] * 4, WORTH_BYTES)
        else:
            with prefetched([partial(time.sleep, 0.2)] * 4, Loading(prefetch=2)) as results:
                next(results)

    before = threading.active_count()
    monkeypatch.setattr("harness.data.threads.cores", lambda: 2)
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        use()
    assert threading.active_count() == before


def test_no_more_than_the_depth_is_made_ahead():
    made = []
    with prefetched([partial(made.append, k) for k in range(20)], Loading(prefetch=3, workers=3)) as results:
        for taken in range(1, 6):
            next(results)
            until_s = time.monotonic() + 20
            while len(made) < taken + 3 and time.monotonic() < until_s:
                time.sleep(0.001)
            time.sleep(0.01)
            assert len(made) == taken + 3


def test_without_prefetch_nothing_is_made_before_it_is_asked_for():
    made = []
    with prefetched([partial(made.append, k) for k in range(3)], Loading()) as results:
        assert made == []
        next(results)
        assert made == [0]
        assert not threads()


def test_the_wait_is_the_loops_and_not_what_the_threads_did(monkeypatch):
    """A reader takes 0.1 s a batch; steps go on until the next batch lies ready."""
    made = []

    def reading(epoch, random):
        time.sleep(0.1)
        made.append(epoch)
        return ()

    class Patient(Traced):
        def train_step(self, *inputs):
            until_s = time.monotonic() + 20
            while len(made) < min(4, len(self.batches) // 2 + 2) and time.monotonic() < until_s:
                time.sleep(0.001)
            return super().train_step(*inputs)

    source = open_source(RossbyConfig(kind="rossby", time_steps=20), grid=(4, 8))
    windows = Windows(source, Splits(train=0.7, validation=0, test=0.3))
    config = TrainingConfig(batch_size=3, stages=(Stage(name="one", epochs=1, learning_rate=1e-3),))
    (plain,) = training.train(Traced(), windows, config, reading, 0, Reporter())
    assert len(plain.epochs[0].wait_s) == 4
    assert min(plain.epochs[0].wait_s) >= 0.1
    assert all(w <= d for w, d in zip(plain.epochs[0].wait_s, plain.epochs[0].data_s, strict=True))
    made.clear()
    ahead = Execution(loading=Loading(prefetch=2))
    (stage,) = training.train(Patient(), windows, config, reading, 0, Reporter(), ahead)
    assert max(stage.epochs[0].wait_s[1:]) < 0.1
