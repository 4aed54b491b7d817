"""What launches of several ranks are made of, each part by itself."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from collectors.accounting.energy import WindowEnergy
from collectors.base import Reading, Sensor
from collectors.samples import Header, SampleLog, encode, reading_record
from collectors.sampling.process import SamplerOutcome
from harness.errors import UserError
from harness.launch import rank_watch
from harness.launch.energy import account, energy_of_device
from harness.launch.launchers import Meeting, launcher_of
from harness.launch.plan import LaunchPlan, PowerPlan
from harness.launch.rank_watch import RankWatch
from harness.launch.room import cores, problem_of_ranks
from harness.launch.worker_process import with_share_of_threads
from harness.processes import this_machine
from harness.results.devices import Accelerator, Device
from harness.results.ranks import as_one
from harness.results.record import Energy, Epoch, Memory, Phase, PhaseEnergy, TrainingStage, WorkerMeasurements
from harness.runners.agreement import require_agreement, slowest
from harness.runners.reporter import Reporter
from harness.scenario import catalogue
from harness.scenario.execution import Execution, World
from harness.worker import place, state
from harness.worker.measuring import rest
from harness.worker.place import Place
from tests.analysis.made_records import make_environment, make_measurements, make_scenario, make_window
from tests.runners.made_ranks import at_once


def plan_of(framework: str, devices: int, **changes) -> LaunchPlan:
    """A plan on several devices."""
    execution = Execution(world=World(devices=devices))
    scenario = make_scenario(framework=framework, execution=execution, **changes)
    return LaunchPlan(scenario=scenario, chip=catalogue.chip("cpu"), launch=0, order=0, bench="b", attempt="0123abcd")


@pytest.mark.parametrize(
    ("framework", "devices", "words"),
    [
        ("pytorch", 1, ["harness.worker"]),
        ("pytorch", 3, ["torch.distributed.run", "--nproc-per-node", "3", "--master-port", "4711", "harness.worker"]),
        (
            "mindspore",
            2,
            ["mindspore.parallel.cluster.run", "--worker_num", "--master_port", "4711", "harness.worker"],
        ),
    ],
)
def test_a_plan_is_a_command_line(tmp_path, framework, devices, words):
    plan = plan_of(framework, devices)
    command = launcher_of(plan).command(plan, tmp_path / "launch", Meeting(4711), tmp_path)
    assert [word for word in command if word in words] == words
    assert command[-1] == str(tmp_path / "launch")
    assert ("torch.distributed.run" in command) == (framework == "pytorch" and devices > 1)
    assert ("mindspore.parallel.cluster.run" in command) == (framework == "mindspore" and devices > 1)


TORCHRUN = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}


def written(folder, framework: str, devices: int, **chip) -> object:
    """The file of a plan, with facts of its chip changed."""
    plan = plan_of(framework, devices, device=chip.pop("device", "cpu"))
    content = json.loads(plan.model_dump_json())
    content["chip"] |= chip
    (folder / "launch.json").write_text(json.dumps(content))
    return folder / "launch.json"


def test_a_rank_takes_the_device_of_its_number_among_those_that_the_job_sees(tmp_path):
    launch = written(tmp_path, "pytorch", 4, device="cuda", visible_devices="CUDA_VISIBLE_DEVICES")
    environment = {**TORCHRUN, "CUDA_VISIBLE_DEVICES": "GPU-a, GPU-b"}
    assert place.take_place(launch, environment) == Place(3, 4, 1)
    assert environment["CUDA_VISIBLE_DEVICES"] == "GPU-b"
    unset = dict(TORCHRUN)
    place.take_place(launch, unset)
    assert unset["CUDA_VISIBLE_DEVICES"] == "1"


def test_the_only_rank_takes_nothing_whatever_launcher_is_around_it(tmp_path):
    environment = {**TORCHRUN, "CUDA_VISIBLE_DEVICES": "0,1"}
    launch = written(tmp_path, "pytorch", 1, device="cuda", visible_devices="CUDA_VISIBLE_DEVICES")
    assert place.take_place(launch, environment) == Place()
    assert environment["CUDA_VISIBLE_DEVICES"] == "0,1"


def test_msrun_numbers_its_ranks_and_has_a_scheduler_that_is_none(tmp_path):
    launch = written(tmp_path, "mindspore", 2, device="Ascend", visible_devices="ASCEND_RT_VISIBLE_DEVICES")
    ranks = {"RANK_ID": "1", "RANK_SIZE": "2", "DEVICE_ID": "1", "MS_ROLE": "MS_WORKER", **TORCHRUN}
    assert place.take_place(launch, ranks) == Place(1, 2, 1)
    assert place.take_place(launch, {**ranks, "MS_ROLE": "MS_SCHED"}).is_scheduler


@pytest.mark.parametrize(
    ("cores", "size", "shares"),
    [
        ([0, 1, 2, 3], 2, [[0, 1], [2, 3]]),
        ([4, 6, 9, 11, 13], 2, [[4, 6], [9, 11]]),
        ([0, 1], 4, [[], [], [], []]),
    ],
)
def test_cores_are_shared_evenly_or_not_at_all(cores, size, shares):
    assert [place.share(cores, Place(local, size, local), size) for local in range(size)] == shares


def test_ranks_make_as_many_threads_as_they_have_cores_unless_the_user_says_otherwise():
    made = with_share_of_threads({"OMP_NUM_THREADS": "7", "A": "b"}, 2)
    assert made["OMP_NUM_THREADS"] == "7"
    assert made["MKL_NUM_THREADS"] == str(max(1, cores() // 2))


def test_more_ranks_than_devices_are_refused_by_name():
    here = make_environment()
    assert problem_of_ranks(plan_of("pytorch", cores()).scenario, here) is None
    too_many = problem_of_ranks(plan_of("pytorch", cores() + 1).scenario, here)
    assert too_many.startswith(f"world.devices: {cores() + 1}: this job has {cores()} cores")
    on_device = plan_of("pytorch", 3, device="cuda").scenario
    assert problem_of_ranks(on_device, here) is None
    two = here.model_copy(update={"accelerator": Accelerator(devices=(Device(index=0), Device(index=1)))})
    assert problem_of_ranks(on_device, two).endswith("take at most DEVICES=2")


def epoch(data_s, step_s, **changes) -> Epoch:
    """An epoch of these times."""
    made = {"loss": (1.0,) * len(step_s), "validation_loss": None, "validation_s": None, **changes}
    return Epoch(data_s=data_s, step_s=step_s, **made)


def measured(*epochs: Epoch, rss: int | None = 5) -> WorkerMeasurements:
    """What a rank leaves of one stage."""
    stage = TrainingStage(
        name="pretrain",
        rollout_steps=1,
        dropped_samples=0,
        samples_per_epoch=8,
        epochs=epochs,
        steady_from_step=None,
    )
    memory = Memory(process_rss_bytes=rss, device_bytes=None)
    return WorkerMeasurements(training=(stage,), memory=memory)


def test_a_step_is_as_long_as_that_of_the_slowest_rank_and_no_wait_counts_twice():
    slow_data = measured(epoch((1.0, 0.1), (0.5, 2.0), wait_s=(0.9, 0.0)), rss=7)
    slow_step = measured(epoch((0.0, 0.1), (1.5, 0.3), wait_s=(0.0, 0.1), first_calls=(1,)))
    (stage,) = as_one([slow_data, slow_step]).training
    (both,) = stage.epochs
    assert both.step_s == (1.5, 2.0)
    assert both.data_s == pytest.approx((0.0, 0.1))
    assert both.wait_s == pytest.approx((0.0, 0.1))
    assert both.first_calls == (1,)
    assert as_one([slow_data, slow_step]).memory.process_rss_bytes == 7
    assert as_one([slow_data, measured(rss=None)]).memory.process_rss_bytes is None


def test_of_ranks_that_end_early_the_steps_that_all_have_made_are_kept():
    (stage,) = as_one([measured(epoch((0.0, 0.0), (1.0, 1.0))), measured(epoch((0.0,), (2.0,)))]).training
    assert stage.epochs[0].step_s == (2.0,)
    assert len(stage.epochs[0].loss) == 1
    assert as_one([measured(epoch((0.0,), (1.0,))), WorkerMeasurements()]).training == ()


def test_every_rank_is_told_which_of_them_differs_in_what():
    def ask(ranks):
        facts = {"data": "a" if ranks.rank.number < 2 else "b", "initial_weights": "w"}
        try:
            require_agreement(ranks, facts)
        except UserError as error:
            return str(error).partition(":")[0]
        return None

    assert at_once(3, ask) == ["rank 2 differs from rank 0 in data"] * 3
    assert at_once(2, ask) == [None, None]
    assert at_once(3, lambda ranks: slowest(ranks, 0.1 * ranks.rank.number)) == [0.2] * 3


def window(*devices: tuple[int, ...], reasons=()) -> Energy:
    """A training phase with a sensor of each of these devices, of 100 J and more."""
    made = make_window(450.0, scopes=("card",) * len(devices), reasons=reasons)
    sensors = tuple(
        replace(each, devices=of, energy_j=100.0 + number)
        for number, (each, of) in enumerate(zip(made.devices, devices, strict=True))
    )
    phase = PhaseEnergy(phase="training", window=replace(made, devices=sensors))
    return Energy(collector="nvml", reason=None, phases=(phase,))


def test_no_rank_rests_before_all_have_come_to_rest():
    """The power of all devices is taken over the rest of the first rank, in which no other may still work."""
    plan = plan_of("pytorch", 2).model_copy(update={"power": PowerPlan(idle_s=0.01)})

    def of_rank(ranks):
        time.sleep(0.2 * ranks.rank.number)
        framework, reporter = SimpleNamespace(ranks=ranks, synchronise=lambda: None), Reporter()
        came_ns = time.monotonic_ns()
        rest(framework, plan, "idle before", reporter)
        return came_ns, reporter.phases[0].t0_ns

    came_ns, began_ns = zip(*at_once(2, of_rank), strict=True)
    assert min(began_ns) >= max(came_ns)


def test_a_rank_has_the_energy_of_its_own_device_where_a_sensor_tells_it_apart():
    assert [energy_of_device(window((0,), (1,)), "training", rank) for rank in (0, 1, 2)] == [100.0, 101.0, None]
    assert energy_of_device(window((0, 1)), "training", 0) is None
    assert energy_of_device(window((0,), reasons=("shared device",)), "training", 0) is None
    assert energy_of_device(window((0,)), "inference", 0) is None


def test_the_energy_of_a_launch_is_that_of_all_its_devices(tmp_path):
    def of_devices(present: tuple[int, ...], count: int) -> WindowEnergy:
        sensors = tuple(Sensor(f"gpu{n}", "card", "instant", devices=(n,), update_period_s=0.1) for n in present)
        readings = tuple(
            Reading(10**8 * k, 10**8 * k + 1, f"gpu{n}", 100.0 * (n + 1)) for k in range(101) for n in present
        )
        log = SampleLog(Header("made", sensors, {}, 0.1, 0, 0), readings, (), {"type": "end"})
        lines = [log.header.to_dict(), *map(reading_record, readings), {"type": "end", "reason": "SIGTERM"}]
        (tmp_path / "power.jsonl").write_bytes(b"".join(map(encode, lines)))
        phase = Phase(name="training", t0_ns=10**9, t1_ns=9 * 10**9, steps=1, samples=1)
        outcome = SamplerOutcome(tmp_path / "power.jsonl", "made", None, sampler_died=False, returncode=0)
        parts = make_measurements(phases=(phase,))
        (found,) = account(tmp_path, outcome, parts, "cpu", tmp_path, device_count=count).phases
        return found.window

    both = of_devices((0, 1), 2)
    assert both.energy_j == pytest.approx((100 + 200) * 8)
    assert both.valid
    assert of_devices((0, 1), 1).energy_j == pytest.approx(100 * 8)
    missing = of_devices((0,), 2)
    assert (missing.energy_j, missing.valid) == (None, False)
    assert "no sensor for device 1" in missing.reasons[0]


@pytest.fixture
def ranks_of(tmp_path):
    """ranks_of(...): a watch over what ranks have left: True for one that runs, None for one that is gone."""

    def leave(*each):
        for number, said in enumerate(each):
            own = state.RankState(
                pid=os.getpid(), started=state.started(os.getpid()), machine=this_machine(), joined=said != "early"
            )
            if said is None:
                own = own.model_copy(update={"pid": 2**22 + number, "started": "1"})
            elif isinstance(said, tuple):
                status, reason, t_ns = said
                own = own.model_copy(update={"status": status, "reason": reason, "t_ns": t_ns})
            state.path_of(tmp_path, number).write_text(own.model_dump_json())
        return RankWatch(tmp_path, range(len(each)))

    return leave


LOST = ("crashed", "RuntimeError: Connection closed by peer [127.0.0.1]:4711", 1)
BROKEN = ("failed", "the disk is broken", 2)


def test_the_reason_is_that_of_the_rank_that_failed_and_not_of_those_that_lost_it(ranks_of):
    assert ranks_of(LOST, BROKEN).ending("").reason == "rank 1: the disk is broken"
    assert ranks_of(LOST, ("crashed", "worse", 9), BROKEN).ending("").reason == "rank 2: the disk is broken"
    assert ranks_of(LOST, None).ending("").reason == "rank 1: gone without a word"
    log = f"failed (exitcode: {-signal.SIGSEGV}) local_rank: 1 (pid: {2**22 + 1}) of binary: python"
    assert ranks_of(LOST, None).ending(log).reason == "rank 1: killed by SIGSEGV"
    log = f"Worker process {2**22 + 1} exit with exception. Error code: 7."
    assert ranks_of(LOST, None).ending(log).reason == "rank 1: ended with status 7"
    assert ranks_of(None, BROKEN).ending("").reason == "rank 1: the disk is broken"
    assert ranks_of(True, True).ending("") is None


def test_a_rank_that_hangs_is_named_beside_the_one_that_waited_for_it(ranks_of, monkeypatch):
    """The text is Gloo's own; whether the launcher or the watch has ended the other by then is chance."""
    text = "RuntimeError: [unbound_buffer.cc:78] Timed out waiting 3000ms for recv operation to complete"
    waited = ("crashed", text, 1)
    for hung in (True, None):
        assert ranks_of(waited, hung).ending("").reason == f"rank 1 gave no answer; rank 0: {text}"
        assert ranks_of(waited, LOST, hung).ending("").reason == f"rank 2 gave no answer; rank 0: {text}"
    assert ranks_of(waited, BROKEN).ending("").reason == f"rank 0: {text}"
    monkeypatch.setattr(rank_watch, "GRACE_S", float("inf"))
    watch = ranks_of(waited, True)
    assert not watch.is_over()
    assert watch.ending("").reason == f"rank 1 gave no answer; rank 0: {text}"


