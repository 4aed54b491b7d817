"""What a chip can do at the most: its peak rates and bandwidth, from its file or, for a CPU, measured on its host."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from pydantic import Field, ValidationError

from collectors.regular_files import read_regular
from harness.errors import UserError
from harness.files import write_atomically
from harness.frozen import Frozen
from harness.models.operations import NumberFormat
from harness.projection import exchange
from harness.projection.exchange import Link
from harness.scenario.chips import ChipConfig, Figure

TERA, GIGA, MICRO = 1e12, 1e9, 1e-6
SIDE, VALUES, REPEATS = 2048, 2**26, 5
"""Of the product and of the copy that are timed on a CPU, each so often; the shortest counts."""

MOST_BYTES = 10_000


@dataclass(frozen=True)
class Ceilings:
    """Peak rates in operations a second by format, bytes a second of memory and of the link to others, and the cap.

    A message over the link takes `link_s` beside its bytes.
    """

    peak: dict[NumberFormat, float]
    bandwidth: float
    launch_s: float | None = None
    link: float | None = None
    cap_w: float | None = None
    link_s: float = 0.0

    def of_rank(self, ranks: int) -> "Ceilings":
        """Those of one of so many ranks that divide the cores of a CPU and the bandwidth of its memory."""
        return replace(
            self,
            peak={number_format: rate / ranks for number_format, rate in self.peak.items()},
            bandwidth=self.bandwidth / ranks,
        )


class HostLink(Frozen):
    """What was measured of ranks of a host that add up arrays."""

    gb_s: float = Field(gt=0, allow_inf_nan=False, description="what each sends to the next")
    latency_us: float = Field(ge=0, allow_inf_nan=False, description="what a message takes beside its bytes")

    def link(self) -> Link:
        """As that between devices."""
        return Link(self.gb_s * GIGA, self.latency_us * MICRO)


class HostCeilings(Frozen):
    """What was measured on the CPU of a host."""

    host: str
    fp32_tflops: float = Field(gt=0, allow_inf_nan=False, description="of a product of square matrices in NumPy")
    bandwidth_gb_s: float = Field(gt=0, allow_inf_nan=False, description="of a copy in NumPy, read and written")
    links: dict[int, HostLink] = Field(default_factory=dict, description="by the number of ranks")

    def ceilings(self) -> Ceilings:
        """As those of a chip."""
        return Ceilings({"fp32": self.fp32_tflops * TERA}, self.bandwidth_gb_s * GIGA)


def of_chip(chip: ChipConfig, file: str, formats: set[NumberFormat], *, devices: int) -> Ceilings:
    """What a step in these formats needs of a chip's file.

    Raises UserError that names every figure that is null, the place to fill in and what is known of it.
    """
    wanted = {f"peak_tflops.{name}": getattr(chip.peak_tflops, name) for name in sorted(formats)}
    wanted |= {"bandwidth_gb_s": chip.bandwidth_gb_s, "launch_us": chip.launch_us}
    if devices > 1:
        wanted["link_gb_s"] = chip.link_gb_s
    if lacking := list(missing(wanted)):
        raise UserError(
            f"{chip.title} cannot be projected: {file} gives no {'; no '.join(lacking)}: fill them in there with "
            f"their sources, or give a file of your own: --chip my.yaml{_advice(chip)}"
        )
    peak: dict[NumberFormat, float] = {name: _known(wanted[f"peak_tflops.{name}"]) * TERA for name in formats}
    return Ceilings(
        peak,
        _known(chip.bandwidth_gb_s) * GIGA,
        _known(chip.launch_us) * MICRO,
        _known(chip.link_gb_s) * GIGA if devices > 1 else None,
    )


def _advice(chip: ChipConfig) -> str:
    names = [each.name for each in chip.variants]
    return "" if not names or chip.title in names else f"; or name a variant: --variant {names[0]!r}"


def missing(figures: dict[str, Figure | None]) -> Iterator[str]:
    """The figures that are null, each with what its file says of it."""
    for name, figure in figures.items():
        if figure is None:
            yield name
        elif figure.value is None:
            yield f"{name} ({figure.source})"


def of_measured_chip(chip: ChipConfig) -> Ceilings | None:
    """What the file of a chip that has records gives; None where it gives no peak of float32 or no bandwidth."""
    rates = _given_peaks(chip)
    if "fp32" not in rates or chip.bandwidth_gb_s.value is None:
        return None
    launch_us = chip.launch_us.value if chip.launch_us else None
    launch_s = None if launch_us is None else launch_us * MICRO
    return Ceilings(rates, chip.bandwidth_gb_s.value * GIGA, launch_s, cap_w=chip.power_cap_w.value)


def with_given(measured: Ceilings, chip: ChipConfig) -> Ceilings:
    """What was measured of a CPU, with the formats that were not, and the cap, as the file of the chip gives them."""
    return replace(measured, peak=_given_peaks(chip) | measured.peak, cap_w=chip.power_cap_w.value)


def _given_peaks(chip: ChipConfig) -> dict[NumberFormat, float]:
    return {
        name: figure.value * TERA
        for name in get_args(NumberFormat)
        if (figure := getattr(chip.peak_tflops, name)) is not None and figure.value is not None
    }


def of_host(folder: Path, host: str, *, is_here: bool) -> Ceilings:
    """Those of the CPU of a host as they were measured, or are now where it is this one, and kept in the folder.

    Raises UserError where they were never measured and this is another host.
    """
    path = _path(folder, host)
    if kept := _kept(path):
        return kept.ceilings()
    if not is_here:
        raise UserError(
            f"the CPU of host {host} has records, but its peak and bandwidth are not known: run crosscast project once "
            f"on that host, which measures them into {path}, or fill them in in the file of that chip"
        )
    found = measure(host)
    _keep(path, found)
    return found.ceilings()


def link_of_host(folder: Path, host: str, ranks: int, *, is_here: bool) -> Link:
    """That of so many ranks on the CPU of a host, measured and kept as its ceilings are, which are there.

    Raises UserError where it was never measured and this is another host.
    """
    path = _path(folder, host)
    kept = _kept(path)
    if kept and ranks in kept.links:
        return kept.links[ranks].link()
    if kept is None or not is_here:
        raise UserError(
            f"what {ranks} ranks of host {host} send to one another is not known: run crosscast project --devices "
            f"{ranks} once on that host, which measures it into {path}, or fill in link_gb_s in the file of that chip"
        )
    link = exchange.measure(ranks)
    found = HostLink(gb_s=link.bandwidth / GIGA, latency_us=link.latency_s / MICRO)
    _keep(path, kept.model_copy(update={"links": {**kept.links, ranks: found}}))
    return found.link()


def _path(folder: Path, host: str) -> Path:
    return folder / f"ceilings-{host}.json"


def _kept(path: Path) -> HostCeilings | None:
    if not path.exists():
        return None
    try:
        return HostCeilings.model_validate_json(read_regular(path, MOST_BYTES))
    except (OSError, ValidationError):
        raise UserError(f"{path}: damaged; remove it and project again on that host") from None


def _keep(path: Path, found: HostCeilings) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, found.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}; choose another --results") from None


def measure(host: str) -> HostCeilings:
    """The shortest times of a product and a copy, on all cores that NumPy uses; a few seconds."""
    import numpy as np

    left = np.random.default_rng(0).standard_normal((SIDE, SIDE), dtype=np.float32)
    given, taken = np.ones(VALUES, np.float32), np.empty(VALUES, np.float32)
    product_s, copy_s = [], []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        left @ left
        between = time.perf_counter()
        np.copyto(taken, given)
        product_s.append(between - begun)
        copy_s.append(time.perf_counter() - between)
    return HostCeilings(
        host=host,
        fp32_tflops=2 * SIDE**3 / min(product_s) / TERA,
        bandwidth_gb_s=2 * given.nbytes / min(copy_s) / GIGA,
    )


def _known(figure: Figure | None) -> float:
    """The value of a figure that was found to have one."""
    assert figure is not None
    assert figure.value is not None
    return figure.value
