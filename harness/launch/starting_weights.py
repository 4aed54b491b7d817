"""The weights of a file made ready for every launch of a bench, in whatever form and framework they were saved."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from harness.errors import UserError
from harness.scenario.matrix import Matrix
from harness.scenario.scenario import Scenario, StartingWeights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.porting.convert.tensors import Tensor

LONGEST_FILE_NAME = 120


def require_file(path: Path | None) -> None:
    """Raise UserError where a file of weights is named and is not there, or is none that is read."""
    if path is not None:
        from harness.porting.convert.running import kind_of

        kind_of(path)


@contextmanager
def started_from(path: Path | None, matrix: Matrix, console: Console) -> Iterator[tuple[Matrix, str | None]]:
    """The cells of a bench with the weights that they start from, and the file, kept as long as the context is open.

    Without a path the cells as they are, and None. Raises UserError where the cells are of several models, or the file
    has not exactly the weights of theirs.
    """
    if path is None:
        yield matrix, None
        return
    scenario = _only_model(path, matrix)
    with tempfile.TemporaryDirectory(prefix="crosscast-weights-") as folder:
        prepared = Path(folder) / "weights.safetensors"
        weights = _prepare(path, scenario, prepared, console)
        cells = tuple(cell.model_copy(update={"weights": weights}) for cell in matrix.cells)
        yield replace(matrix, cells=cells), str(prepared)


def _only_model(path: Path, matrix: Matrix) -> Scenario:
    selected = {(cell.model, cell.preset, cell.data_name) for cell in matrix.cells}
    if len(selected) > 1:
        named = "; ".join(f"{model} {preset} on {data}" for model, preset, data in sorted(selected))
        raise UserError(f"WEIGHTS={path} are those of one model, but these are selected: {named}; choose one: MODEL=")
    return matrix.cells[0]


def _prepare(path: Path, scenario: Scenario, prepared: Path, console: Console) -> StartingWeights:
    """Write the weights, as the network names them and in float32, and say what they are."""
    from safetensors.numpy import save_file

    from harness.models.parameters import fingerprint
    from harness.porting.convert.convert import Request
    from harness.porting.convert.expected import Expected
    from harness.porting.convert.running import kind_of, run_conversion
    from harness.porting.convert.safetensors_file import read_safetensors

    expected = Expected(
        title=f"{scenario.model} {scenario.preset}",
        architecture=scenario.architecture,
        network=scenario.network,
        data=scenario.data,
        grid=scenario.grid,
    )
    converted = prepared.with_name("converted.safetensors")
    outcome = run_conversion(
        Request(
            source=path,
            source_kind=kind_of(path),
            target=converted,
            place=converted,
            target_kind="safetensors",
            target_layout="neutral",
            expected=expected,
            find_names=True,
            weights_only=True,
        )
    )
    if outcome.refusal is not None:
        raise UserError(f"{path}: not the weights of {scenario.model} {scenario.preset}: {outcome.refusal}")
    weights = _in_float32(path, read_safetensors(converted)[0])
    save_file(dict(weights), prepared)
    converted.unlink()
    for remark in outcome.remarks:
        console.print(f"{path.name}: {remark}", markup=False, highlight=False)
    name = path.name if path.name.isprintable() else ascii(path.name)
    return StartingWeights(fingerprint=fingerprint(weights), file=name[:LONGEST_FILE_NAME], names=outcome.names)


def _in_float32(path: Path, tensors: "Sequence[Tensor]") -> "Mapping[str, NDArray[np.float32]]":
    import numpy as np

    from harness.porting.convert.tensors import in_float32

    found: dict[str, NDArray[np.float32]] = {}
    for tensor in tensors:
        values = in_float32(tensor)
        if values is None:
            raise UserError(f"{path}: {tensor.name} holds numbers of format {tensor.dtype}, which no weights are")
        if not np.isfinite(values).all():
            raise UserError(f"{path}: {tensor.name} holds values that are not finite numbers in float32")
        found[tensor.name] = values
    return found
