"""What launches on several nodes are made of, each part by itself; tests/cluster has whole ones on a Slurm."""

import itertools
import json
import os
from dataclasses import replace

import pytest

from collectors.accounting.device_use import DeviceUse
from harness.errors import UserError
from harness.launch.ending import Ending
from harness.launch.launchers import LOCAL, Meeting, launcher_of
from harness.launch.nodes import other_nodes
from harness.launch.nodes.allocation import Allocation, problem_of_nodes, srun
from harness.launch.nodes.messages import Report, Word
from harness.launch.nodes.other_nodes import OtherNodes
from harness.launch.nodes.software import differences, problem_of_software
from harness.launch.nodes.together import energy_of_all, load_of_all, nodes_of
from harness.launch.plan import LaunchPlan
from harness.launch.rank_watch import RankWatch
from harness.launch.room import cores, problem_of_ranks
from harness.launch.submission.blocks import blocks_of
from harness.launch.submission.devices import allocated, select_again
from harness.launch.supervisor import UNKNOWN, _ranks
from harness.results.devices import Accelerator, Device
from harness.results.record import Energy, Idle, Load, Node, PhaseEnergy, ScopeEnergy, WorkerMeasurements
from harness.scenario import catalogue
from harness.scenario.execution import Execution, World
from harness.scenario.scenario import Selection
from harness.scenario.sites import SiteConfig
from harness.worker import place, state
from harness.worker.place import Place
from tests.analysis.made_records import make_environment, make_scenario, make_window
from tests.launch.conftest import write_micro

SLURM = {"title": "t", "scheduler": "slurm", "time_limit_min": 10}


def plan_of(framework: str = "pytorch", devices: int = 4, nodes: int = 2, **changes) -> LaunchPlan:
    """A plan on several nodes."""
    execution = Execution(world=World(devices=devices, nodes=nodes))
    scenario = make_scenario(framework=framework, execution=execution, **changes)
    return LaunchPlan(scenario=scenario, chip=catalogue.chip("cpu"), launch=0, order=0, bench="b", attempt="0123abcd")


@pytest.mark.parametrize(
    ("framework", "options"),
    [
        ("pytorch", {"--nnodes": "2", "--node-rank": "1", "--nproc-per-node": "2", "--master-addr": "n1"}),
        ("mindspore", {"--worker_num": "4", "--local_worker_num": "2", "--node_rank": "1", "--master_addr": "n1"}),
    ],
)
def test_each_node_has_a_launcher_of_its_own_ranks(tmp_path, framework, options):
    plan = plan_of(framework)
    command = launcher_of(plan).command(plan, tmp_path, Meeting(4711, "n1", 1), tmp_path)
    found = dict(itertools.pairwise(command))
    assert {name: found[name] for name in options} == options
    alone = launcher_of(plan).command(plan_of(framework, 2, 1), tmp_path, Meeting(4711), tmp_path)
    assert LOCAL in alone


def test_a_job_with_too_few_nodes_is_refused_by_name(monkeypatch, tmp_path):
    assert problem_of_nodes(1, {}) is None
    assert problem_of_nodes(2, {}).startswith("world.nodes: 2: there is no Slurm job here: hand it in with")
    job = {"SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": "1"}
    assert problem_of_nodes(2, job).startswith("world.nodes: 2: this job has 1: ")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no srun and no scontrol on this node" in problem_of_nodes(2, {**job, "SLURM_JOB_NUM_NODES": "2"})
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert "there is no Slurm job here" in problem_of_ranks(plan_of().scenario, make_environment())


def test_room_is_counted_on_each_node(monkeypatch):
    monkeypatch.setattr("harness.launch.room.problem_of_nodes", lambda nodes: None)
    here = make_environment()
    assert problem_of_ranks(plan_of(devices=2 * cores()).scenario, here) is None
    too_many = problem_of_ranks(plan_of(devices=2 * cores() + 2).scenario, here)
    assert f"on 2 nodes: this job has {cores()} cores" in too_many
    assert too_many.endswith(f"take at most DEVICES={2 * cores()}")
    one = here.model_copy(update={"accelerator": Accelerator(devices=(Device(index=0),))})
    assert problem_of_ranks(plan_of(devices=2, device="cuda").scenario, one) is None
    assert problem_of_ranks(plan_of(devices=4, device="cuda").scenario, one).endswith("take at most DEVICES=2")


def test_the_words_of_the_container_come_before_what_srun_starts(monkeypatch):
    monkeypatch.setenv("CROSSCAST_CONTAINER", "apptainer exec 'my image.sif'")
    command = srun(3, ["python", "-m", "x"])
    assert {"--nodes=2", "--ntasks=2", "--relative=1"} <= set(command)
    assert command[-6:] == ["apptainer", "exec", "my image.sif", "python", "-m", "x"]


