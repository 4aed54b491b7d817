"""What goes into a bundle and what does not: names of people and hosts, home folders, secrets, what is no text."""

import io
import json
import os
import re
import socket
import tarfile

import pytest

from harness.bundle import writing
from harness.bundle.private import NAME_VARIABLES, Private, people_in, private_here, words_of_records
from harness.bundle.scrubbing import NAMES_A_SECRET, Scrubber, learned
from harness.bundle.writing import LISTING, write_bundle
from harness.commands.cli import cli
from harness.errors import UserError
from harness.results import record as records
from harness.results.record import Energy, Node
from tests.analysis.made_records import ResultsFolder, make_environment, make_failure, make_record

ALICE, NODE = "alice.wonder", "gpu-node17.hpc.example.org"
PRIVATE = Private(
    users=frozenset({ALICE, "Alice Wonder"}),
    hosts=frozenset({NODE, "gpu-node17", "hpc.example.org"}),
    addresses=frozenset({"10.1.15.42", "fd00::17"}),
    homes=frozenset({"/lustre/people/alice.wonder"}),
)
PLANTED = {
    "users": ["alice.wonder", "Alice Wonder", "bob@login2.hpc.example.org", "carol"],
    "hosts": ["gpu-node17", "hpc.example.org", "10.1.15.42", "fd00::17", "0a:1b:2c:3d:4e:5f"],
    "folders": ["/lustre/people/alice.wonder", "/home/carol", "/Users/carol", "/scratch/secret-project"],
    "credentials": ["hunter2", "s3cr3t"],
}
LOG = """
Traceback (most recent call last):
  File "/lustre/people/alice.wonder/crosscast/harness/worker/measuring.py", line 42, in main
  File "/opt/py/lib/python3.11/site-packages/torch/nn/linear.py", line 7, in forward
  File "/scratch/secret-project/venv/lib/python3.11/site-packages/torch_npu/npu/utils.py", line 9
LD_LIBRARY_PATH=/usr/local/Ascend/lib64:/home/carol/lib:/scratch/secret-project/lib
RuntimeError: NPU out of memory on gpu-node17 (gpu-node17.hpc.example.org, 10.1.15.42, fd00::17)
login bob@login2.hpc.example.org, Alice Wonder, ALICE.WONDER, owner alice.wonder_data
HF_TOKEN=s3cr3t http_proxy=http://carol:hunter2@proxy.example.org:3128
eth0 0a:1b:2c:3d:4e:5f driver 24.1.0.3 /dev/davinci0 0000:3b:00.0 /Users/carol/x.txt
"""


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = ResultsFolder(tmp_path / "results")
    path = folder.add(make_record(launch=0))
    (path.parent / "log.txt").write_text(LOG)
    (path.parent / "steps.parquet").write_bytes(b"PAR1 alice.wonder")
    failed = folder.add(make_failure(launch=1, reason="ImportError: /home/carol/lib/libhccl.so on gpu-node17"))
    (failed.parent / "log.txt").write_text("fine\n")
    (folder.path / "doctor.json").write_text(json.dumps({"host": NODE, "sensors": ["npu0"], "by": "alice.wonder"}))
    (folder.path / "smoke" / "figures").mkdir()
    (folder.path / "smoke" / "figures" / "data.txt").write_text("made of records")
    return folder.path


def content_of(path):
    with tarfile.open(path) as archive:
        return {member.name.partition("/")[2]: archive.extractfile(member).read().decode() for member in archive}


@pytest.fixture
def bundle(results, tmp_path, monkeypatch):
    """bundle(keep): what a bundle of the results holds, and the line that says so; the host is described in no time."""
    monkeypatch.setattr(writing, "described", lambda: {"python": "3.11", "home": "/home/carol/venv"})

    def make(*keep, private=PRIVATE):
        made = write_bundle(results, tmp_path / "out.tar.gz", keep, private)
        return content_of(tmp_path / "out.tar.gz"), str(made)

    return make


def test_nothing_private_is_left_anywhere(bundle):
    files, said = bundle()
    everything = "\n".join([*files, *files.values()]).casefold()
    for what, planted in PLANTED.items():
        for each in planted:
            assert each.casefold() not in everything, (what, each)
    assert "secret-project" not in everything
    assert "files of 2 launches" in said
    assert "\n" not in said


