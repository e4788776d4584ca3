"""Tables, plans and benchmarks whose text is impossible."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.campaign.case import Case
from tests.campaign.files import KIND, OWN, applied, foreign_case


def cases() -> Iterator[Case]:
    """Return the cases."""
    for name, text in TABLES.items():
        yield foreign_case("import", f"csv: {name}", "csv", lambda path, text=text: path.write_text(text))
    for name, change in PLANS.items():
        file, command, words, needs = OWN["plan"]
        yield Case(KIND, f"plan: {name}", command, words, needs, applied(file, in_json(change)))
    for name, text in BENCHMARKS.items():
        file, command, words, needs = OWN["benchmark"]
        change = applied(file, lambda path, text=text: path.write_text(path.read_text() + text))
        yield Case(KIND, f"benchmark: {name}", command, words, needs, change)


def in_json(change: Callable[[dict], object]) -> Callable[[Path], None]:
    """Return a change of a JSON file from a change of its content; a returned value replaces the content."""

    def applied_to(path: Path) -> None:
        content = json.loads(path.read_text())
        path.write_text(json.dumps(change(content) or content))

    return applied_to


def rows(*lines: str, count: int = 25) -> str:
    """Return a table of positions in micrometres with some lines, filled up with good ones."""
    good = [f"{random.Random(i).random()},{i}" for i in range(count - len(lines))]
    return "\n".join(["y_um,x_um", *lines, *good]) + "\n"


TABLES = {
    "nan": "y_um,x_um\n" + "nan,nan\n" * 25,
    "infinite": "y_um,x_um\n" + "1e999,1\n" * 25,
    "words": rows("one,two"),
    "all alike": "y_um,x_um\n" + "1,1\n" * 25,
    "too few": rows(count=7),
    "one column": "y_um\n" + "1\n" * 25,
}
PLANS = {
    "a list": lambda plan: [plan],
    "no cells": lambda plan: plan.update(cells=[]),
    "cells twice": lambda plan: plan.update(cells=plan["cells"] * 2),
    "epochs text": lambda plan: plan.update(epochs="three"),
    "another row": lambda plan: plan["cells"][0].update(row="nobody"),
}
BENCHMARKS = {
    "10^5 seeds": "seeds: [" + ",".join(map(str, range(100_000))) + "]\n",
    "seeds text": "seeds: [a]\n",
    "rows text": "rows: none\n",
    "unknown key": "colour: red\n",
    "alias bomb": "note: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"n{i}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(8)),
    "two documents": "---\ntitle: second\n",
    "tab": "\tseeds: [0]\n",
}
