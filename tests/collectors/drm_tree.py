"""A tree of real files as the kernel lays out AMD and Hygon boards: DRM cards, hwmon, KFD topology, device nodes."""

from __future__ import annotations

from pathlib import Path


def add_board(
    root: Path,
    card: int,
    pci: str,
    vendor: str = "0x1d94",
    device: str = "0x54b7",
    power_uw: int | None = None,
    cap_uw: int | None = None,
    energy_uj: int | None = None,
    busy: int | None = None,
    power_file: str = "power1_average",
    unique_id: str | None = None,
    partition: str | None = None,
) -> Path:
    """Adds a board and returns its hwmon folder. Its render node is renderD(128 + card), present in dev/dri."""
    folder = root / "sys/devices/pci0000:00" / pci
    monitor = folder / "hwmon" / f"hwmon{card + 2}"
    monitor.mkdir(parents=True)
    (folder / "drm" / f"renderD{128 + card}").mkdir(parents=True)
    values = {
        folder / "vendor": vendor,
        folder / "device": device,
        folder / "unique_id": unique_id,
        folder / "current_compute_partition": partition,
        folder / "gpu_busy_percent": busy,
        monitor / power_file: power_uw,
        monitor / "power1_cap": cap_uw,
        monitor / "energy1_input": energy_uj,
    }
    for path, value in values.items():
        if value is not None:
            path.write_text(f"{value}\n")
    link = root / "sys/class/drm" / f"card{card}" / "device"
    link.parent.mkdir(parents=True)
    link.symlink_to(folder)
    nodes = root / "dev/dri"
    nodes.mkdir(parents=True, exist_ok=True)
    (nodes / f"renderD{128 + card}").touch()
    return monitor


def add_node(root: Path, number: int, pci: str | None, unique_id: int = 0, function: int | None = None) -> Path:
    """Adds a KFD node: a processor where `pci` is None, else a compute device of that board."""
    folder = root / "sys/class/kfd/kfd/topology/nodes" / str(number)
    folder.mkdir(parents=True)
    location = 0
    if pci:
        _, bus, rest = pci.split(":")
        slot, own = rest.split(".")
        location = int(bus, 16) << 8 | int(slot, 16) << 3 | (int(own) if function is None else function)
    simds = 240 if pci else 0
    properties = f"simd_count {simds}\nlocation_id {location}\ndomain 0\nunique_id {unique_id}\n"
    (folder / "properties").write_text(properties)
    return folder