def test_a_rank_has_its_share_of_the_cores_of_its_node(tmp_path, monkeypatch):
    plan = plan_of()
    plan.write(tmp_path)
    given = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3})
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, own: given.append(list(own)))
    environment = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}
    assert place.take_place(tmp_path / "launch.json", environment) == Place(3, 4, 1)
    assert given == [[2, 3]]


def test_a_scheduler_that_msrun_starts_on_a_second_node_is_needless():
    scheduler = {"MS_ROLE": "MS_SCHED"}
    assert not place.place_of("mindspore", scheduler).is_needless
    assert place.place_of("mindspore", {**scheduler, "CROSSCAST_NODE": "1"}).is_needless


TWO_PARTS = (
    "JobId=7   Nodes=n1 CPU_IDs=2 Mem=0 GRES=npu:ascend910b:2(IDX:0-1)   "
    "Nodes=n2 CPU_IDs=1 Mem=0 GRES=npu:ascend910b:2(IDX:4,6) MinCPUsNode=1 TresPerNode=gres:npu:ascend910b:2"
)


def test_devices_are_those_of_the_own_node(monkeypatch):
    assert allocated(TWO_PARTS, "n1") == [0, 1]
    assert allocated(TWO_PARTS, "n2") == [4, 6]
    assert allocated("JobId=1   Nodes=n[1-2] GRES=npu:a:2(IDX:0-1)", "n2") == [0, 1]
    monkeypatch.setattr("harness.launch.submission.devices._job_details", lambda environment: TWO_PARTS)
    of_first = {"CROSSCAST_DEVICES_OF": "n1", "NPUS": "0,1", "SLURMD_NODENAME": "n2"}
    select_again("NPUS", 2, of_first)
    assert of_first["NPUS"] == "4,6"
    given = {"NPUS": "7", "SLURMD_NODENAME": "n2"}
    select_again("NPUS", 2, given)
    assert given["NPUS"] == "7"


@pytest.fixture
def ranks_of(tmp_path):
    """ranks_of(...): a watch over one rank here and others elsewhere, of which each has left what is given."""

    def leave(*each, ranks=None, elsewhere=lambda: False):
        for number, said in enumerate(each):
            own = state.RankState(pid=2**22 + 1, started="1", machine="elsewhere", joined=True)
            if number == 0:
                own = own.model_copy(
                    update={"pid": os.getpid(), "started": state.started(os.getpid()), "machine": state.this_machine()}
                )
            if said is not None:
                own = own.model_copy(update={"status": said[0], "reason": said[1], "t_ns": 1})
            state.path_of(tmp_path, number).write_text(own.model_dump_json())
        return RankWatch(tmp_path, ranks or range(len(each)), elsewhere)

    return leave


LOST = ("crashed", "RuntimeError: Connection closed by peer [127.0.0.1]:4711")
KILLED = Ending("crashed", "node n2: rank 1: killed by SIGKILL")


def test_of_a_rank_on_another_node_nothing_is_known_but_what_is_said_there(ranks_of):
    watch = ranks_of(LOST, None)
    assert watch.ending("", KILLED) == KILLED
    assert watch.ending("").reason.startswith("rank 0: RuntimeError")
    assert ranks_of(None, None).ending("") is None
    assert ranks_of(("failed", "the disk is broken"), None).ending("", KILLED).reason == "rank 0: the disk is broken"
    assert ranks_of(None, ("failed", "the disk is broken")).ending("").reason == "rank 1: the disk is broken"


def test_a_launch_that_fails_elsewhere_is_over_here(ranks_of, monkeypatch):
    monkeypatch.setattr("harness.launch.rank_watch.LOOK_S", 0.0)
    assert not ranks_of(None, None).is_over()
    watch = ranks_of(None, None, ranks=range(2, 3), elsewhere=lambda: True)
    assert watch.is_over()
    assert watch.was_asked
    watch = ranks_of(LOST, None)
    assert not watch.is_over()
    assert not watch.was_asked
    done = ("completed", None)
    assert ranks_of(done, None).is_done(range(1))
    assert not ranks_of(done, None).is_done(range(2))


@pytest.fixture
def others(tmp_path, monkeypatch):
    """others(words): the second and third of three nodes, of which agents have said so."""
    monkeypatch.setattr(other_nodes, "allocation", lambda nodes: Allocation(("n1", "n2", "n3"), "n1"))

    def make(*words: Word) -> OtherNodes:
        found = OtherNodes(plan_of(devices=3, nodes=3), tmp_path, make_environment(), tmp_path)
        for word in words:
            found._take(word.model_dump_json(exclude_defaults=True).encode())
        return found

    return make


