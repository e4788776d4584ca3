"""Every command that reads a file of this project checks its content hash."""

from types import SimpleNamespace

import h5py
import pytest

from ptycho_bench.config.importing import compose_import
from ptycho_bench.data.errors import DataError
from ptycho_bench.data.store import write_scan
from ptycho_bench.runs.import_scan import name_of_files, read_raw
from ptycho_bench.runs.inspect import inspect_files
from ptycho_bench.runs.reconstruction_request import read_or_import


@pytest.fixture
def path(tmp_path, tiny_scan):
    write_scan(tmp_path / "scan.h5", tiny_scan)
    return tmp_path / "scan.h5"


def reconstructed(path):
    return read_or_import(SimpleNamespace(files=SimpleNamespace(files=[str(path)]), import_words=[]))


READERS = {
    "inspect": lambda path: inspect_files([str(path)], [], 5),
    "reconstruct": reconstructed,
    "import": lambda path: read_raw(compose_import([str(path)], ["format=keys", "format.diffraction=diffraction"])),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_changed_file_is_refused(path, read):
    read(path)
    with h5py.File(path, "a") as handle:
        handle["diffraction"][100, 3, 3] += 1
    with pytest.raises(DataError, match=r"scan\.h5 has changed since it was written .its content hash differs"):
        read(path)


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_complex_patterns_are_refused(path, read):
    with h5py.File(path, "a") as handle:
        patterns = handle["diffraction"][()].astype("complex64")
        del handle["diffraction"]
        handle["diffraction"] = patterns
    with pytest.raises(DataError, match="diffraction is complex64, it must be"):
        read(path)


def test_inspect_says_that_the_hash_matches(path):
    assert "content hash: matches" in inspect_files([str(path)], [], 5).lines()


def test_an_own_file_needs_no_import(path):
    with pytest.raises(DataError, match=r"scan\.h5 is this project's own file and needs no import; use it as data="):
        read_raw(compose_import([str(path)], []))


@pytest.mark.parametrize(
    ("file", "name"),
    [("a/scan.7.h5", "scan"), ("a/${oc.env:HOME}.h5", "__oc"), ("\udcff\udcfe.h5", "__"), ("a\nb.h5", "a_b"),
     ("....", "scan"), ("é.cxi", "é")],
)  # fmt: skip
def test_files_that_are_made_have_plain_names(file, name):
    assert name_of_files(file) == name
