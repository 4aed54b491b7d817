"""How long the fuzzers search: a bounded number of examples, always the same, and many times more by `make fuzz`.

$CROSSCAST_FUZZ_TIMES multiplies the examples; searches that are longer than the usual one begin elsewhere every time.
"""

import os
from typing import Any

from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("CROSSCAST_FUZZ_TIMES", "1"))


def effort(examples: int) -> Any:
    """Settings of a search; without a time limit for an example, which a busy machine would break."""
    return settings(
        max_examples=examples * TIMES,
        deadline=None,
        derandomize=TIMES == 1,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
