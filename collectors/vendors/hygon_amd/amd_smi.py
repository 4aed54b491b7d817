"""AMD boards by hwmon, with amd-smi beside it as a second opinion or in its place."""

from __future__ import annotations

from collectors.vendors.host.hwmon import AMD
from collectors.vendors.hygon_amd.amd_smi_text import list_addresses, metric_rows
from collectors.vendors.hygon_amd.rocm_smi import SmiCollector, Tool


class AmdSmiCollector(SmiCollector):
    """amd-smi of ROCm 6 and later, which replaces rocm-smi.

    Its energy accumulator is not used: amd-smi cannot be asked fast enough for a counter, and releases of it have
    scaled the value wrongly (ROCm/amdsmi issue 38). The kernel's own counter is, where there is one.
    """

    name = "amd-smi"
    tool = Tool(
        program="amd-smi",
        vendors=(AMD,),
        calls=(("metric", "--power", "--usage", "--json"), ("metric", "-p", "--json"), ("metric", "--json")),
        addresses=("list", "--json"),
        read=metric_rows,
        read_addresses=list_addresses,
    )