def test_the_cause_is_what_a_node_says_and_not_that_it_lost_another_or_was_asked_to_end(others):
    lost = Word(node=1, status="crashed", reason=f"rank 1: {LOST[1]}")
    asked = Word(node=1, status="crashed", reason="their launcher ended with status 1", asked=True)
    broken = Word(node=2, status="failed", reason="rank 2: the disk is broken")
    done = Word(node=2, status="completed")
    assert others(lost, broken).ending("") == Ending("failed", "node n3: rank 2: the disk is broken")
    assert others(lost, broken).has_failed()
    assert others(asked, broken).ending("").reason == "node n3: rank 2: the disk is broken"
    assert others(lost, done).ending("") is None
    assert others(asked, done).ending("") is None
    assert not others(done).has_failed()


def test_a_node_without_a_last_word_is_lost_and_srun_says_why(others):
    printed = "something\nsrun: error: Unable to create step: Connection refused\nsrun: step aborted\n"
    found = others(Word(node=2, status="completed"), Word(node=1)).ending(printed)
    assert found.status == "crashed"
    assert found.reason == (
        "node n2 is lost: it ended without a word (srun: Unable to create step: Connection refused)"
    )
    assert others().ending("").reason.startswith("node n2 is lost: it never answered")


def test_other_software_is_refused_in_one_line_and_another_machine_is_noted():
    first = make_environment()
    assert problem_of_software(first, first) is None
    driver = first.accelerator.model_copy(update={"driver": "535.1"})
    other = first.model_copy(update={"python": "3.9.1", "accelerator": driver})
    problem = problem_of_software(first, other)
    assert problem.startswith(
        f"it has Python 3.9.1 and not {first.python}, driver 535.1 and not None as the first node"
    )
    assert "\n" not in problem
    slower = first.model_copy(update={"cpu_name": "old CPU", "host": "other"})
    assert problem_of_software(first, slower) is None
    assert differences(first, slower) == (f"cpu_name: old CPU, {first.cpu_name} on the first node",)


def energy(*phases: tuple[str, float | None], shared: bool = False, **changes) -> Energy:
    """The energy of a node: joules by phase, by sensors of two devices, which may be `shared` with others."""
    made = []
    for name, energy_j in phases:
        reasons = () if energy_j else ("no samples",)
        window = make_window(energy_j, scopes=("card", "card"), reasons=("shared device",) if shared else reasons)
        devices = tuple(replace(each, devices=(number,)) for number, each in enumerate(window.devices))
        net = energy_j and energy_j - 10
        made.append(PhaseEnergy(phase=name, window=replace(window, devices=devices), net_energy_j=net))
    return Energy(collector="nvml", reason=None, phases=tuple(made), **changes)


def test_the_energy_of_a_launch_is_that_of_all_nodes():
    also = {
        "idle": Idle(before_w=20.0, after_w=22.0, power_w=21.0, reasons=()),
        "device_uses": (DeviceUse(device=1, memory_bytes=5),),
    }
    found = energy_of_all(
        {"node a": energy(("training", 100.0), **also), "node b": energy(("training", 60.0), **also)}, 2
    )
    assert [each.device for each in found.device_uses] == [1, 3]
    (phase,) = found.phases
    assert (phase.window.energy_j, phase.window.valid, phase.net_energy_j) == (160.0, True, 140.0)
    assert phase.window.mean_power_w == pytest.approx(16.0)
    assert phase.window.peak_power_w is None
    assert [each.devices for each in phase.window.devices] == [(0,), (1,), (2,), (3,)]
    assert len({each.sensor for each in phase.window.devices}) == 4
    assert (found.collector, found.reason, found.idle.power_w) == ("nvml", None, 42.0)


def test_a_node_that_is_missing_makes_a_sum_invalid_and_is_named():
    sampled = energy(("training", 100.0), ("inference", 50.0))
    none = energy_of_all({"node a": sampled, "node b": Energy(collector=None, reason="no sensor: nvml")}, 2)
    assert (none.collector, none.phases, none.reason) == (None, (), "node b: no sensor: nvml")
    lost = energy_of_all({"node a": sampled, "node b": None}, 2)
    assert (lost.collector, lost.reason) == (None, "node b: no account of its energy came from there")
    blind = Energy(collector=None, reason="no sensor")
    assert energy_of_all({"node a": blind, "node b": blind}, 2).reason == "no sensor"
    shared = energy_of_all({"node a": sampled, "node b": energy(("training", 60.0), shared=True)}, 2).phases[0].window
    assert (shared.energy_j, shared.valid, shared.reasons) == (160.0, False, ("node b: shared device",))
    partly = energy_of_all({"node a": sampled, "node b": energy(("training", None))}, 2)
    training, inference = partly.phases
    assert (training.window.energy_j, training.window.valid) == (None, False)
    assert training.window.reasons == ("node b: no samples",)
    assert (inference.window.energy_j, inference.window.valid, inference.net_energy_j) == (None, False, None)
    assert inference.window.reasons == ("node b: the phase did not end there",)


