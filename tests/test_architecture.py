"""The rooms of the package: imports point down only, and only some rooms know Hydra or Lightning."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_contracts_of_pyproject_hold():
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-3000:]
    assert "0 broken" in result.stdout


def test_scripts_import_no_command():
    for script in (ROOT / "scripts").glob("*.py"):
        assert "ptycho_bench.cli" not in script.read_text(), script.name
