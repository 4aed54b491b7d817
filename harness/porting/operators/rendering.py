"""A survey of operators as a table."""

from rich.table import Table

from harness.porting.operators.report import OperatorReport, OperatorRow

COLUMNS = ("aten operator", "calls", "shapes", "in MindSpore", "value", "gradient", "time", "")


def table(report: OperatorReport) -> Table:
    """One row an operator and phase; those that only move, shape or convert are counted in one row at the end."""
    made = Table(*COLUMNS, title=title(report), title_justify="left")
    phase, moved = "", 0
    for row in report.rows:
        if row.kind == "layout":
            moved += row.count
            continue
        if row.phase != phase:
            made.add_section()
            phase = row.phase
        made.add_row(*_cells(row))
    made.add_section()
    made.add_row("views, copies, fills", str(moved), "", "layout", "", "", "", "not run")
    return made


def title(report: OperatorReport) -> str:
    """The network, and what it was run or looked up in."""
    if report.mindspore_version is None:
        return f"{report.network}: PyTorch {report.pytorch_version}, and what MindSpore documents for {report.target}"
    return (
        f"{report.network}: PyTorch {report.pytorch_version} and MindSpore {report.mindspore_version} "
        f"{report.execution} on {report.target}"
    )


def totals(report: OperatorReport) -> str:
    """How many operators fare how, in a line."""
    counted = {status: report.counted(status) for status in ("verified", "documented", "differs", "fails", "not run")}
    parts = [f"{number} {status}" for status, number in counted.items() if number]
    missing = sum(row.kind == "missing" for row in report.rows)
    return f"{len(report.rows)} operators and phases: {', '.join(parts)}; {missing} missing"


def remarks(report: OperatorReport) -> list[str]:
    """A line for each operator that is missing, fails, differs or says how its counterpart must be used."""
    return list(
        dict.fromkeys(
            f"{row.operator}: {row.reason}"
            for row in report.rows
            if row.reason and row.kind != "layout" and not row.reason.startswith("compared as")
        )
    )


def _cells(row: OperatorRow) -> tuple[str, ...]:
    shapes = " ".join("x".join(map(str, shape)) or "()" for shape in row.shapes[:2])
    ratio = "" if not row.mindspore_s or not row.pytorch_s else f"{row.mindspore_s / row.pytorch_s:.2g}"
    return (
        row.operator.removeprefix("aten.").removesuffix(".default"),
        str(row.count),
        shapes,
        f"{row.kind}: {row.counterpart}" if row.counterpart else row.kind,
        _off(row.value_deviation, row.value_tolerance),
        _off(row.gradient_deviation, row.gradient_tolerance),
        ratio,
        row.status,
    )


def _off(deviation: float | None, allowed: float | None) -> str:
    return "" if deviation is None or allowed is None else f"{deviation:.0e} of {allowed:.0e}"