def test_scopes_of_the_host_are_added_up_where_all_nodes_have_them():
    def of(**scopes: float) -> Energy:
        hosts = tuple(
            ScopeEnergy(scope=name, collector="rapl", phases=energy(("training", joules)).phases)
            for name, joules in scopes.items()
        )
        return Energy(collector=None, reason="no sensor", hosts=hosts)

    package, dram = energy_of_all({"node a": of(cpu_package=70.0, dram=9.0), "node b": of(cpu_package=30.0)}, 1).hosts
    assert (package.phases[0].window.energy_j, package.phases[0].window.valid) == (100.0, True)
    assert (dram.phases[0].window.energy_j, dram.phases[0].window.valid) == (None, False)
    assert dram.phases[0].window.reasons == ("node b: no sensor of dram",)


def test_each_rank_has_host_device_and_energy_of_its_node():
    first = Node(node=0, environment=make_environment(host="a" * 12), energy=energy(("training", 100.0)))
    report = Report(environment=make_environment(host="b" * 12), energy=energy(("training", 60.0)))
    plan = plan_of(device="cuda")
    ranks = _ranks(plan, nodes_of(first, {1: report}), [WorkerMeasurements()] * 4)
    assert [(each.rank, each.host[0], each.device) for each in ranks] == [
        (0, "a", 0),
        (1, "a", 1),
        (2, "b", 0),
        (3, "b", 1),
    ]
    assert [each.energy_j for each in ranks] == [100.0, 100.0, 60.0, 60.0]
    gone = _ranks(plan, nodes_of(first, {1: None}), [WorkerMeasurements()] * 4)
    assert [each.host for each in gone[2:]] == [UNKNOWN] * 2
    assert gone[2].energy_j is None


def test_foreign_work_on_any_node_counts(made_load):
    first, busy = made_load(0.1, foreign=False), made_load(0.9, foreign=True)
    nodes = [Node(node=0, environment=None, load=first), Node(node=1, environment=None, load=busy)]
    both = load_of_all(first, nodes)
    assert (both.foreign_cores, both.foreign, both.cpu_count) == (0.9, True, first.cpu_count)


@pytest.fixture
def made_load():
    """made_load(cores, foreign): the load of a node."""

    def make(foreign_cores: float, *, foreign: bool) -> Load:
        return Load(load_average_1min=0.0, cpu_count=4, foreign_cores=foreign_cores, foreign=foreign)

    return make


def test_a_block_asks_for_its_nodes_and_the_devices_of_each(tmp_path):
    suite = write_micro(tmp_path)
    site = SiteConfig(**SLURM, devices_per_node=4)
    (alone,) = blocks_of(Selection("a100", str(suite)), site, tmp_path)
    (new,) = blocks_of(Selection("a100", str(suite), devices=(1, 8), nodes=2), site, tmp_path)
    assert (alone.block.nodes, alone.block.devices) == (1, 1)
    assert (new.block.nodes, new.block.devices) == (2, 4)
    assert new.block.key != alone.block.key
    again = new.block.selection(tmp_path)
    assert (again.devices, again.nodes) == ((1, 8), 2)
    of_suite = write_micro(tmp_path, "wide", execution={"world": {"devices": 6, "nodes": 3}})
    (wide,) = blocks_of(Selection("a100", str(of_suite)), site, tmp_path)
    assert (wide.block.nodes, wide.block.devices) == (3, 2)
    key = json.loads(alone.block.model_dump_json())["key"]
    assert key == blocks_of(Selection("a100", str(suite), devices=()), site, tmp_path)[0].block.key


@pytest.mark.parametrize(
    ("site", "selection", "complaint"),
    [
        ({}, {"devices": (10,), "nodes": 2}, "takes 5 devices, and a node of this site has 4"),
        ({}, {"nodes": 2}, "1 device cannot be divided among 2 nodes: give the devices of all nodes together"),
        ({}, {"devices": (3,), "nodes": 2}, "3 devices cannot be divided among 2 nodes"),
        ({"results": {"place": "node", "scratch": "/x"}}, {"devices": (2,), "nodes": 2}, "which must see one folder"),
        ({"scheduler": "local", "time_limit_min": None}, {"devices": (2,), "nodes": 2}, "a local site is one host"),
    ],
)
def test_nodes_that_a_site_has_not_are_refused(tmp_path, site, selection, complaint):
    suite = write_micro(tmp_path)
    of_site = SiteConfig(**{**SLURM, "devices_per_node": 4, **site})
    with pytest.raises(UserError, match=complaint):
        blocks_of(Selection("a100", str(suite), **selection), of_site, tmp_path)
