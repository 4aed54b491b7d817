import io
import re

import pytest
from made_records import (
    make_record,
    make_scenario,
)
from reports import add_pair, read, run
from rich.console import Console

from harness.analysis.tables.files import FORMATS
from harness.analysis.tables.writing import write_tables
from harness.errors import UserError


class TestFolders:
    def test_no_record(self, results):
        with pytest.raises(UserError, match="no records"):
            run(results)

    def test_damaged_records_alone(self, results):
        results.add(make_record()).write_text("{")
        with pytest.raises(UserError, match=r"1 cannot be used, the first: .*record\.json: damaged"):
            run(results)

    def test_an_unknown_suite(self, results):
        results.add(make_record())
        with pytest.raises(UserError, match="no records of suite 'smok'; did you mean 'smoke'"):
            run(results, suite="smok")

    def test_an_unknown_baseline(self, results):
        results.add(make_record())
        with pytest.raises(UserError, match="unknown framework 'jax'"):
            run(results, baseline="jax")

    def test_a_suite_whose_records_are_damaged(self, results):
        results.add(make_record())
        results.add(make_record(scenario=make_scenario(suite="paper"))).write_text("{")
        with pytest.raises(UserError, match=r"no records of suite 'paper'.*; 1 cannot be used, the first: .*damaged"):
            run(results, suite="paper")

    def test_a_baseline_that_one_suite_lacks(self, results):
        add_pair(results, launches=range(3))
        results.add(make_record(scenario=make_scenario(suite="zonal")))
        with pytest.raises(UserError, match="suite zonal: baseline 'mindspore': no records of such a cell"):
            run(results, baseline="mindspore")
        assert not (results.path / "smoke" / "tables").exists()

    def test_one_suite_of_two(self, results):
        results.add(make_record(), make_record(scenario=make_scenario(suite="paper")))
        run(results, suite="paper")
        assert (results.path / "paper" / "tables" / "speed.csv").exists()
        assert not (results.path / "smoke" / "tables").exists()

    def test_a_folder_that_cannot_be_made(self, results):
        results.add(make_record())
        (results.path / "smoke" / "tables").write_text("in the way")
        with pytest.raises(UserError, match="tables: cannot be made"):
            run(results)

    def test_a_figure_that_cannot_be_written(self, results):
        results.add(make_record())
        (results.path / "smoke" / "figures" / "loss-fourcastnet-tiny-rossby.pdf").mkdir(parents=True)
        with pytest.raises(UserError, match=r"loss-fourcastnet-tiny-rossby\.pdf: cannot be written"):
            run(results, figures=True)
        left = [path.name for path in (results.path / "smoke" / "figures").glob(".*")]
        assert left == []

    def test_the_files_written_are_listed(self, results):
        add_pair(results, launches=range(3))
        output = run(results, figures=True)
        written = {path for folder in ("tables", "figures") for path in (results.path / "smoke" / folder).iterdir()}
        assert len(written) == 15
        assert all(str(path) in output for path in written)

    def test_again_gives_the_same_files(self, results):
        add_pair(results, launches=range(3))
        run(results)
        tables = results.path / "smoke" / "tables"
        before = {path.name: path.read_bytes() for path in tables.iterdir()}
        run(results)
        assert {path.name: path.read_bytes() for path in tables.iterdir()} == before

    def test_files_of_other_formats_are_made_where_asked_for_and_never_left_behind(self, results):
        def written(**options):
            console = Console(file=io.StringIO())
            write_tables(results.path, suite=None, baseline=None, console=console, **options)
            return {path.name: path.read_text() for path in (results.path / "smoke" / "tables").glob("speed.*")}

        results.add(make_record("pytorch", 0))
        assert set(written()) == {"speed.md", "speed.csv"}
        first = written(formats=["md", "csv", "tex"])
        assert set(first) == {"speed.md", "speed.csv", "speed.tex"}
        results.add(make_record("mindspore", 0))
        later = written()
        assert set(later) == set(first)
        assert "mindspore" in later["speed.tex"]
        assert "mindspore" not in first["speed.tex"]

    def test_of_many_cells_the_first_are_shown_and_the_csv_has_all(self, results, monkeypatch):
        def written(**options):
            console = Console(file=io.StringIO(), width=300)
            write_tables(results.path, suite=None, baseline=None, console=console, **options)
            folder = results.path / "smoke" / "tables"
            shown = [(folder / f"speed.{suffix}").read_text() for suffix in ("md", "html")]
            data, _ = read(results, "speed")
            texts = [*shown, console.file.getvalue()]
            return (
                texts,
                [set(re.findall(r"chip (\w+), data \w+, host \w+; fp32", text)) for text in texts],
                set(data["chip"]),
            )

        monkeypatch.setattr("harness.analysis.tables.writing.MOST_CELLS", 3)
        for chip in ("a100", "cpu"):
            for framework in ("pytorch", "mindspore"):
                results.add(make_record(framework, scenario=make_scenario(framework, chip=chip)))
        every_format = {"formats": tuple(FORMATS)}
        texts, shown, in_data = written(**every_format)
        assert shown == [{"a100"}] * 3
        assert in_data == {"a100", "cpu"}
        left = "shown are the first 2 of 4 cells; the CSV files have all, and crosscast tables --suite smoke --whole"
        assert all(left in text for text in texts)
        texts, shown, _ = written(**every_format, whole=True)
        assert shown == [{"a100", "cpu"}] * 3
        assert not any("shown are" in text for text in texts)
