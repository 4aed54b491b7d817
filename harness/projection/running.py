"""From what a user names to projections in files: `crosscast project`."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from harness.analysis.cells import Results
from harness.analysis.selection import load_chosen
from harness.analysis.tables.table import print_warnings
from harness.architectures import architecture
from harness.errors import UserError, nearest, refuse
from harness.frameworks.support import cannot_execute
from harness.launch.fitting import with_memory
from harness.machine import identity
from harness.models.executing import check_execution
from harness.models.memory import GIB
from harness.projection import figures, tables
from harness.projection.ceilings import Ceilings, link_of_host, of_host, of_measured_chip, with_given
from harness.projection.evidence import Evidence, MeasuredChip, Place, evidence_of
from harness.projection.exchange import Link
from harness.projection.projecting import Projection, Projector, measured_points
from harness.projection.subject import Subject, Target
from harness.scenario import axes, catalogue
from harness.scenario.changes import execution_of, laid_over
from harness.scenario.chips import ChipConfig, Figure
from harness.scenario.execution import Execution
from harness.scenario.folders import files_of
from harness.scenario.schema import FrameworkName
from harness.scenario.variants import as_variant, as_variant_called, variant_of

FOLDER = "projection"
USUAL_SUITE = "timing"
"""Whose models, presets and data are projected where none are named."""


class Wanted(NamedTuple):
    """What the options of the command name."""

    chip: str
    variant: str | None = None
    models: tuple[str, ...] = ()
    preset: str | None = None
    data: str | None = None
    framework: FrameworkName = "pytorch"
    settings: tuple[str, ...] = ()
    devices: int = 1
    samples: int | None = None


class Made(NamedTuple):
    """Projections by one projector, and the records that could not be read."""

    projector: Projector
    projections: tuple[Projection, ...]
    problems: tuple[str, ...]


def project(results: Path, wanted: Wanted, console: Console) -> tuple[str, ...]:
    """Print and write all projections into results/projection/CHIP; return the records that could not be read.

    Raises UserError where no record validates a projection, and where a chip's file lacks what a time needs.
    """
    projector, projections, problems = made(results, wanted, console)
    table = tables.ProjectionTable(
        chip=projector.target.chip.title,
        projections=projections,
        validations=tuple(filter(None, (projector.validation, projector.memory.validation))),
        efficiencies=projector.efficiencies,
        remarks=projector.remarks,
    )
    folder = results / FOLDER / projector.target.name
    tables.print_projections(table, console)
    written = (*tables.write_projections(table, folder), *_draw(projector, projections, folder))
    console.print(Text("\nWritten:"))
    for each in written:
        console.print(Text(f"  {each}"), soft_wrap=True)
    return problems


def made(results: Path, wanted: Wanted, console: Console) -> Made:
    """All projections, of which nothing is written; records that cannot be used are printed.

    Raises what `project` raises.
    """
    subjects = tuple(_subjects(wanted))
    path = catalogue.path_of("chips", wanted.chip)
    chip, variant = _variant(catalogue.chip(wanted.chip), path, wanted.variant)
    refuse(_not_running(chip, subjects))
    found = load_chosen(results, None)
    print_warnings(found.problems, console)
    mode = subjects[0].execution.compilation.mode
    evidence = evidence_of(found, wanted.framework, mode, lambda *of: _measured_chip(results / FOLDER, *of))
    print_warnings(evidence.unused, console)
    place = _place(evidence, path, wanted.variant, variant)
    if place and place.variant:
        chip = as_variant_called(chip, place.variant)
    if place and chip.is_host:
        chip = _of_host(chip, path.stem, place, found)
    link = partial(_measured_link, results / FOLDER, place) if place and chip.is_host else None
    projector = Projector(evidence, Target(path.stem, path, chip, place.name if place else None, link))
    return Made(projector, tuple(map(projector.project, subjects)), found.problems)


def _draw(projector: Projector, projections: Sequence[Projection], folder: Path) -> tuple[Path, ...]:
    target, evidence = projector.target, projector.evidence
    roofs: dict[str, Ceilings] = {
        target.chip.title: projector.ceilings(projections[0].subject, projections[0].subject.prediction())
    }
    roofs |= {sample.chip: sample.ceilings for sample in evidence.steps if sample.chip != target.place}
    points = [point for projection in projections for point in projection.points]
    return figures.write_roofline(
        *figures.roofline(target.chip.title, roofs, measured_points(evidence), points), folder
    )


def _subjects(wanted: Wanted) -> list[Subject]:
    suite = catalogue.suite(USUAL_SUITE)
    usual = {entry.model: entry for entry in suite.models}
    found = []
    for name in wanted.models or tuple(usual):
        entry = usual.get(name)
        named = catalogue.preset(name, wanted.preset or (entry.preset if entry else "paper"))
        package = architecture(named.config.architecture)
        data_name = wanted.data or (entry.data if entry and entry.data else suite.data)
        execution = _execution(wanted, entry.execution.content() if entry and wanted.preset is None else {})
        package.check_grid(named.preset.network, named.preset.grid)
        check_execution(package, named.preset.grid, execution, named.preset.training.batch_size)
        found.append(
            Subject(
                named.model,
                named.name,
                package,
                named.preset,
                Path(data_name).stem,
                catalogue.data(data_name),
                wanted.framework,
                execution,
                wanted.samples,
            )
        )
    return found


def _execution(wanted: Wanted, usual: dict[str, object]) -> Execution:
    """The execution of the usual suite, then every setting that is named, then the devices."""
    contents = [usual]
    for text in wanted.settings:
        axis, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"--execution {text!r}: give a setting and its value, such as precision.autocast=bf16")
        try:
            contents.append(axes.setting(axis.strip(), _number_or_word(value.strip())))
        except ValueError as error:
            raise UserError(f"--execution {text!r}: {error}") from None
    if wanted.devices > 1:
        contents.append({"world": {"devices": wanted.devices}})
    return execution_of(laid_over(*contents))


def _number_or_word(value: str) -> int | str:
    return int(value) if value.isascii() and value.isdigit() else value


def _variant(chip: ChipConfig, path: Path, name: str | None) -> tuple[ChipConfig, str | None]:
    """The chip as the variant that a user or a driver calls so, and the name of the variant."""
    if name is None:
        return chip, None
    names = {each.name: each for each in chip.variants}
    found = names.get(name) or variant_of(chip, name)
    if found is None:
        raise UserError(f"{path}: no variant is called {name!r}; {nearest(name, names)}")
    return as_variant_called(chip, found.name), found.name


def _place(evidence: Evidence, path: Path, wanted: str | None, variant: str | None) -> Place | None:
    """Where the very chip that is projected onto was measured; None where it was not.

    A file of a user's own is another chip, whatever its name. Where no variant is named, it is the one that all records
    of the chip are of. Of several hosts it is this one, or else the first.

    Raises UserError where no variant is named and the records are of several.
    """
    known = files_of("chips").get(path.stem)
    if known is None or known.resolve() != path.resolve():
        return None
    places = [each for each in evidence.places if each.file == path.stem and (not wanted or each.variant == variant)]
    if len(variants := {each.variant for each in places}) > 1:
        listed = ", ".join(sorted(str(each or "none that its file knows") for each in variants))
        raise UserError(f"{path.stem} has records of several variants ({listed}): name one with --variant")
    here = {each.digest for each in identity.identities()}
    return min(places, key=lambda each: here.isdisjoint(each.host.split(", ")), default=None)


def _not_running(chip: ChipConfig, subjects: Sequence[Subject]) -> Iterator[str]:
    """A line for each subject that cannot run on the chip at all, as far as is known, and so has no time there."""
    for each in subjects:
        entry = chip.frameworks.get(each.framework)
        if entry is None or entry.device is None:
            reason = entry.unavailable if entry else f"its file says nothing of {each.framework}"
        else:
            reason = cannot_execute(each.framework, entry.device, each.execution)
        if reason:
            yield f"{each.framework} on {chip.title} cannot be projected: {reason}"


def _of_host(chip: ChipConfig, name: str, place: Place, found: Results) -> ChipConfig:
    """The CPU of a place: where that is another host than this one it is called so, and has the memory of that one."""
    if _is_here(place):
        return with_memory(chip)
    chip = chip.model_copy(update={"title": f"{name} of host {place.host}"})
    if chip.memory_gib.value is not None:
        return chip
    launches = (launch for cell in found.cells if cell.host == place.host for launch in cell.launches)
    told = [launch.environment.memory_bytes for launch in launches if launch.environment.memory_bytes]
    if not told:
        return chip
    return chip.model_copy(update={"memory_gib": Figure(value=min(told) / GIB, source="records of that host")})


def _is_here(place: Place) -> bool:
    return not {each.digest for each in identity.identities()}.isdisjoint(place.host.split(", "))


def _measured_link(folder: Path, place: Place, ranks: int) -> Link:
    """Of so many ranks on the host of a place: this one, where it is one of its."""
    hosts, here = place.host.split(", "), {each.digest for each in identity.identities()}
    host = next((each for each in hosts if each in here), hosts[0])
    return link_of_host(folder, host, ranks, is_here=host in here)


def _measured_chip(folder: Path, chip_name: str, device_name: str, host: str) -> MeasuredChip:
    """The chip of a record: from its file or, of a CPU whose file gives no rates, as measured on its host.

    Raises UserError where neither tells its rates.
    """
    chip = catalogue.chip(chip_name)
    variant = variant_of(chip, device_name)
    chip = as_variant(chip, device_name)
    found = of_measured_chip(chip)
    if found is None and chip.is_host:
        measured = of_host(folder, host, is_here=host in {each.digest for each in identity.identities()})
        found = with_given(measured, chip)
    if found is None:
        raise UserError(f"the file of {chip.title} gives no peak_tflops.fp32 or no bandwidth_gb_s")
    return MeasuredChip(variant.name if variant else None, found)
