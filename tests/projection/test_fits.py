"""Whether a step fits, and as what it would: no answer contradicts itself."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from harness.models import fourcastnet
from harness.models.memory import GIB, step_memory
from harness.projection.evidence import INFERENCE, TRAINING, Evidence, MemorySample
from harness.projection.projecting import Answer, Projector
from harness.projection.roofline import Sample
from harness.projection.subject import Subject, Target
from harness.scenario import catalogue
from harness.scenario.chips import ChipConfig, Figure
from harness.scenario.execution import EAGER, Execution, World
from harness.scenario.labels import label
from tests.projection.planted import CEILINGS, HOST, LAUNCH_S, PLANTED, scenario_of, works_of
from tests.projection.test_projecting import OWN_CHIP

CHIP = ChipConfig.model_validate(yaml.safe_load(OWN_CHIP) | {"link_gb_s": {"value": 10, "source": "ours"}})
HOST_CHIP = CHIP.model_copy(update={"frameworks": catalogue.chip("cpu").frameworks})


def memory_samples(process):
    """A base of 300 MiB for processes, 1.4 bytes for each that is counted."""
    base = 300 if process else 0
    counts = (5, 10, 20, 40)
    return [MemorySample(f"m{n}", process, n * 2**20, round((base + 1.4 * n) * 2**20)) for n in counts]


@pytest.fixture(scope="module")
def steps():
    return tuple(
        Sample(f"m{number}", activity, f"cpu {HOST}", work, CEILINGS, PLANTED.step_s(work, CEILINGS, LAUNCH_S))
        for number in range(4)
        for activity, work in zip((TRAINING, INFERENCE), works_of(scenario_of(number)), strict=True)
    )


def subject(execution=EAGER):
    preset = catalogue.preset("fourcastnet", "tiny").preset
    return Subject("fourcastnet", "tiny", fourcastnet, preset, "rossby", catalogue.data("rossby"), "pytorch", execution)


@pytest.fixture(scope="module", params=["nothing", "processes", "devices"])
def projectors(request, steps):
    """Onto a device and onto a CPU, with samples of memory of one kind or none."""
    made = {"nothing": [], "processes": memory_samples(True), "devices": memory_samples(False)}[request.param]
    evidence = Evidence((), steps, tuple(made), (), ())
    return [Projector(evidence, Target("ours", Path("ours.yaml"), chip, None)) for chip in (CHIP, HOST_CHIP)]


def answer(projector, memory_gib, execution=EAGER):
    figure = Figure(value=memory_gib, source="test")
    chip = projector.target.chip.model_copy(update={"memory_gib": figure})
    projector.target = replace(projector.target, chip=chip)
    rows = projector.project(subject(execution)).rows
    (fits,) = [row.words for row in rows if isinstance(row, Answer) and row.what == "fits"]
    (peak,) = [row for row in rows if row.what == "memory, training"]
    return fits, peak


@pytest.mark.parametrize("memory_gib", [0.008, 0.0125, 0.014, 0.02, 0.03, 0.29, 0.3, 0.31, 0.33, 4])
def test_a_step_that_does_not_fit_is_said_to_fit_as_another_execution_alone(projectors, memory_gib):
    for projector in projectors:
        fits, peak = answer(projector, memory_gib)
        room = projector.memory.room(memory_gib * GIB)
        word = "yes" if peak.high <= room else "no" if peak.low > room else "perhaps"
        assert fits.startswith(f"{word}: ")
        if word == "yes":
            assert fits.count(";") == 0
            continue
        found = re.search(r"; by the count it fits as: (.+)", fits)
        assert found or "; nothing fits: " in fits or "; a training step takes at least" in fits
        assert found is None or found[1] != label(EAGER)


def test_what_is_said_to_fit_fits_by_the_upper_end(projectors):
    """The first that is named, with as many micro-batches, is not above what the chip has."""
    for projector in projectors:
        _, peak = answer(projector, 4)
        enough = projector.memory.room(1.0)
        has = peak.high * 0.97 / enough
        fits, _ = answer(projector, has / GIB)
        (parts,) = re.findall(r"accumulation (\d+)", fits) or [None]
        if parts is None:
            assert "nothing fits" in fits or "takes at least" in fits
            continue
        execution = Execution(accumulation=int(parts))
        found = subject()
        counted = step_memory(fourcastnet, found.preset.network, found.domain, found.preset.training, execution)
        assert projector.memory.projected("memory", counted.total).high <= projector.memory.room(has)


def test_ranks_on_a_cpu_share_its_memory(projectors):
    device, host = projectors
    two = Execution(world=World(devices=2))
    assert re.search(r"GiB of 4\b", answer(device, 4, two)[0])
    assert re.search(r"GiB of 2\b", answer(host, 4, two)[0])
