"""Versions and numbers in what drivers and their files tell."""

import pytest

from harness.machine.accelerators.told import number, version_in


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("version=8.0.RC1", "8.0.RC1"),
        ("Version=23.0.3\nascendhal_version=7", "23.0.3"),
        ("[x]\nversion = [7.6.0.1.220:8.3.RC1]", "7.6.0.1.220"),
        ("5.7.1-98\n", "5.7.1-98"),
        ("version_dir=8.0", None),
        ("words", None),
        ("", None),
    ],
)
def test_versions_in_files(tmp_path, text, version):
    (tmp_path / "file").write_text(text)
    assert version_in([tmp_path / "absent", tmp_path, tmp_path / "file"]) == version


def test_numbers_in_texts():
    assert [number(text) for text in ("1400 MHz", " 65536", "46.5")] == [1400, 65536, 46.5]
    assert [number(text) for text in ("N/A", "", None)] == [None, None, None]
