import pytest

from tests.analysis.made_records import ResultsFolder


@pytest.fixture
def results(tmp_path):
    return ResultsFolder(tmp_path / "results")