def test_what_is_needed_stays(bundle):
    files, _ = bundle()
    (log,) = [text for place, text in files.items() if "NPU out of memory" in text]
    for needed in (
        "…/site-packages/torch_npu/npu/utils.py",
        "/opt/py/lib/python3.11/site-packages/torch/nn/linear.py",
        "/usr/local/Ascend/lib64",
        "RuntimeError: NPU out of memory",
        "24.1.0.3",
        "/dev/davinci0",
        "0000:3b:00.0",
        "measuring.py",
    ):
        assert needed in log
    assert json.loads(files["doctor.json"])["sensors"] == ["npu0"]
    assert set(files) >= {LISTING, "environment.json", "doctor.json"}


def test_records_can_still_be_read(bundle, tmp_path):
    files, _ = bundle()
    found = [text for place, text in files.items() if place.endswith(records.FILE_NAME)]
    assert len(found) == 2
    for number, text in enumerate(found):
        path = tmp_path / f"{number}.json"
        path.write_text(text)
        records.load(path)


def test_the_list_names_what_is_there_and_what_is_not(bundle):
    files, _ = bundle()
    listing = json.loads(files[LISTING])
    assert listing["files"] == sorted(set(files) - {LISTING})
    assert [why for place, why in listing["left_out"].items() if place.endswith("steps.parquet")] == [
        "no text: what is private in it could not be found"
    ]
    assert listing["kept_by_the_user"] == []
    assert {"folders", "names", "users", "credentials"} <= set(listing["replaced"])
    assert not any("figures" in place for place in (*listing["files"], *listing["left_out"]))


CLUSTER_LOG = """
srun: error: knot18: task 0: Killed
srun: error: Failure sending signal 10 to StepId=3.1 on node knot22: Communication connection failure
srun: error: Node failure on knot24
slurmstepd: error: *** STEP 7.0 ON knot19 CANCELLED AT 2026-11-28T01:00:00 ***
  host      : knot20.hpc.example.org
The client socket has failed to connect to [knot21]:29500
srun: error: knot[08-10,23]: tasks 2-5: Exited with exit code 1
node embeddings: 5, node knot: no host
"""


def test_no_host_of_a_cluster_is_named(bundle, results):
    """Hosts that only the records of several nodes, logs and the ledger of submissions tell, of which none is here."""
    energy = Energy(collector=None, reason="node knot16: no sensor: ipmi; node knot17.hpc.example.org: no sensor: ipmi")
    nodes = (Node(node=0, environment=make_environment()), Node(node=1, environment=None))
    reason = "node knot18 is lost: it ended without a word; nothing was heard any more of node knot11 and knot12"
    path = ResultsFolder(results / "more").add(make_failure(launch=5, reason=reason, energy=energy, nodes=nodes))
    (path.parent / "log.txt").write_text(CLUSTER_LOG + "seen on knot16, knot14 and knot15 by zoe\n")
    job = results / "submissions/20261128T010000Z-01234567/00"
    job.mkdir(parents=True)
    (job / "state.json").write_text(json.dumps({"node": "knot14", "job": "7"}))
    (job.parent / "submitted.json").write_text(json.dumps({"host": "knot15", "user": "zoe"}))
    (path.parent / "nodes.json").write_text(json.dumps({"address": "10.7.1.16", "port": 1}))
    files, _ = bundle()
    everything = "\n".join([*files, *files.values()])
    assert not re.findall(r"knot\d+|knot\[|\bzoe\b|10\.7\.1\.16", everything)
    assert "node embeddings: 5, node knot: no host" in everything
    assert not any("submissions" in place for place in files)
    (record,) = [json.loads(text) for text in files.values() if "is lost" in text and text.startswith("{")]
    assert re.fullmatch(r"node host-\d+: no sensor: ipmi; node host-\d+: no sensor: ipmi", record["energy"]["reason"])


def test_two_bundles_of_the_same_files_are_the_same_bytes(bundle, tmp_path):
    bundle()
    first = (tmp_path / "out.tar.gz").read_bytes()
    bundle()
    assert (tmp_path / "out.tar.gz").read_bytes() == first
    assert first[4:8] == bytes(4), "the time in the header of gzip"
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        members = archive.getmembers()
    assert [each.name for each in members] == sorted(each.name for each in members)
    assert {(each.uid, each.gid, each.uname, each.gname, each.mtime) for each in members} == {(0, 0, "", "", 0)}


