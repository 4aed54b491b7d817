"""Do all ranks of a launch train one network on one set of samples? Asked before they begin."""

import json
from collections.abc import Mapping

from harness.errors import UserError
from harness.frameworks.ranks import Ranks


def require_agreement(ranks: Ranks, facts: Mapping[str, str]) -> None:
    """Compare facts, by what they are of, with those of the other ranks; each rank names the same ones.

    Raises UserError, on every rank, that says which rank differs from rank 0 in what.
    """
    told = [json.loads(text) for text in ranks.texts(json.dumps(dict(facts)))]
    for number, theirs in enumerate(told):
        if differing := [name.replace("_", " ") for name in facts if theirs.get(name) != told[0].get(name)]:
            raise UserError(
                f"rank {number} differs from rank 0 in {' and '.join(differing)}: the ranks would not train one "
                "network on one set of samples; give all of them the same files and versions"
            )


def slowest(ranks: Ranks, time_s: float) -> float:
    """The longest of the times in seconds that the ranks give, on all of them."""
    return time_s if ranks.rank.size == 1 else max(map(float, ranks.texts(repr(time_s))))
