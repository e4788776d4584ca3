"""README.md and docs/: generated tables are current, links and names exist, and the README stays short."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from ptycho_bench.data.simulate import simulate_scan
from ptycho_bench.data.store import write_scan
from ptycho_bench.physics.noise import NoNoise
from ptycho_bench.physics.probe import defocused_aperture
from scripts import performance_page
from scripts.documentation_tables import BLOCK, CONF, ROOT, files_of, pages, regenerated

PAGES = pages()
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
PROJECT_PATH = re.compile(r"`((?:ptycho_bench|conf|scripts|tests|docs)/[\w/.-]+)`")
COMMAND = re.compile(r"\bptycho-[a-z]+")
CHOICE = re.compile(r"(?<![\w.=:/])(\w+)=([a-z]\w*(?:,\w+)*)(?![\w/.])")
PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
IMPORT = re.compile(r"^(?:from|import) .*$", re.MULTILINE)
EXAMPLE = re.compile(r"/x\.(py|yaml)$")  # of the instructions that add a network
ANY_OPTION = {"x", "all", "mynet"}  # stand for a new network, and for all benchmarks


@pytest.fixture(params=PAGES, ids=lambda page: page.name)
def page(request):
    return request.param


def prose(text: str) -> str:
    """Return a page without its code blocks."""
    return FENCE.sub("", text)


def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    words = (re.sub(r"[^\w\s-]", "", heading.lower()) for heading in HEADING.findall(prose(path.read_text())))
    return {word.replace(" ", "-") for word in words}


def test_generated_tables_are_current(page):
    assert page.read_text() == regenerated(page), "run python scripts/documentation_tables.py"


def test_the_measured_tables_are_current():
    assert performance_page.PAGE.read_text() == performance_page.page_text(), "run python scripts/performance_page.py"


def test_links_and_pictures_exist(page):
    for target in LINK.findall(prose(page.read_text())):
        if not target.startswith("http"):
            name, _, anchor = target.partition("#")
            file = page.parent / name if name else page
            assert file.exists(), target
            assert not anchor or anchor in anchors(file), target


def test_named_files_of_the_project_exist(page):
    for path in PROJECT_PATH.findall(page.read_text()):
        assert EXAMPLE.search(path) or (ROOT / path).exists(), path


def test_named_commands_exist(page):
    commands = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert set(COMMAND.findall(page.read_text())) <= {*commands, "ptycho-fm"}  # ptycho-fm is another project


def test_named_options_exist(page):
    for group, names in CHOICE.findall(BLOCK.sub("", page.read_text())):
        if (CONF / group).is_dir():
            assert set(names.split(",")) <= {file.stem for file in files_of(group)} | ANY_OPTION, f"{group}={names}"


def test_every_group_of_options_is_documented():
    shown = {name for page in PAGES for _, name, _ in BLOCK.findall(page.read_text())}
    listed = {name.partition(" ")[2] for name in shown if name.startswith("options ")}
    groups = {folder.name for folder in CONF.iterdir() if folder.is_dir() and any(folder.glob("*.yaml"))}
    assert groups == listed | {"model", "benchmark", "import_options"}
    assert {"networks", "benchmarks", "values import_options/as_stored", "groups", "leaderboard"} <= shown


def test_the_readme_names_every_page_and_command_and_stays_short():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 150
    assert all(f"(docs/{page.name})" in text for page in PAGES if page.name != "README.md")
    commands = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert commands.keys() <= set(COMMAND.findall(text))


def test_the_python_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    obj = torch.polar(torch.ones(64, 64), torch.rand(64, 64, generator=torch.Generator().manual_seed(0)))
    probe = defocused_aperture(size_px=32, aperture_radius=0.5, stop_radius=0.3, defocus_waves=1.0)
    scan = simulate_scan(
        name="chart", obj=obj, probe=probe, photons=1e4, overlap_ratio=0.75, step_px=None, jitter_px=0, noise=NoNoise(),
        seed=0, pixel_size_m=None, held_out=False,
    )  # fmt: skip
    write_scan("scan.h5", scan)
    known = {"np": np, "torch": torch, "scan": scan}
    known |= {"amplitude": torch.from_numpy(scan.amplitude), "phase": torch.from_numpy(scan.phase)}
    for example in PYTHON.findall((ROOT / "docs/python-api.md").read_text()):
        trained = "best." in example  # needs a trained network: only its imports are run
        exec("\n".join(IMPORT.findall(example)) if trained else example, known)
    assert known["solution"].misfits[-1] < known["solution"].misfits[0]
