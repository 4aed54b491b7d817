"""Ledgers of claims: what they may say, and the names in them."""

import io
import json
import shutil

import pandas as pd
import pytest
from ledgers import add, judge, write_ledger
from rich.console import Console

from harness.analysis.claims.writing import write_claims
from harness.errors import UserError
from harness.scenario import catalogue
from harness.scenario.export import schemas
from harness.scenario.folders import ROOT


class TestLedger:
    def test_of_the_study_holds_every_claim_and_is_not_measured_without_records(self, results):
        ledger = catalogue.claims("2510.17852")
        console = Console(file=io.StringIO(), width=200)
        write_claims(results.path, "2510.17852", console)
        rows = pd.read_csv(results.path / "claims" / "2510.17852.csv")
        assert set(rows["claim"]) == {claim.name for claim in ledger.claims}
        assert len(ledger.claims) == 9
        assert set(rows["outcome"]) == {"not measured"}

    def test_the_terminal_leads_with_the_outcomes_and_fits_a_screen(self, results):
        """Nine claims lack 60 measurements, which 18 commands would make; all of them stand in the file."""
        console = Console(file=io.StringIO(), width=100)
        write_claims(results.path, "2510.17852", console)
        lines = console.file.getvalue().strip().splitlines()
        assert len(lines) <= 40
        assert lines[0].startswith("Claims of arXiv 2510.17852")
        assert lines[6].split()[:3] == ["accuracy", "not", "measured"]
        assert "  and 12 more commands, with the details" in lines
        assert lines[-7].endswith(f"crosscast claims --ledger 2510.17852 --details --results {results.path}")
        table = (results.path / "claims" / "2510.17852.md").read_text()
        commands = {line.partition("measure with: ")[2] for line in table.splitlines() if "measure with: " in line}
        assert len(commands) == 18

    def test_schema_in_the_repository_is_that_of_the_code(self):
        path = ROOT / "schemas" / "claims.json"
        assert json.loads(path.read_text()) == schemas()["claims"]

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"quantity": "training_time"}, r"mine\.yaml:\d+: claims.0.quantity: .*'training_s'"),
            ({"quantity": "energy_j"}, "give an activity for power and energy"),
            ({"activity": "training"}, "give an activity for power and energy, and for nothing else"),
            ({"baseline": "a100"}, "'a100' must be chip/framework"),
            ({"baseline": "a100/pytorch-"}, "'a100/pytorch-' must be chip/framework"),
            ({"cells": ["a100/pytorch-eager-"]}, "'a100/pytorch-eager-' must be chip/framework"),
            ({"cells": ["a100/jax"]}, "'a100/jax' must be chip/framework"),
            ({"expect": {"at_least": 2, "at_most": 1}}, "at_least must be below at_most"),
            ({"expect": {}}, "give at_least, at_most or both"),
            ({"stage": "finetune"}, "a stage goes only with epoch_s"),
            ({"name": " "}, "claims.0.name: String should have at least 1 character"),
            ({"says": 5}, "claims.0.says: needs text"),
            ({"bassline": "a100/pytorch"}, "unknown field; did you mean 'baseline'"),
        ],
    )
    def test_a_mistake_is_one_line_with_file_and_field(self, results, tmp_path, changes, expected):
        path = write_ledger(tmp_path, **changes)
        with pytest.raises(UserError, match=expected) as error:
            write_claims(results.path, str(path), Console(file=io.StringIO()))
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"models": ["forcastnet"]}, "claim 'as-fast': no model 'forcastnet' .*; did you mean 'fourcastnet'"),
            ({"cells": ["ascend910/pytorch"]}, "claim 'as-fast': no chip 'ascend910' .*; did you mean 'ascend910b'"),
            ({"baseline": "labchp/pytorch"}, "claim 'as-fast': no chip 'labchp' .*; did you mean 'labchip'"),
            ({"preset": "papr"}, "claim 'as-fast': model 'fourcastnet' has no preset 'papr'; did you mean 'paper'"),
            ({"models": ["lost.yaml"]}, r"claim 'as-fast': model lost\.yaml: no such file"),
            ({"suite": "papr"}, "no suite 'papr' .*; did you mean 'paper'"),
        ],
    )
    def test_a_name_that_stands_for_nothing_is_one_line_with_file_and_claim(self, results, tmp_path, changes, expected):
        add(results, "labchip")
        with pytest.raises(UserError, match=expected) as error:
            judge(results, tmp_path, **changes)
        assert str(error.value).startswith(str(tmp_path / "mine.yaml"))
        assert "\n" not in str(error.value)
        assert not (results.path / "claims").exists()

    def test_names_of_a_lab_are_those_of_its_files_and_its_records(self, results, tmp_path):
        own = tmp_path / "swin v2.yaml"
        shutil.copy(catalogue.path_of("models", "fourcastnet"), own)
        for chip in ("a100", "labchip"):
            add(results, chip, model="swin v2")
        changes = {"cells": ["labchip/pytorch"], "suite": "smoke"}
        for model in ("swin v2", str(own)):
            rows, _ = judge(results, tmp_path, models=[model], **changes)
            assert list(rows["outcome"]) == ["confirmed"]
        chip = tmp_path / "labchip.yaml"
        shutil.copy(catalogue.path_of("chips", "cpu"), chip)
        rows, _ = judge(results, tmp_path, models=["swin v2"], cells=[f"{chip}/pytorch"])
        assert list(rows["outcome"]) == ["confirmed"]
        rows, _ = judge(results, tmp_path, models=[str(own)], cells=["rtx3090/pytorch"])
        assert f"--model '{own}' --framework pytorch" in rows["command"][0]

    def test_breaks_in_its_texts_are_spaces(self, results, tmp_path):
        judge(results, tmp_path, title="One\ntitle", name="a\nname", says="two\n\nlines")
        lines = (results.path / "claims" / "mine.md").read_text().splitlines()
        assert lines[0] == "# One title"
        assert "## a name: not measured" in lines
        assert "- Says: two lines." in lines

    def test_files_are_written_even_if_nobody_reads_the_terminal(self, results, tmp_path):
        class Closed(io.StringIO):
            def write(self, text):
                raise BrokenPipeError

        with pytest.raises((BrokenPipeError, SystemExit)):
            write_claims(results.path, str(write_ledger(tmp_path)), Console(file=Closed()))
        written = {path.suffix for path in (results.path / "claims").iterdir()}
        assert written == {".md", ".csv", ".tex", ".html"}

    def test_an_unknown_name(self, results):
        with pytest.raises(
            UserError, match=r"claim '2510': no such file in scenarios/claims; choose from: 2510\.17852"
        ):
            write_claims(results.path, "2510", Console(file=io.StringIO()))
