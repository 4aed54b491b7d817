"""Child process: `sampler_cost.py COLLECTOR` trains with the sampler off, on, on, off and prints JSON."""

import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import psutil
import torch

from collectors.samples import read_samples
from collectors.sampling.jitter import jitter
from collectors.sampling.process import SamplerProcess

ROUNDS, STRETCH_S, PERIOD_S = 6, 2.0, 0.01


def main(collector: str) -> None:
    """Ratios of undisturbed steps (10th percentile) with and without, in neighbouring stretches; CPU in cores."""
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
        return float(np.quantile(times_s, 0.1))

    def sampled() -> tuple[float, ...]:
        with tempfile.TemporaryDirectory() as folder:
            sampler = SamplerProcess.start(Path(folder, "power.jsonl"), [collector], period_s=PERIOD_S)
            sampler.wait_ready()
            process = psutil.Process(sampler.pid)
            begun_s, before = time.monotonic(), process.cpu_times()
            step_s = stretch()
            wall_s, after = time.monotonic() - begun_s, process.cpu_times()
            sampler.stop()
            log = read_samples(Path(folder, "power.jsonl"))
        assert log.end is not None
        (read,) = jitter(log)
        own_s, tools_s = (sum(t[:2]) - sum(u[:2]) for t, u in ((after, before), (after[2:], before[2:])))
        return step_s, own_s / wall_s, tools_s / wall_s, log.end["cpu_s"], read.deviation_s, read.max_s

    stretch()
    ratios, found = [], []
    for number in range(ROUNDS):
        if number % 2 == 0:
            off_s, on = stretch(), sampled()
        else:
            on, off_s = sampled(), stretch()
        ratios.append(on[0] / off_s)
        found.append(on)
    names = ("step_s", "sampler_cores", "tools_cores", "cpu_s_start_included", "jitter_s", "longest_s")
    print(json.dumps({"step_ratio": median(ratios), **{n: median(f[i] for f in found) for i, n in enumerate(names)}}))


if __name__ == "__main__":
    main(sys.argv[1])
