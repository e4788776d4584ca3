"""Regenerate the tables of options, networks, benchmarks and results in README.md and docs/.

python scripts/documentation_tables.py            # rewrites every page that is out of date
python scripts/documentation_tables.py --check    # names these pages and exits with code 1

Two comments in a page enclose a table: <!-- begin generated: NAME --> and <!-- end generated: NAME -->. NAME is one of
`groups`, `options GROUP`, `values FILE`, `networks`, `benchmarks` and `leaderboard`. The text comes from the comments
and values in conf/, and the leaderboard's numbers from the table in outputs/published/.
"""

import argparse
import csv
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
COMMAND = "scripts/documentation_tables.py"
CONF = ROOT / "conf"
LEADERBOARD = ROOT / "outputs/published/leaderboard/table.csv"
TRAIN = "config"  # root file of ptycho-train

BEGIN = "<!-- begin generated: "
BLOCK = re.compile(rf"({BEGIN}([^\n]+?) -->\n).*?(<!-- end generated: \2 -->)", re.DOTALL)
DEFAULT = re.compile(r"^  - (?:optional )?(\w+): (\w+|\?\?\?)[ ]*(?:#[ ]*(.*))?$", re.MULTILINE)
VALUE = re.compile(r"^(  )?(\w+):[ ]*(.*?)[ ]*(?:#[ ]*(.*))?$")
CONTINUED = re.compile(r"^[ ]+#[ ]*(.*)$")
PARAMETERS = re.compile(r"\d{1,3}(?:,\d{3})+\b")


def pages() -> list[Path]:
    """Return README.md and the pages of docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def regenerated(page: Path) -> str:
    """Return the text of a page with every table between markers replaced by the current one.

    Raises:
        ValueError: If a marker has no partner, or names no table.
    """
    text = page.read_text()
    if text.count(BEGIN) != len(BLOCK.findall(text)):
        raise ValueError(f"{page.name}: a begin marker has no end marker of the same name; add the missing one")
    return BLOCK.sub(lambda found: f"{found[1]}\n{table_named(found[2])}\n\n{found[3]}", text)


def table_named(name: str) -> str:
    """Return the Markdown of the table that a marker names."""
    kind, _, argument = name.partition(" ")
    makers = {"groups": groups, "options": options, "values": values, "networks": networks}
    makers |= {"benchmarks": benchmarks, "leaderboard": leaderboard}
    if kind not in makers:
        raise ValueError(f"no table is called {name!r}; choose from {', '.join(makers)}")
    return makers[kind](argument) if argument else makers[kind]()


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = False) -> str:
    """Return a Markdown table; `numbers` aligns every column but the first to the right."""
    rules = ["---", *(["---:" if numbers else "---"] * (len(head) - 1))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, rules, *rows])


def escaped(text: str) -> str:
    """Return plain text with the characters that Markdown would interpret in a table escaped."""
    return re.sub(r"([|*<])", r"\\\1", text)


def comments(path: Path) -> list[str]:
    """Return the comment lines of a YAML file that describe it."""
    lines = [line[1:].strip() for line in path.read_text().splitlines() if line.startswith("#")]
    return [line for line in lines if not line.startswith(("@package", "^"))]


def first_comment(path: Path) -> str:
    """Return the first of these lines, or nothing if there is none."""
    return next(iter(comments(path)), "")


def files_of(group: str) -> list[Path]:
    """Return the option files of a group of conf/, sorted by name.

    Raises:
        ValueError: If there is no such group.
    """
    files = sorted((CONF / group).glob("*.yaml"))
    if not files:
        raise ValueError(f"conf/{group} has no option; check the name in the marker")
    return files


def groups() -> str:
    """Return the table of the choices of ptycho-train: group, default, options and what the group decides."""
    rows = []
    for group, default, comment in DEFAULT.findall((CONF / f"{TRAIN}.yaml").read_text()):
        if (CONF / group).is_dir():
            names = ", ".join(f"`{file.stem}`" for file in files_of(group))
            rows.append((f"`{group}`", escaped(comment), "none" if default == "null" else f"`{default}`", names))
    return markdown(("group", "decides", "default", "options"), rows)


def options(group: str) -> str:
    """Return the table of a group's options with the first comment line of each."""
    rows = [(f"`{group}={file.stem}`", escaped(first_comment(file))) for file in files_of(group)]
    return markdown(("option", "description"), rows)


