"""Data sets of several scans: which scans a configuration names, and which of them cannot train together."""

import dataclasses
import re

import h5py
import hydra
import pytest

from ptycho_bench.config.data_choice import data_set
from ptycho_bench.config.identity import sha256
from ptycho_bench.config.overrides import scans_to_overrides
from ptycho_bench.data.errors import DataError
from ptycho_bench.data.store import write_scan
from ptycho_bench.records.run_folder import RunFolder
from ptycho_bench.runs.prepare import prepare
from tests.runs.conftest import composed_run, composed_spec, hydra_of_conf


@pytest.fixture
def other_file(tmp_path, other_scan):
    """File of a scan that differs from the tiny one."""
    path = tmp_path / "b.h5"
    write_scan(path, other_scan)
    return path


def listed(*scans) -> tuple[str, str]:
    """Return the words that name several scans."""
    return "data=several", f"data.scans=[{','.join(map(str, scans))}]"


def test_a_name_of_conf_is_the_same_data_set_alone_and_in_a_list():
    words = ["noise=ppn", "noise.efficiency=0.3", "outputs_dir=elsewhere"]
    with hydra_of_conf():
        alone = [data_set(hydra.compose("config", [f"data={name}", *words])) for name in ("ltem", "ltem_wrapped")]
        several = data_set(hydra.compose("config", [*listed("ltem", "ltem_wrapped"), *words]))
    assert [scan.name for scan in several.scans] == ["ltem", "ltem_wrapped"]
    assert [scan.identity() for scan in several.scans] == [one.identity() for one in alone]
    assert [scan.path for scan in several.scans] == [one.only().path for one in alone]
    assert several.identity() == sha256([one.identity() for one in alone])


def test_a_list_of_one_scan_is_that_scan(tiny_file):
    alone = composed_run("data=file", f"data.file_path={tiny_file}", "split=region")
    assert composed_run(*listed(tiny_file), "scaling=own", "split=region").identity == alone.identity


def test_a_folder_is_the_sorted_list_of_its_scans(tiny_file, other_file):
    folder = other_file.parent
    (folder / "c.h5").write_bytes(tiny_file.read_bytes())
    h5py.File(folder / "a_foreign.h5", "w").close()
    (folder / "note.txt").write_text("no scan")
    in_folder = composed_run("data=folder", f"data.folder_path={folder}")
    assert [scan.name for scan in in_folder.data.scans] == ["b", "c"]
    assert in_folder.identity == composed_run(*listed(other_file, folder / "c.h5")).identity
    assert in_folder.identity != composed_run(*listed(folder / "c.h5", other_file)).identity


def test_scaling_changes_the_identity_of_a_run_on_several_scans(tiny_file, other_file):
    words = listed(tiny_file, other_file)
    assert composed_run(*words, "scaling=own").identity != composed_run(*words).identity


def test_a_scan_without_a_probe_can_be_prepared_if_no_pattern_is_predicted(tiny_scan, tmp_path):
    write_scan(tmp_path / "dark.h5", dataclasses.replace(tiny_scan, probe=None))
    run = ("split=region", "model=ptychonn", "model.width=4", "trainer=cpu")
    prepared = prepare(composed_spec(*listed(tmp_path / "dark.h5"), *run), RunFolder(tmp_path / "run"))
    assert [part.name for part in prepared.scans] == ["dark"]


@pytest.mark.parametrize(
    ("words", "message"),
    {
        "data.scans=[{A},{A}]": "is the same scan as data=file data.file_path=",
        "data.scans=[{A},missing.h5]": "no file missing.h5",
        "data.scans=[{A},scan.cxi]": "'scan.cxi' is neither a name in conf/data nor an HDF5 file (.h5); ptycho-import",
        "data.scans=[{A},ltem]": "a.h5 has patterns of 16 px, data=ltem of 32 px; scans that train together need one",
        "data.scans=[{A},curved]": "data=curved is held out: it is never trained on",
        "data.scans=[{A},file]": "data=file names no single scan; name HDF5 files by their paths",
        "data.scans=[{A},own_object]": "data=own_object has no value for data.obj.object_path; write it with ptycho",
        "data.scans=[]": "data.scans must be a list of 1 to 1000 scans, got []",
        "data.scans=ltem": "data.scans must be a list of 1 to 1000 scans, got 'ltem'",
    }.items(),
)
def test_scans_that_cannot_train_together_are_refused(tiny_file, words, message):
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        composed_spec("data=several", words.format(A=tiny_file), "model=ptychonn")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("foreign", "none of its 1 .h5 files was written by this project; ptycho-import makes them"),
        ("torn", "torn.h5 cannot be read as HDF5"),
        ("nothing", "none of its 0 .h5 files"),
    ],
)
def test_a_folder_without_a_readable_data_set_is_refused(tiny_file, tmp_path, content, message):
    if content == "foreign":
        h5py.File(tmp_path / "foreign.h5", "w").close()
    elif content == "torn":
        (tmp_path / "torn.h5").write_bytes(tiny_file.read_bytes()[:3000])
    with pytest.raises(DataError, match=re.escape(message)):
        composed_run("data=folder", f"data.folder_path={tmp_path}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data=[a.h5,b.h5],ltem"], "cannot read 'data=[a.h5,b.h5],ltem'; write data=[SCAN,SCAN], in a sweep"),
        (["data=[a.h5]", "data.photons=1e4"], "data.photons=1e4 does not say which of several scans it is for"),
        (["data=folder", "+data.photons=1e4"], "data.photons=1e4 does not say which of several scans it is for"),
    ],
)
def test_words_that_do_not_say_which_scan_they_are_for_are_refused(words, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        scans_to_overrides(words)