def test_a_rank_that_does_not_end_is_killed_and_never_named(tmp_path, monkeypatch):
    """Rank 1 is killed; rank 0 ignores what its launcher asks of it, and rank 2 may be anybody by now."""
    ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
    monkeypatch.setattr(rank_watch, "LOOK_S", 0.0)
    monkeypatch.setattr(rank_watch, "GRACE_S", 0.0)
    programs = [[sys.executable, "-c", ignore], ["sleep", "600"], ["sleep", "600"]]
    processes = [subprocess.Popen(program, stdout=subprocess.PIPE) for program in programs]
    try:
        processes[0].stdout.readline()
        for number, process in enumerate(processes):
            began = None if number == 2 else state.started(process.pid)
            own = state.RankState(pid=process.pid, started=began, machine=this_machine(), joined=True)
            state.path_of(tmp_path, number).write_text(own.model_dump_json())
        watch = RankWatch(tmp_path, range(3))
        assert not watch.is_over()
        processes[1].kill()
        processes[1].wait()
        assert not watch.is_over()
        processes[0].terminate()
        assert processes[0].poll() is None
        assert not watch.is_over()
        assert processes[0].wait(60) == -signal.SIGKILL
        assert processes[2].poll() is None
        pids = [process.pid for process in processes]
        log = "\n".join(f"failed (exitcode: -9) local_rank: {n} (pid: {pids[n]}) of binary: python" for n in (0, 1))
        assert watch.ending(log).reason == "rank 1: killed by SIGKILL"
        assert watch.ending("").reason == "rank 1: gone without a word"
        monkeypatch.setattr(rank_watch, "LAST_WORDS_S", -1.0)
        assert watch.is_over()
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stdout.close()


