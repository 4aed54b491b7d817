import pytest
from made_records import ResultsFolder


@pytest.fixture
def results(tmp_path):
    """An empty folder of results with methods that fill it."""
    return ResultsFolder(tmp_path / "results")
