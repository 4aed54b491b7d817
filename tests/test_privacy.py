from pathlib import Path

import pytest

from harness.privacy import KEEP, command_title, without_folders


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("/home/ann/data/era5/1996.nc: NaN at 3 points", "…/1996.nc: NaN at 3 points"),
        ("/lustre/group7/ann/era5", "…/era5"),
        ("cannot open '/home/ann/a.nc' and (/home/ann/b.nc)", "cannot open '…/a.nc' and (…/b.nc)"),
        ("No space left on device: '/home/ann'", "No space left on device: '~'"),
        ("/lustre/home/ann/ is full; /Users/ann: too", "~ is full; ~: too"),
        ("The path:/home/ann/x/y.ckpt is invalid", "The path:…/y.ckpt is invalid"),
        ("LD_LIBRARY_PATH=/opt/a:/home/ann/lib/c", "LD_LIBRARY_PATH=/opt/a:…/c"),
        ("file:///home/ann/era5/a.nc, https://lab.org/home/ann/x", "file://…/a.nc, https://lab.org/home/ann/x"),
        ("/dev/davinci0 does not exist", "/dev/davinci0 does not exist"),
        ("source /usr/local/Ascend/ascend-toolkit/set_env.sh", "source /usr/local/Ascend/ascend-toolkit/set_env.sh"),
        ("10 m/s, 3/4 of 1 kg m-2/s, and/or", "10 m/s, 3/4 of 1 kg m-2/s, and/or"),
        ("s3://bucket/folder/file.zarr", "s3://bucket/folder/file.zarr"),
        ("../shared/data/a.nc", "../shared/data/a.nc"),
    ],
)
def test_of_a_path_the_last_part_is_left(text, kept, monkeypatch):
    monkeypatch.delenv(KEEP, raising=False)
    assert without_folders(text) == kept


def test_paths_below_the_current_folder_are_relative(monkeypatch):
    monkeypatch.delenv(KEEP, raising=False)
    assert without_folders(f"{Path.cwd()}/results/x.nc: damaged") == "results/x.nc: damaged"


def test_arguments_of_a_command_are_left_out(monkeypatch):
    monkeypatch.delenv(KEEP, raising=False)
    assert command_title(["/home/ann/bin/python", "train.py", "--token", "secret"]) == "python …"
    assert command_title(["sleep"]) == "sleep"
    assert command_title([]) == ""


@pytest.mark.parametrize("keep", ["0", "1"])
def test_what_opens_a_url_is_never_told(keep, monkeypatch):
    monkeypatch.setenv(KEEP, keep)
    told = without_folders("https://ann:secret@lab.org/era5.zarr?X-Amz-Signature=s3cret&part=3: not found")
    assert told == "https://lab.org/era5.zarr?X-Amz-Signature=…&part=3: not found"


def test_all_is_kept_where_the_user_asks_for_it(monkeypatch):
    monkeypatch.setenv(KEEP, "1")
    assert without_folders("/home/ann/a.nc") == "/home/ann/a.nc"
    assert command_title(["python", "train.py"]) == "python train.py"
