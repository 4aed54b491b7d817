"""Child process: `sampler_cost.py COLLECTOR` trains with the sampler off, on, on, off and prints JSON."""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch

from collectors.jitter import jitter
from collectors.process import SamplerProcess
from collectors.samples import read_samples

ROUNDS, STRETCH_S, PERIOD_S = 4, 2.0, 0.01


def main(collector: str) -> None:
    """Ratios of steps with the sampler to those without, in neighbouring stretches; CPU of the sampler in cores."""
    network = torch.nn.Sequential(torch.nn.Linear(256, 512), torch.nn.GELU(), torch.nn.Linear(512, 256))
    optimiser, x = torch.optim.Adam(network.parameters()), torch.randn(64, 256)

    def stretch() -> float:
        times_s = []
        end_s = time.perf_counter() + STRETCH_S
        while time.perf_counter() < end_s:
            begun_s = time.perf_counter()
            optimiser.zero_grad()
            (network(x) - x).square().mean().backward()
            optimiser.step()
            times_s.append(time.perf_counter() - begun_s)
        return median(times_s)

    def sampled() -> tuple[float, ...]:
        with tempfile.TemporaryDirectory() as folder:
            before, begun_s = os.times(), time.monotonic()
            sampler = SamplerProcess.start(Path(folder, "power.jsonl"), [collector], period_s=PERIOD_S)
            sampler.wait_ready()
            ready_s = time.monotonic()
            step_s = stretch()
            sampler.stop()
            wall_s, after = time.monotonic() - ready_s, os.times()
            log = read_samples(Path(folder, "power.jsonl"))
            with_start_cores = (
                after.children_user + after.children_system - before.children_user - before.children_system
            ) / (time.monotonic() - begun_s)
            (read,) = jitter(log)
            assert log.end is not None
            return step_s, log.end["cpu_s"] / wall_s, with_start_cores, read.deviation_s, read.max_s

    stretch()
    ratios, found = [], []
    for number in range(ROUNDS):
        if number % 2 == 0:
            off_s, on = stretch(), sampled()
        else:
            on, off_s = sampled(), stretch()
        ratios.append(on[0] / off_s)
        found.append(on)
    names = ("step_s", "sampler_cores_start_included", "with_children_cores", "jitter_s", "longest_s")
    print(json.dumps({"step_ratio": median(ratios), **{n: median(f[i] for f in found) for i, n in enumerate(names)}}))


if __name__ == "__main__":
    main(sys.argv[1])