@pytest.mark.parametrize("what", ["users", "hosts", "folders"])
def test_what_the_user_allows_stays_and_nothing_else(bundle, what):
    files, _ = bundle(what)
    everything = "\n".join(files.values()).casefold()
    kept = {"users": "alice wonder", "hosts": "gpu-node17.hpc.example.org", "folders": "/scratch/secret-project"}
    assert {name for name, planted in kept.items() if planted in everything} == {what}
    assert json.loads(files[LISTING])["kept_by_the_user"] == [what]


def test_without_results_the_environment_alone_is_sent(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(writing, "described", dict)
    made = write_bundle(tmp_path / "none", tmp_path / "out.tar.gz", (), Private())
    assert set(content_of(made.path)) == {LISTING, "environment.json"}
    assert made.launches == 0
    assert str(made).endswith(f"there is no folder {tmp_path / 'none'}: name that of the records with --results")


def test_a_folder_or_file_that_cannot_be_read_or_is_a_link_stays_out(bundle, results):
    (results / "pipe.txt").symlink_to("/etc/hostname")
    os.mkfifo(results / "fifo.json")
    (results / "nights").symlink_to(results / "smoke")
    deep = results.joinpath(*["more"] * 10)
    deep.mkdir(parents=True)
    listing = json.loads(bundle()[0][LISTING])
    assert listing["left_out"]["nights"] == "a link to a folder"
    assert listing["left_out"]["/".join(["more"] * 9)] == "more than 8 folders deep"
    assert listing["left_out"]["pipe.txt"] == "a link"
    assert "a FIFO" in listing["left_out"]["fifo.json"]


def test_nothing_is_half_written(results, tmp_path, monkeypatch):
    target = tmp_path / "out.tar.gz"
    target.write_bytes(b"before")
    monkeypatch.setattr(writing, "described", lambda: {"x": object()})
    with pytest.raises(TypeError):
        write_bundle(results, target, (), PRIVATE)
    assert target.read_bytes() == b"before"
    monkeypatch.setattr(writing, "described", dict)
    with pytest.raises(UserError, match="cannot be written"):
        write_bundle(results, tmp_path / "no folder" / "out.tar.gz", (), PRIVATE)
    assert sorted(path.name for path in tmp_path.glob("*tar*")) == ["out.tar.gz"]


class TestNames:
    def test_those_of_this_process_and_machine_are_known(self, monkeypatch, tmp_path):
        monkeypatch.setenv("USER", "dora")
        monkeypatch.setenv("HOME", str(tmp_path / "dora"))
        monkeypatch.setenv("HOSTNAME", "node9.cluster.example.org")
        monkeypatch.setenv("CROSSCAST_HOST", "our-best-node")
        monkeypatch.setenv("SLURM_JOB_NODELIST", "knot[08-10,12],login1")
        found = private_here()
        assert "dora" in found.users
        assert found.hosts >= {"node9", "node9.cluster.example.org", "cluster.example.org", "our-best-node"}
        assert found.hosts >= {"knot08", "knot09", "knot10", "knot12", "login1", socket.gethostname()}
        assert str(tmp_path / "dora") in found.homes
        assert "root" not in found.users

    def test_those_of_home_folders_in_texts_are_learned(self):
        private = learned(Private(), {"log.txt": "see /home/eve/x and /mnt/home/frank: no", "/Users/gina": ""})
        assert private.users == {"eve", "frank", "gina"}
        assert people_in("/home/root/x /home/ubuntu") == frozenset()
        assert Scrubber(private).text("by frank, for Gina's /mnt/home/frank/y") == "by user-2, for user-3's ~/y"

    def test_a_user_without_a_home_folder_has_a_bundle(self, monkeypatch):
        for name in ("HOME", *NAME_VARIABLES):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
        assert private_here().homes == frozenset()

    @pytest.mark.parametrize("name", ["data", "pytorch", "cpu", "a100", "completed", "paper", "measurements"])
    def test_a_name_that_records_use_as_a_word_stays_where_it_is_one(self, name):
        assert name in words_of_records()
        scrubber = Scrubber(Private(users=frozenset({name})))
        text = json.dumps({name: name})
        assert scrubber.json(text) == text
        assert scrubber.stay == (name,)
        assert scrubber.text(f"/home/{name}/x") == "~/x"

    @pytest.mark.parametrize(
        "text",
        [
            "https://github.com/users/guide and docs/users/guide.md",
            "s3://bucket/folder/file.zarr",
            "10 m/s, 3/4 of 1 kg m-2/s, and/or",
            "torch 2.4.1+cu121, CUDA 12.4, driver 550.54.15, 10.3.2.106",
            "aliceblue malice-wonder2",
            "max_tokens=1024, tokens: 128; SyntaxError: unexpected token: ')'; sig=3 key=4, the secret of it",
        ],
    )
    def test_what_is_nobodys_is_left_alone(self, text):
        assert Scrubber(PRIVATE).text(text) == text

    def test_names_in_json_are_found_wherever_they_stand(self):
        found = json.loads(Scrubber(PRIVATE).json(json.dumps({"/home/carol/x": [{"by alice.wonder": "gpu-node17"}]})))
        (
            (
                path,
                ((entry,)),
            ),
        ) = found.items()
        assert path == "~/x"
        assert set(entry) == {"by user-2"}
        assert entry["by user-2"].startswith("host")

    @pytest.mark.parametrize(
        "text",
        [
            "export hf_token=SESAME",
            "'HF_TOKEN': 'SESAME'}",
            'os.environ["API_KEY"] = "SESAME"',
            'settings["api_key"] = "SESAME"',
            "AWS_SECRET_ACCESS_KEY = SESAME",
            "password: SESAME",
            "  proxy-password: SESAME",
            "wget --client-secret SESAME https://x",
            "https://store/era5.zarr?X-Amz-Signature=SESAME&X-Amz-Expires=60",
            "https://store/era5.zarr?sv=2&sig=SESAME",
            "Authorization: Basic SESAMESESAME",
            "{'authorization': 'Bearer SESAMESESAME'}",
            "cloning with ghp_SESAMESESAMESESAME",
        ],
    )
    def test_secrets_are_taken_out_in_whatever_form_they_are_told(self, text):
        scrubbed = Scrubber(Private()).text(text)
        assert "SESAME" not in scrubbed
        assert scrubbed.startswith(text[:4])
        assert "SESAME" not in Scrubber(Private()).json(json.dumps({"log": text, "api_key": "SESAME"}))

    def test_no_word_of_records_is_taken_for_that_of_a_secret(self):
        assert not [word for word in words_of_records() if NAMES_A_SECRET.fullmatch(word)]

    def test_a_long_log_takes_no_long_time(self):
        text = ("a/" * 50 + "/b" * 50 + " x@y " + "." * 80 + "\n") * 2_000
        assert len(Scrubber(PRIVATE).text(text)) > 1000


def test_the_command_says_one_line(results, tmp_path, monkeypatch):
    from click.testing import CliRunner

    monkeypatch.setattr(writing, "described", dict)
    done = CliRunner().invoke(cli, ["bundle", "--out", "mine.tar.gz", "--keep", "hosts"])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("mine.tar.gz: ")
    assert len(done.output.splitlines()) == 1
    assert json.loads(content_of(tmp_path / "mine.tar.gz")[LISTING])["kept_by_the_user"] == ["hosts"]
    refused = CliRunner().invoke(cli, ["bundle", "--out", "nowhere/mine.tar.gz"])
    assert isinstance(refused.exception, UserError)


def test_the_environment_here_can_be_told(tmp_path, monkeypatch):
    """Beside packages of which an interrupted installation has left a part, and one whose text is no UTF-8.

    Packages that import the importlib_metadata of PyPI have it answer in the place of Python's own.
    """
    import importlib_metadata  # noqa: F401

    from harness.bundle.environment import described

    for name, metadata in {
        "part": b"Name: part\n",
        "none": b"",
        "odd": b"Name: odd\nVersion: 1\nAuthor: \xff\n",
    }.items():
        (tmp_path / f"{name}-1.dist-info").mkdir()
        (tmp_path / f"{name}-1.dist-info" / "METADATA").write_bytes(b"Metadata-Version: 2.1\n" + metadata)
    monkeypatch.syspath_prepend(tmp_path)
    found = described()
    assert found["environments"]["cpu"]["host"]
    assert found["packages"]["numpy"]
    assert found["packages"]["part"] == "unknown"
    assert set(found["frameworks"]["cpu"]) == {"pytorch", "mindspore"}
    json.dumps(found)
