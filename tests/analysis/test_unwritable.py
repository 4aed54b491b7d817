"""Results that cannot be written, and outputs that are no files of their own."""

import io
import os
import stat
from pathlib import Path

import pytest
from made_records import make_record, make_scenario
from reports import add_pair
from rich.console import Console

from harness.analysis.benchmark_export import export_pytest_benchmark
from harness.analysis.html_report import write_report
from harness.analysis.tables.writing import write_tables
from harness.errors import UserError


def test_tables_of_every_suite_are_printed_where_those_of_one_cannot_be_written(results):
    add_pair(results)
    for launch in range(3):
        results.add(make_record("pytorch", launch, scenario=make_scenario(suite="other")))
    (results.path / "smoke" / "tables").write_text("in the way")
    console = Console(file=io.StringIO(), width=110)
    with pytest.raises(UserError, match="smoke/tables"):
        write_tables(results.path, suite=None, baseline=None, console=console)
    shown = console.file.getvalue()
    for title in ("Speed", "Skill", "Energy"):
        assert shown.count(f"{title}") >= 2
    assert sorted(path.suffix for path in (results.path / "other" / "tables").iterdir()).count(".csv") == 3


def test_export_and_report_leave_devices_and_links_as_they_are(results, tmp_path):
    add_pair(results)
    console = Console(file=io.StringIO())
    export_pytest_benchmark(results.path, Path(os.devnull), suite=None, console=console)
    write_report(results.path, suite=None, baseline=None, output=Path(os.devnull), console=console)
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    (tmp_path / "link.json").symlink_to(tmp_path / "times.json")
    export_pytest_benchmark(results.path, tmp_path / "link.json", suite=None, console=console)
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "times.json").is_file()
