"""`crosscast convert`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.errors import UserError, nearest
from harness.files import made_beside

if TYPE_CHECKING:
    from harness.porting.convert.convert import Conversion, FileKind, Layout, Request

ENDINGS: "dict[str, tuple[FileKind, Layout]]" = {
    ".pt": ("pytorch", "pytorch"),
    ".pth": ("pytorch", "pytorch"),
    ".tar": ("pytorch", "pytorch"),
    ".ckpt": ("ckpt", "mindspore"),
    ".safetensors": ("safetensors", "neutral"),
}


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--model", help="Check against this model: a name in scenarios/models or a YAML file.")
@click.option("--preset", help="The model's preset, such as tiny, small or paper.")
@click.option("--data", help="Mapping in scenarios/data with the model's channels; default: the suites' data.")
@click.option("--names", help="Names that SOURCE has: a name in scenarios/weights or a YAML file; default: ours.")
@click.option("--target-names", help="Names that TARGET gets, likewise; default: ours.")
@click.option(
    "--to", "layout", type=click.Choice(("pytorch", "mindspore", "neutral")), help="Default: by TARGET's ending."
)
@click.option("--weights-only", is_flag=True, help="Leave out the optimiser's state.")
@click.option("--partial", is_flag=True, help="Write what fits, even where it is not all.")
@click.option("--dry-run", is_flag=True, help="Print the name map and write nothing.")
@click.option("--force", is_flag=True, help="Replace TARGET where it exists.")
def convert(
    source: Path,
    target: Path,
    model: str | None,
    preset: str | None,
    data: str | None,
    names: str | None,
    target_names: str | None,
    layout: "Layout | None",
    weights_only: bool,
    partial: bool,
    dry_run: bool,
    force: bool,
) -> None:
    """Turn SOURCE into TARGET, weights and optimiser state, bit for bit.

    Both are PyTorch's (.pt, .pth, .tar), MindSpore's (.ckpt) or safetensors, which without --to is written in a form
    that needs no framework; SOURCE may be an .npz file too, such as DeepMind's GraphCast. Prints which tensor became
    which; does not write where not every one fits.
    """
    if (model is None) != (preset is None):
        raise UserError("give --model and --preset together, or neither")
    if data is not None and model is None:
        raise UserError("--data goes with --model and --preset")
    kind, of_target = _target(target, layout)
    if target.exists() and not target.is_file():
        raise UserError(f"{target}: is a folder or a device and no file; give another name")
    if not dry_run and target.exists() and not force:
        raise UserError(f"{target}: exists; give --force to replace it, or another name")

    from harness.console import PlainConsole
    from harness.porting.convert.convert import Request
    from harness.porting.convert.rendering import summary, table
    from harness.porting.convert.running import kind_of, run_conversion
    from harness.terminal import say

    source_kind = kind_of(source)

    def asked(place: Path | None) -> Request:
        return Request(
            source=source,
            source_kind=source_kind,
            target=target,
            place=place,
            target_kind=kind,
            target_layout=of_target,
            source_names=names,
            target_names=target_names,
            model=model,
            preset=preset,
            data=data,
            partial=partial,
            weights_only=weights_only,
        )

    outcome = run_conversion(asked(None)) if dry_run else _written(asked, target)
    console = PlainConsole()
    console.print(table(outcome, source.name, target.name))
    console.print(summary(outcome))
    for remark in outcome.remarks:
        console.print(remark)
    if outcome.refusal is not None:
        raise UserError(f"{source}: {outcome.refusal}; {outcome.advice}")
    if not dry_run:
        say(target)


def _written(asked: "Callable[[Path | None], Request]", target: Path) -> "Conversion":
    """Write beside the target and give it its name at the end, so that there is no half of it; a link stays one."""
    from harness.porting.convert.running import run_conversion

    target = Path(os.path.realpath(target))
    try:
        descriptor, place = made_beside(target)
    except OSError as error:
        raise UserError(f"{target}: cannot be written: {error.strerror}") from None
    os.close(descriptor)
    try:
        outcome = run_conversion(asked(place))
        if outcome.refusal is None:
            with place.open("rb") as file:
                os.fsync(file.fileno())
            place.replace(target)
    finally:
        place.unlink(missing_ok=True)
    return outcome


def _target(target: Path, layout: "Layout | None") -> "tuple[FileKind, Layout]":
    if target.suffix not in ENDINGS:
        hint = nearest(target.suffix, ENDINGS) if target.suffix else f"choose from: {', '.join(ENDINGS)}"
        raise UserError(f"{target}: no form has the ending {target.suffix!r}; {hint}")
    kind, usual = ENDINGS[target.suffix]
    if layout is None or layout == usual:
        return kind, usual
    if kind == "safetensors":
        return kind, layout
    if target.suffix == ".ckpt" and layout == "pytorch":
        return "pytorch", "pytorch"
    raise UserError(f"{target}: {layout} is not written to {target.suffix}; name it .safetensors")
