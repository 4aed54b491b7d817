"""Projections of a model on a chip: time, memory, joules, and whether it fits, each with its interval or the reason."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from harness.errors import UserError
from harness.frameworks.support import cannot_execute
from harness.models.executing import runs_in_tiles
from harness.models.memory import GIB, RESERVE, fitting, step_memory
from harness.models.operations import NumberFormat
from harness.projection import memory as memories
from harness.projection import power as powers
from harness.projection.ceilings import GIGA, MICRO, Ceilings, missing, of_chip
from harness.projection.evidence import INFERENCE, TRAINING, Evidence
from harness.projection.exchange import Link
from harness.projection.measured_steps import epochs_by_hidden_part
from harness.projection.projected import Projected, within
from harness.projection.reach import beyond
from harness.projection.roofline import IDEAL, Efficiencies, fit, formats_of
from harness.projection.subject import Subject, Target
from harness.projection.validation import LEAST, validated
from harness.projection.work import Work
from harness.scenario.chips import Figure
from harness.scenario.execution import Execution, World
from harness.scenario.labels import label
from harness.scenario.schema import Stage


@dataclass(frozen=True)
class Refused:
    """A quantity that cannot be projected, and why."""

    what: str
    reason: str


@dataclass(frozen=True)
class Answer:
    """A quantity that is said in words."""

    what: str
    words: str


Row = Projected | Refused | Answer

LOWER_END = (
    "the lower end of a time is the roofline: every product runs at the full peak that the chip's file gives, and "
    "every array passes through memory at the full bandwidth; a boosted clock and caches can be faster"
)


@dataclass(frozen=True)
class Point:
    """A step in the roofline: operations a byte, operations a second; measured or projected."""

    name: str
    activity: str
    intensity: float
    rate: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Projection:
    """All that is projected of one subject, and the points of its steps."""

    subject: Subject
    rows: tuple[Row, ...]
    points: tuple[Point, ...]


class Projector:
    """Projects onto a chip by what records tell. Raises UserError where nothing validates it."""

    def __init__(self, evidence: Evidence, target: Target) -> None:
        self.evidence, self.target = evidence, target
        begin = fit(evidence.steps) if evidence.steps else None
        self.validation = validated(evidence.steps, across_chips=target.place is None, begin=begin)
        assert begin is not None
        self.memory = memories.law(evidence.memory, process=target.chip.is_host)
        self.chips = sorted({sample.chip for sample in evidence.steps})
        self.efficiencies: Efficiencies = begin if target.place else begin.capped()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What must be known of all its projections."""
        found = [f"efficiencies fitted to records of {', '.join(self.chips)}; {self.validation.said}"]
        found += self.validation.untried
        if self.target.place:
            found.append(f"cost of a kernel: as fitted to records of {self.target.place}")
        else:
            found.append(LOWER_END)
            if self.validation.left_out != "chips":
                measured = "one chip alone" if len(self.chips) == 1 else f"{len(self.chips)} chips"
                found.append(
                    f"records of {measured}: whether another chip reaches the same efficiencies is not validated, for "
                    f"which records of {LEAST} chips whose files give a launch_us are needed; the upper end of a time "
                    "says only how far presets of the measured chips were off"
                )
        return tuple(found)

    def project(self, subject: Subject) -> Projection:
        """All quantities of a subject. Raises UserError where figures that a time needs are null."""
        prediction, world = subject.prediction(), subject.execution.world
        stages = subject.preset.training.trained_stages
        first = 1
        rows: list[Row] = []
        points: list[Point] = []
        for stage in stages:
            what = TRAINING if len(stages) == 1 else f"{TRAINING} ({stage.name})"
            work = subject.step(stage, first)
            step, *told = self._step(what, work, TRAINING, subject)
            rows.append(step)
            if isinstance(step, Projected):
                rows += [self._epoch(subject, stage, first), *told]
                rows += [self._scaling(subject, stage, first, step)] if world.devices > 1 else []
                points.append(_point(subject, what, work, step))
            first += stage.epochs
        step, *told = self._step(INFERENCE, prediction, INFERENCE, subject)
        rows += [step, *told]
        if isinstance(step, Projected):
            points.append(_point(subject, INFERENCE, prediction, step))
        rows += self._memory(subject)
        if world.devices > 1:
            rows.append(Answer("link", self._joined(world, self.ceilings(subject, prediction))))
        return Projection(subject, tuple(rows), tuple(points))

    def _step(self, what: str, work: Work, activity: str, subject: Subject) -> Iterator[Row]:
        """The time of a step, its energy and how far it lies beyond the records; or why it is not validated."""
        if reason := self.validation.lacks(activity):
            yield Refused(what, reason)
            return
        step = self._time(what, work, activity, subject)
        yield step
        yield self._energy(work, step, subject)
        if words := beyond(work, activity, self.evidence.steps):
            yield Answer(f"beyond the records, {what}", words)

    def ceilings(self, subject: Subject, *works: Work) -> Ceilings:
        """Those of a device in the formats of some work: of a CPU, what each rank on its node has of it.

        Raises UserError where one is not known.
        """
        world = subject.execution.world
        if world.nodes > 1:
            raise UserError(
                f"{self.target.chip.title} cannot be projected onto {world.devices} devices of {world.nodes} nodes: "
                "what nodes send to one another stands in no file of a chip; leave world.nodes out for those of one"
            )
        found = self._of_chip({name for work in works for name in formats_of(work)}, world)
        return found.of_rank(world.devices_of_node) if self.target.chip.is_host else found

    def _of_chip(self, formats: set[NumberFormat], world: World) -> Ceilings:
        target = self.target
        if target.place is None:
            return of_chip(target.chip, target.file, formats, devices=world.devices)
        found = next(each.ceilings for each in self.evidence.steps if each.chip == target.place)
        if lacking := sorted(formats - found.peak.keys()):
            figures = missing({f"peak_tflops.{name}": getattr(target.chip.peak_tflops, name) for name in lacking})
            raise UserError(
                f"{target.chip.title} cannot be projected: {target.file} gives no {'; no '.join(figures)}: "
                "fill that in there, with its source"
            )
        if world.devices == 1:
            return found
        link = self._link(world)
        return replace(found, link=link.bandwidth, link_s=link.latency_s)

    def _link(self, world: World) -> Link:
        """Of a chip that has records, as its file gives it or, of ranks on one node, as it is measured there."""
        figure = self.target.chip.link_gb_s
        if figure is not None and figure.value is not None:
            return Link(figure.value * GIGA)
        if self.target.link_of_ranks:
            return self.target.link_of_ranks(world.devices)
        raise UserError(
            f"{self.target.chip.title} cannot be projected onto {world.devices} devices: "
            f"{self.target.place_of('link_gb_s', figure)}"
        )

    def _joined(self, world: World, ceilings: Ceilings) -> str:
        assert ceilings.link is not None
        what = "ranks" if self.target.chip.is_host else "devices"
        latency = f" and waits {ceilings.link_s / MICRO:.3g} us for each message" if ceilings.link_s else ""
        return (
            f"{world.devices} {what} of one node are taken for granted, of which each sends {ceilings.link / GIGA:.4g} "
            f"GB/s{latency}; what goes from node to node is slower and in no file"
        )

    def _scaling(self, subject: Subject, stage: Stage, epoch: int, together: Projected) -> Row:
        """The time of a step on one device over that on several, each with a batch of its own.

        The time of what is sent does not depend on the efficiencies, so that only the rest has an interval.
        """
        one = replace(subject, execution=subject.execution.model_copy(update={"world": World()}))
        work, shared = one.step(stage, epoch), subject.step(stage, epoch)
        alone = self._seconds(work, self.ceilings(one, work))
        assert together.point is not None
        sent = self._sent_s(shared, self.ceilings(subject, shared))
        own, factor = together.point - sent, self.validation.of(TRAINING).factor
        point, low, high = (alone * each / (own * each + sent) for each in (1.0, 1 / factor, factor))
        basis = together.basis
        if self.target.chip.is_host:
            basis += "; each rank has its part of the cores and of the bandwidth; not counted: what waits for the other"
        return Projected(f"scaling, {together.what}", "fraction", point, low, high, basis)

    def _time(self, what: str, work: Work, activity: str, subject: Subject) -> Projected:
        ceilings = self.ceilings(subject, work)
        point = self._seconds(work, ceilings)
        trials = self.validation.of(activity)
        roof = None if self.target.place else IDEAL.step_s(work, ceilings, 0.0)
        return within(what, "s", point, trials.factor, trials.said, no_higher=roof)

    def _seconds(self, work: Work, ceilings: Ceilings) -> float:
        place = self.target.place
        cost = self.efficiencies.launch_s[place] if place else ceilings.launch_s
        assert cost is not None
        return self.efficiencies.step_s(work, ceilings, cost)

    def _sent_s(self, work: Work, ceilings: Ceilings) -> float:
        """The time of what goes over the link."""
        sent = Work(tuple(each for each in work.operations if each.operation.kind == "collective"))
        return self._seconds(sent, ceilings)

    def _epoch(self, subject: Subject, stage: Stage, first: int) -> Row:
        """The mean over the epochs of a stage, whose steps differ where tokens are hidden."""
        what = "epoch" if len(subject.preset.training.trained_stages) == 1 else f"epoch ({stage.name})"
        training = subject.preset.training
        samples = subject.training_samples(stage)
        if samples is None:
            return Refused(what, f"the files of {subject.data_name} say how many samples there are: give --samples")
        steps = training.steps_of(samples // (training.batch_size * subject.execution.world.devices))
        if not steps:
            return Refused(what, f"{samples} samples fill no batch of all devices")
        groups = epochs_by_hidden_part(subject.preset.network, first, stage.epochs).values()
        works = [subject.step(stage, epochs[0]) for epochs in groups]
        ceilings = self.ceilings(subject, *works)
        trials = self.validation.of(TRAINING)

        def mean(seconds: list[float]) -> float:
            return steps * sum(len(epochs) * each for epochs, each in zip(groups, seconds, strict=True)) / stage.epochs

        point = mean([self._seconds(work, ceilings) for work in works])
        roof = None if self.target.place else mean([IDEAL.step_s(work, ceilings, 0.0) for work in works])
        return within(
            what, "s", point, trials.factor, f"{steps} steps, without what loading adds; {trials.said}", no_higher=roof
        )

    def _energy(self, work: Work, step: Projected, subject: Subject) -> Row:
        what = f"energy, {step.what}"
        chip, world = self.target.chip, subject.execution.world
        chips = world.nodes if chip.is_host else world.devices
        if lacking := list(missing({"idle_power_w": chip.idle_power_w, "power_cap_w": chip.power_cap_w})):
            return Refused(what, f"{self.target.file} gives no {'; no '.join(lacking)}: fill that in there")
        assert chip.idle_power_w
        assert chip.idle_power_w.value is not None
        assert chip.power_cap_w.value is not None
        assert step.point is not None
        assert step.low is not None
        assert step.high is not None
        idle_w, cap_w = chips * chip.idle_power_w.value, chips * chip.power_cap_w.value
        bounds = idle_w * step.low, cap_w * step.high
        use = powers.fitted(self.evidence.power)
        if use is None:
            basis = f"between the power at rest and the cap: fewer than {powers.LEAST} measured steps have a power"
            return Projected(what, "J", None, *bounds, basis)
        rates = powers.in_use(work, self.ceilings(subject, work), step.point)
        point = step.point * use.power_w(idle_w, cap_w, *rates)
        return Projected(what, "J", point, *bounds, f"power of {len(self.evidence.power)} measured steps; {step.basis}")

    def _memory(self, subject: Subject) -> Iterator[Row]:
        preset, what = subject.preset, "memory, training"
        if not preset.training.epochs:
            return
        tiled = self._in_tiles(subject)
        counted = step_memory(
            subject.package, preset.network, subject.domain, preset.training, subject.execution, tiled=tiled
        )
        if counted is None:
            yield Refused(what, f"{subject.model} does not say what it keeps, see harness/models")
            return
        peak = self.memory.projected(what, counted.total)
        yield peak
        yield Answer("fits", self._fits(subject, peak, tiled=tiled))

    def _in_tiles(self, subject: Subject) -> bool:
        entry = self.target.chip.frameworks.get(subject.framework)
        device = entry.device if entry else None
        return runs_in_tiles(subject.package, subject.execution, subject.framework, device)

    def _runs(self, subject: Subject, execution: Execution) -> bool:
        entry = self.target.chip.frameworks.get(subject.framework)
        return not entry or not entry.device or not cannot_execute(subject.framework, entry.device, execution)

    def _fits(self, subject: Subject, peak: Projected, *, tiled: bool) -> str:
        chip, preset, ranks = self.target.chip, subject.preset, subject.execution.world.devices_of_node
        if chip.memory_gib.value is None:
            return f"not known: {self.target.place_of('memory_gib', chip.memory_gib)}"
        assert peak.low is not None
        assert peak.high is not None
        has = chip.memory_gib.value * GIB / (ranks if chip.is_host else 1)
        room = self.memory.room(has)
        said = f"{peak.low / GIB:.3g} to {peak.high / GIB:.3g} GiB of {has / GIB:.3g}"
        if peak.high <= room:
            return f"yes: {said}"
        said = f"{'perhaps' if peak.low <= room else 'no'}: {said}"
        countable = self.memory.countable(has)
        if countable <= 0:
            return f"{said}; nothing fits: {self.memory.line.base / GIB:.3g} GiB are taken before a network is there"
        figure = Figure(value=countable / (1 - RESERVE) / GIB, source="what may be counted, with the reserve")
        fitted_to = chip.model_copy(update={"memory_gib": figure})
        try:
            found = fitting(
                subject.package,
                preset.network,
                subject.domain,
                preset.training,
                fitted_to,
                subject.execution,
                runs=lambda execution: self._runs(subject, execution),
                tiled=tiled,
            )
        except UserError as error:
            return f"{said}; {error}"
        return f"{said}; by the count it fits as: {label(found)}"


def measured_points(evidence: Evidence) -> tuple[Point, ...]:
    """The steps that records hold."""
    return tuple(
        Point(
            f"{sample.name}, {sample.chip}",
            sample.activity,
            sample.work.total.flops / sample.work.total.bytes,
            sample.work.total.flops / sample.seconds,
        )
        for sample in evidence.steps
    )


def _point(subject: Subject, activity: str, work: Work, step: Projected) -> Point:
    assert step.point
    assert step.low
    assert step.high
    total = work.total
    rates = (total.flops / seconds for seconds in (step.point, step.high, step.low))
    return Point(subject.title, activity, total.flops / total.bytes, *rates)
