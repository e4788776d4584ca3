"""Files are written completely or not at all, and nothing but regular files is replaced."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from ptycho_bench.data.atomic import check_output, remove_abandoned, write_bytes, written_whole
from ptycho_bench.data.owner import host_tag, process_exists


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


SPECIAL = {
    "a folder": lambda path: path.mkdir(),
    "a symbolic link": lambda path: path.symlink_to("target"),
    "a pipe": os.mkfifo,
    "a socket": make_socket,
}


@pytest.mark.parametrize("kind", SPECIAL)
def test_only_regular_files_are_replaced(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)  # the path of a socket is limited to about 100 characters
    (tmp_path / "target").write_text("years")
    path = (tmp_path / "x.h5").relative_to(tmp_path)
    SPECIAL[kind](path)
    message = f"x.h5 is {kind}, and only regular files are replaced"
    for overwrite in (False, True):
        with pytest.raises(ValueError, match=message):
            check_output(path, overwrite=overwrite)
    with pytest.raises(ValueError, match=message):
        write_bytes(path, b"new")
    with pytest.raises(ValueError, match=message), written_whole(path):
        pass
    assert (tmp_path / "target").read_text() == "years"
    assert sorted(os.listdir(tmp_path)) == ["target", "x.h5"]


def test_a_device_is_not_replaced():
    with pytest.raises(ValueError, match="/dev/null is a device"):
        check_output(Path("/dev/null"), overwrite=True)


def test_an_existing_file_is_an_error_unless_it_is_to_be_replaced(tmp_path):
    path = tmp_path / "x.h5"
    check_output(path, overwrite=False)
    path.touch()
    with pytest.raises(ValueError, match=r"x.h5 exists; overwrite=true replaces it, out=FILE names another$"):
        check_output(path, overwrite=False)
    with pytest.raises(ValueError, match=r"x.h5 exists; --overwrite replaces it$"):
        check_output(path, overwrite=False, way_out="--overwrite replaces it")
    check_output(path, overwrite=True)


def test_temporary_files_of_dead_processes_of_this_machine_are_removed_by_the_next_write(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    dead = [tmp_path / f".{name}.{host_tag()}-{process.pid}.partial" for name in ("a.h5", ".run.lock.12.new")]
    kept = [
        tmp_path / f".b.h5.{host_tag()}-{os.getppid()}.partial",  # of a living process
        tmp_path / f".c.h5.00000000-{process.pid}.partial",  # of another machine
        tmp_path / f"d.h5.{host_tag()}-{process.pid}.partial",
    ]
    for path in (*dead, *kept):
        path.touch()
    link = tmp_path / f".e.{host_tag()}-{process.pid}.partial"
    link.symlink_to("elsewhere")
    write_bytes(tmp_path / "x", b"content")
    assert set(tmp_path.iterdir()) == {*kept, link, tmp_path / "x"}
    remove_abandoned(tmp_path / "missing")


def test_a_killed_writer_leaves_one_file_which_the_next_writer_removes(tmp_path):
    program = (
        "import os, sys; from pathlib import Path; from ptycho_bench.data.atomic import written_whole\n"
        "with written_whole(Path(sys.argv[1]), 10**6) as handle: os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path / "x.h5"], check=False)
    (left,) = tmp_path.iterdir()
    assert left.name.endswith(".partial")
    with written_whole(tmp_path / "x.h5") as handle:
        handle["a"] = 1
    assert list(tmp_path.iterdir()) == [tmp_path / "x.h5"]
    with h5py.File(tmp_path / "x.h5") as handle:
        assert handle["a"][()] == 1


@pytest.mark.parametrize("pid", [10**30, "x", None, "4194305000"])
def test_an_impossible_number_is_no_process(pid):
    assert not process_exists(pid)
    assert process_exists(os.getpid())
