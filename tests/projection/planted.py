"""Records of steps whose times follow planted efficiencies, so that what is fitted and projected is known."""

from harness.models import architecture
from harness.models.memory import step_memory
from harness.projection.ceilings import GIGA, TERA, Ceilings, HostCeilings
from harness.projection.domains import domain_of
from harness.projection.roofline import COMPUTING, LOCAL, Efficiencies
from harness.projection.work import prediction_work, step_work
from harness.results.record import Latency, Memory
from harness.scenario.schema import Stage, TrainingConfig
from tests.analysis.made_records import make_epoch, make_measurements, make_record, make_scenario, make_stage

HOST = "aaaabbbbcccc"
PEAK_TFLOPS, BANDWIDTH_GB_S, LAUNCH_S = 0.2, 20.0, 1e-5
CEILINGS = Ceilings({"fp32": PEAK_TFLOPS * TERA}, BANDWIDTH_GB_S * GIGA)
PLANTED = Efficiencies(
    dict(zip(COMPUTING, (0.6, 0.4), strict=True)),
    dict(zip(LOCAL, (0.5, 0.5, 0.3, 0.7, 0.6, 0.4), strict=True)),
    {f"cpu {HOST}": LAUNCH_S},
)
BASE_BYTES, SLOPE = 300 * 2**20, 1.4
SIZES = (
    ((16, 32), 32, 1),
    ((16, 32), 128, 4),
    ((32, 64), 64, 2),
    ((32, 64), 192, 3),
    ((64, 128), 64, 2),
    ((64, 128), 256, 2),
)
"""Grid, width and depth of FourCastNets."""


def scenario_of(number, **changes):
    grid, width, depth = SIZES[number]
    content = {
        "preset": f"size{number}",
        "grid": grid,
        "channels": ("u", "v", "z", "t"),
        "network": {"patch_size": 4, "embed_dim": width, "depth": depth},
        "training": TrainingConfig(batch_size=4, stages=(Stage(name="pretrain", epochs=3, learning_rate=1e-3),)),
    }
    return make_scenario(**content | changes)


def works_of(scenario):
    """Of a training step and an inference step."""
    package = architecture(scenario.architecture)
    network = package.Network.model_validate(scenario.network)
    domain = domain_of(scenario.data, scenario.grid)
    return (
        step_work(package, network, domain, scenario.training, scenario.execution, epoch=1),
        prediction_work(package, network, domain, scenario.inference.batch_size, scenario.execution),
    )


def planted_record(number, *, disturbed=1.0, ceilings=CEILINGS, device_name="some CPU", **changes):
    """The record of a size; `disturbed` is a factor of its times."""
    scenario = scenario_of(number, **changes)
    training_s, inference_s = (disturbed * PLANTED.step_s(work, ceilings, LAUNCH_S) for work in works_of(scenario))
    package = architecture(scenario.architecture)
    network = package.Network.model_validate(scenario.network)
    counted = step_memory(
        package, network, domain_of(scenario.data, scenario.grid), scenario.training, scenario.execution
    )
    epoch = make_epoch(step_s=(training_s,) * 20, data_s=(0.0,) * 20, loss=(0.1,) * 20)
    measured = make_measurements(
        training=(make_stage(epoch, steady_from_step=1),),
        inference=Latency(batch_size=1, first_step_s=0.7, warmup_steps=3, steady=True, step_s=(inference_s,) * 9),
        memory=Memory(process_rss_bytes=round(BASE_BYTES + SLOPE * counted.total), device_bytes=None),
    )
    framework = measured.framework.model_copy(update={"device_name": device_name})
    return make_record(scenario=scenario, measurements=measured.model_copy(update={"framework": framework}))


def plant(results, numbers=None, **changes):
    """Records of these sizes, and the ceilings of their host, in a folder of results."""
    results.add(*(planted_record(number, **changes) for number in (range(len(SIZES)) if numbers is None else numbers)))
    folder = results.path / "projection"
    folder.mkdir(exist_ok=True)
    ceilings = HostCeilings(host=HOST, fp32_tflops=PEAK_TFLOPS, bandwidth_gb_s=BANDWIDTH_GB_S)
    (folder / f"ceilings-{HOST}.json").write_text(ceilings.model_dump_json())
    return results
