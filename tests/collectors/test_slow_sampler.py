"""A sampler whose tools take long to answer, by a clock that the test sets."""

from types import SimpleNamespace

import pytest

from collectors.base import Reading, Sensor
from collectors.samples import Header, encode, reading_record
from collectors.sampling import process
from collectors.sampling.process import READY_S, SamplerProcess

LATE = f"not all of its sensors were read in {READY_S:g} s, and the work began"


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """slow(seconds): a sampler that has run for no time yet, and writes its first reading so long after."""
    path = tmp_path / "power.jsonl"
    now_s = [0.0]

    def start(answers_after_s: float) -> SamplerProcess:
        def sleep(seconds: float) -> None:
            now_s[0] += max(seconds, 0.5)
            if now_s[0] >= answers_after_s and not path.exists():
                header = Header("hy-smi", (Sensor("card", "card", "instant"),), {}, 0.1, 0, 0)
                path.write_bytes(encode(header.to_dict()) + encode(reading_record(Reading(1, 2, "card", 90.0))))

        def ends_when_asked(timeout_s: float) -> bool:
            sleep(answers_after_s)
            with path.open("ab") as log:
                log.write(encode({"type": "end", "t_ns": 3, "reason": "SIGTERM"}))
            return True

        monkeypatch.setattr(process, "time", SimpleNamespace(monotonic=lambda: now_s[0], sleep=sleep))
        child = SimpleNamespace(
            has_ended=lambda: False, ends_when_asked=ends_when_asked, end=lambda: None, returncode=0
        )
        return SamplerProcess(path, child)

    return start


def test_a_tool_that_takes_twenty_seconds_is_waited_for(slow):
    sampler = slow(20.0)
    assert sampler.wait_ready()
    assert sampler.header.collector == "hy-smi"
    assert sampler.stop().reason is None


def test_one_that_answers_when_the_work_has_begun_is_told_of(slow):
    sampler = slow(READY_S + 20.0)
    assert not sampler.wait_ready()
    assert sampler.header is None
    outcome = sampler.stop()
    assert (outcome.collector, outcome.reason, outcome.sampler_died) == ("hy-smi", LATE, False)
