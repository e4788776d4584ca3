"""A command keeps its results whatever its output is connected to."""

import os
import subprocess
import sys

import pytest

from ptycho_bench.cli.streams import secure_streams

SCRIPT = """
import os, subprocess, sys
from ptycho_bench.cli.streams import secure_streams
secure_streams()
secure_streams()
for _ in range(3):
    print("a ± ✓", flush=True)
    print("b ± ✓", file=sys.stderr, flush=True)
assert subprocess.run([sys.executable, "-S", "-c", "print(1)"]).returncode == 0
open("results", "w").close()
"""


def run(folder, redirection: str, **environment: str) -> subprocess.CompletedProcess:
    """Run the script from a shell with a redirection of its output."""
    command = ["sh", "-c", f'"{sys.executable}" -c "$SCRIPT" {redirection}']
    variables = {**os.environ, "SCRIPT": SCRIPT, **environment}
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, check=False, timeout=60)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "redirection", [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-", "| true", "2>&1 | true", "> /dev/null"]
)
def test_no_command_fails_on_closed_output_or_a_pipe_that_nobody_reads(tmp_path, redirection, unbuffered):
    result = run(tmp_path, redirection, PYTHONUNBUFFERED=unbuffered)
    assert (tmp_path / "results").exists(), result.stderr
    assert b"Error" not in result.stderr


def test_characters_that_an_encoding_lacks_are_escaped(tmp_path):
    result = run(tmp_path, "", PYTHONIOENCODING="ascii")
    assert result.stdout.splitlines()[0] == rb"a \xb1 \u2713"
    assert result.stderr.splitlines()[0] == rb"b \xb1 \u2713"


def test_a_full_disk_is_an_error_and_not_ignored(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    assert b"No space left" in run(tmp_path, "> /dev/full").stderr
    assert not (tmp_path / "results").exists()


def test_streams_in_memory_stay_as_they_are(capsys):
    before = sys.stdout, sys.stderr
    secure_streams()
    assert (sys.stdout, sys.stderr) == before