def values(file: str) -> str:
    """Return the table of the plain values of a file of conf/: name, default and comment, then those that it shares."""
    own = (CONF / f"{file}.yaml").read_text()
    shared = CONF / "command.yaml"
    inherits = shared.is_file() and re.search(r"^(?:defaults: \[|  - )command\b", own, re.MULTILINE)
    found = values_in(own)
    if inherits:
        found = {**values_in(shared.read_text()), **found}
    rows = [(f"`{name}`", f"`{value}`", escaped(comment)) for name, (value, comment) in found.items()]
    return markdown(("name", "default", "description"), rows)


def values_in(text: str) -> dict[str, tuple[str, str]]:
    """Return the default and the comment of each value, of the top level and one level below it, by dotted name."""
    found: dict[str, tuple[str, str]] = {}
    section = name = ""
    for line in text.splitlines():
        if entry := VALUE.match(line):
            indent, key, value, comment = entry.groups(default="")
            section = section if indent else f"{key}."
            name = f"{section}{key}" if indent else key
            if value and not key.startswith("_") and not name.startswith(("hydra", "defaults")):
                found[name] = (value, comment)
        elif (more := CONTINUED.match(line)) and name in found:
            value, comment = found[name]
            found[name] = (value, f"{comment} {more[1]}".strip())
    return found


def networks() -> str:
    """Return the table of networks: name, paper and parameters, as the comment of each file states them."""
    rows = []
    for file in files_of("model"):
        parts = [part for line in comments(file) for part in line.split("; ")]
        counts = [part for part in parts if PARAMETERS.match(part)]
        text = "; ".join(part for part in first_comment(file).split("; ") if part not in counts)
        counted = "; ".join(part.replace(" parameters", "") for part in counts)
        rows.append((f"`{file.stem}`", escaped(text), escaped(counted)))
    return markdown(("`model=`", "network", "parameters"), rows)


def benchmarks() -> str:
    """Return the table of benchmarks: name, title, number of rows and source."""
    rows = []
    for file in files_of("benchmark"):
        content = merged(file)
        source = content.get("source") or "this project"
        rows.append((f"`{file.stem}`", escaped(first_comment(file)), row_count(content), escaped(source)))
    return markdown(("`benchmark=`", "table or figure", "rows", "source"), rows)


def merged(file: Path) -> dict:
    """Return the top level of a benchmark file, with the keys of the files that its defaults list names."""
    content = yaml.safe_load(file.read_text())
    inherited: dict = {}
    for entry in content.get("defaults", []):
        if entry != "_self_":
            name = entry if isinstance(entry, str) else next(iter(entry.values()))
            inherited |= merged(file.parent / f"{name.partition('@')[0]}.yaml")
    return inherited | content


def row_count(content: Mapping) -> str:
    """Return how many rows a benchmark has, over its groups, and the values that are varied."""
    count = len(content["rows"]) * max(1, len(content.get("groups") or ()))
    vary = content.get("vary")
    return str(count) if not vary else f"{count}, at {len(vary['values'])} values of `{vary['key']}`"


def leaderboard() -> str:
    """Return the finished rows of the published leaderboard without noise, and what a constant guess would score."""
    columns = {
        "amplitude PSNR (dB)": ("amplitude_psnr_db", 1), "amplitude SSIM (%)": ("amplitude_ssim", 100),
        "aligned phase PSNR (dB)": ("phase_aligned_psnr_db", 1), "aligned phase SSIM (%)": ("phase_aligned_ssim", 100),
        "parameters (MiB)": ("parameters_mib", 1),
    }  # fmt: skip
    with LEADERBOARD.open(newline="") as handle:
        finished = [row for row in csv.DictReader(handle) if row["runs"] and row["group"] == "Noise-free"]
    rows = [
        (row["row"], *(scaled(row[key], factor) for key, factor in columns.values()), row["amplitude_psnr_db_seeds"])
        for row in finished
    ]
    guess = ("constant guess", *(scaled(finished[0].get(f"{key}_constant"), f) for key, f in columns.values()), "")
    return markdown(("network", *columns, "runs"), [guess, *rows], numbers=True)


def scaled(number: str | None, factor: int) -> str:
    """Return a number of a CSV file times a factor, with two digits; a dash if there is none."""
    return f"{factor * float(number):.2f}" if number else "-"


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite the pages, or name those that are out of date; return the exit code."""
    parser = argparse.ArgumentParser(description="Regenerate the tables in README.md and docs/.")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit with code 1 if a page is out of date"
    )
    check = parser.parse_args(arguments).check
    outdated = [(page, text) for page in pages() if (text := regenerated(page)) != page.read_text()]
    for page, text in outdated:
        if not check:
            page.write_text(text)
        print(f"{page.relative_to(ROOT)} {'is out of date; run python ' + COMMAND if check else 'regenerated'}")
    return int(check and bool(outdated))


if __name__ == "__main__":
    sys.exit(main())