def test_who_only_lost_another_is_not_the_cause_though_it_ended_first(ranks_of, monkeypatch):
    monkeypatch.setattr(rank_watch, "GRACE_S", float("inf"))
    watch = ranks_of(LOST, True)
    assert not watch.is_over()
    ranks_of(LOST, BROKEN)
    assert watch.ending("").reason == "rank 1: the disk is broken"
    watch = ranks_of(None, True)
    assert not watch.is_over()
    ranks_of(None, BROKEN)
    assert watch.ending("").reason == "rank 0: gone without a word"


def test_a_launch_is_complete_when_all_ranks_say_so(ranks_of):
    done = ("completed", None, 3)
    assert ranks_of(done, done).ending("").status == "completed"
    assert ranks_of(done, True).ending("") is None
    assert ranks_of(done, None).ending("").reason == "rank 1: gone without a word"


def test_a_launch_that_ends_by_itself_is_told_from_one_that_has_to_be_ended(ranks_of):
    done = ("completed", None, 3)
    assert not any(ranks_of(*each).knows_why() for each in ((True, True), (done, True), (True, "early")))
    assert all(ranks_of(*each).knows_why() for each in ((done, done), (LOST, True), (True, BROKEN), (True, None)))


def test_ranks_are_started_again_only_where_they_never_met(ranks_of):
    taken = "DistNetworkError: The server socket has failed to listen: EADDRINUSE"
    assert ranks_of("early", "early").may_try_again(taken)
    assert not ranks_of("early", "early").may_try_again("something else")
    assert not ranks_of("early", True).may_try_again(taken)
