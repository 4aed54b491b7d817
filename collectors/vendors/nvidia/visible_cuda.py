"""Which devices of the machine a job sees, from the visible-devices variables of its environment."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from collectors.vendors import pci


@dataclass(frozen=True)
class Gpu:
    """An NVIDIA board as NVML lists it. `mig_uuids` are its MIG instances, `mig_enabled` whether MIG mode is on."""

    uuid: str
    name: str
    pci_bus_id: str
    mig_enabled: bool = False
    mig_uuids: tuple[str, ...] = ()


@dataclass(frozen=True)
class VisibleGpus:
    """The boards behind the devices that CUDA shows to the job.

    `uuids[i]` is the board of logical device i. Where `numbered` is false the set is known and the order is not.
    `reason` says why `uuids` is empty.
    """

    uuids: tuple[str, ...] = ()
    numbered: bool = True
    reason: str | None = None


def visible_gpus(gpus: Sequence[Gpu], environ: Mapping[str, str]) -> VisibleGpus:
    """Boards that CUDA would show under this environment.

    Rules: CUDA Programming Guide, environment variables. Indices, UUIDs, unique UUID prefixes and MIG names are
    accepted; the first entry that is invalid hides itself and all after it; an entry given twice hides all. Indices
    follow the PCI order where CUDA_DEVICE_ORDER=PCI_BUS_ID or where all boards are alike. Otherwise CUDA counts
    fastest first, which NVML cannot tell: then a proper subset by index is refused.
    """
    ordered = sorted(gpus, key=lambda gpu: pci.order(gpu.pci_bus_id))
    if not ordered:
        return VisibleGpus(reason="NVML lists no GPU")
    numbered = environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID" or len({gpu.name for gpu in ordered}) == 1
    value = environ.get("CUDA_VISIBLE_DEVICES")
    if value is None:
        return VisibleGpus(tuple(gpu.uuid for gpu in ordered), numbered)

    chosen: list[tuple[str, Gpu]] = []
    by_index = False
    for entry in value.split(","):
        match = _match(entry.strip(), ordered)
        if match is None:
            break
        chosen.append(match)
        by_index = by_index or not entry.strip().startswith(("GPU-", "MIG-"))
    told = f"CUDA_VISIBLE_DEVICES={value!r}"
    if len({identity for identity, _ in chosen}) < len(chosen):
        return VisibleGpus(reason=f"{told} names a device twice, so CUDA shows none")
    if not chosen:
        return VisibleGpus(reason=f"{told} shows no GPU to the job")
    uuids = tuple(gpu.uuid for _, gpu in chosen)
    if by_index and not numbered:
        if set(uuids) != {gpu.uuid for gpu in ordered}:
            return VisibleGpus(
                reason=f"{told} counts fastest first and the GPUs differ ({', '.join(gpu.name for gpu in ordered)}): "
                "set CUDA_DEVICE_ORDER=PCI_BUS_ID or name the devices by UUID"
            )
        return VisibleGpus(uuids, numbered=False)
    return VisibleGpus(uuids)


def _match(entry: str, ordered: Sequence[Gpu]) -> tuple[str, Gpu] | None:
    if entry.startswith("GPU-"):
        return _only([(gpu.uuid, gpu) for gpu in ordered if gpu.uuid.startswith(entry)])
    if entry.startswith("MIG-GPU-"):
        board = entry.removeprefix("MIG-").split("/")[0]
        return _only([(entry, gpu) for gpu in ordered if gpu.uuid.startswith(board)])
    if entry.startswith("MIG-"):
        return _only([(mig, gpu) for gpu in ordered for mig in gpu.mig_uuids if mig.startswith(entry)])
    index = re.match(r"[0-9]{1,9}(?![0-9])", entry)
    if index and int(index[0]) < len(ordered):
        gpu = ordered[int(index[0])]
        return gpu.uuid, gpu
    return None


def _only(matches: list[tuple[str, Gpu]]) -> tuple[str, Gpu] | None:
    return matches[0] if len(matches) == 1 else None
