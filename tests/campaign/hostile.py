"""Checkpoints and plans made to run code, to write elsewhere, or to exhaust the machine; digests fit their content."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from tests.campaign.bench import PLAIN, Bench
from tests.campaign.case import REFUSED, Case, Outcome, accepted, once
from tests.campaign.payloads import TARGETS, payload
from tests.campaign.real import filled
from tests.campaign.signing import change_checkpoint

KIND = "hostile"
KEY = "ptycho_bench"
READERS = (
    ("reconstruct", ("scan.h5", "best.ckpt", *PLAIN), ("scan", "network")),
    ("evaluate", ("best.ckpt", "pictures=false"), ("network",)),
    ("export", ("best.ckpt", "out=outputs/made.onnx"), ("network",)),
)
OUTSIDE = ("../../../escaped", "{root}/escaped", "${oc.env:HOME}/escaped")
PLAN = "outputs/benchmarks/small/plan.json"
DEEP = 20_000
SCRIPT, IMAGE = "<script>alert(1)", "![x](http:"
ELEMENTS = {".md": (SCRIPT, IMAGE), ".html": (SCRIPT,)}
Change = Callable[[dict], object]


def at(*keys: str, value: object) -> Change:
    """Return a change of one value of a checkpoint's description."""

    def change(content: dict) -> None:
        part = content[KEY]
        for key in keys[:-1]:
            part = part[key]
        part[keys[-1]] = value

    return change


def checkpoints() -> dict[str, Change]:
    """Return what is changed in a checkpoint, by its name."""
    import torch

    found = {f"model.width calls {name}": at("model", "width", value=value) for name, value in TARGETS.items()}
    found |= {f"{part} calls os.system": at(part, value=TARGETS["os.system"]) for part in ("metrics", "stitch", "data")}
    return found | {
        "noise calls os.mknod": at("noise", value=TARGETS["kind"]),
        "data.obj calls subprocess": at("data", "obj", value=TARGETS["subprocess"]),
        "interpolated width": at("model", "width", value="${oc.env:HOME}"),
        "a description that is a list": lambda content: content.update({KEY: [content[KEY]]}),
        "only a schema": lambda content: content.update({KEY: {"schema": content[KEY]["schema"]}}),
        "schema 3": at("schema", value=3),
        "no weights": lambda content: content.update(state_dict={}),
        "weights that are numbers": lambda content: content.update(state_dict={k: 1 for k in content["state_dict"]}),
        "width 10^6": at("model", "width", value=10**6),
        "patterns of 10^9 px": at("size_px", value=10**9),
        "scaling of nan": at("scaling", "amplitude_high", value=float("nan")),
        "weights of 10^12 values": lambda content: content["state_dict"].update(
            {key: torch.zeros(1).expand(10**12) for key in list(content["state_dict"])[:1]}
        ),
    }


def cases() -> Iterator[Case]:
    """Return the cases."""
    for number, (name, change) in enumerate(checkpoints().items()):
        command, words, needs = READERS[number % len(READERS)]
        yield Case(KIND, f"checkpoint: {name}", command, words, needs, changed(change))
    for place, (command, words, needs) in zip(OUTSIDE, READERS, strict=True):
        yield Case(KIND, f"checkpoint: run={place}", command, words, needs, named(place))
    for number, (name, content) in enumerate(PICKLES.items()):
        command, words, needs = READERS[number % len(READERS)]
        yield Case(KIND, f"checkpoint: {name}", command, words, needs, written("best.ckpt", content))
    for name, edit in PLANS.items():
        words = ("benchmark=small", "figures=false")
        change, expected = edited(edit), accepted(REFUSED)
        yield Case(KIND, f"plan: {name}", "report", words, ("swept",), change, without_markup, expected)


def without_markup(bench: Bench, case: Case, work: Path) -> Outcome:
    """Write a report and look for elements of HTML and Markdown that came from the plan."""
    outcome = once(bench, case, work)
    for path in work.glob("outputs/benchmarks/*/report/report.*"):
        if found := [element for element in ELEMENTS.get(path.suffix, ()) if element in path.read_text()]:
            return replace(outcome, fault="nonsense", note=f"{path.name} contains {', '.join(found)}")
    return outcome


def changed(change: Change) -> Callable[[Bench, Path], None]:
    """Return a preparation that changes the checkpoint and gives it the digest that fits."""

    def prepare(bench: Bench, work: Path) -> None:
        change_checkpoint(bench, work / "best.ckpt", change)

    return prepare


def named(place: str) -> Callable[[Bench, Path], None]:
    """Return a preparation that makes a path the name of the run that wrote the checkpoint."""

    def prepare(bench: Bench, work: Path) -> None:
        (run,) = filled([place], work)
        change_checkpoint(bench, work / "best.ckpt", at("run", value=run))

    return prepare


def written(name: str, content: Callable[[Path], bytes]) -> Callable[[Bench, Path], None]:
    """Return a preparation that writes a file."""

    def prepare(bench: Bench, work: Path) -> None:
        (work / name).write_bytes(content(work / name))

    return prepare


def edited(edit: Change) -> Callable[[Bench, Path], None]:
    """Return a preparation that changes the plan."""

    def prepare(bench: Bench, work: Path) -> None:
        plan = json.loads((work / PLAN).read_text())
        text = edit(plan)
        (work / PLAN).write_text(filled([text if isinstance(text, str) else json.dumps(plan)], work)[0])

    return prepare


def pickled_archive(path: Path) -> bytes:
    """Return a checkpoint of torch whose pickle runs a command."""
    import io

    import torch

    from tests.campaign.payloads import Payload

    buffer = io.BytesIO()
    torch.save({KEY: Payload(), "state_dict": {}}, buffer)
    return buffer.getvalue()


PICKLES: dict[str, Callable[[Path], bytes]] = {
    "a pickle": lambda path: payload(),
    "a pickle in an archive": pickled_archive,
    "a pickle before a checkpoint": lambda path: payload() + path.read_bytes(),
}
PLANS: dict[str, Change] = {
    "folder ../../..": lambda plan: plan["cells"][0].update(folder="../../../project"),
    "folder {root}": lambda plan: plan["cells"][0].update(folder="{root}/user"),
    "name ../x": lambda plan: plan.update(name="../../../escaped"),
    "command of a shell": lambda plan: plan["cells"][0].update(command="ptycho-train; touch EXECUTED"),
    "markup": lambda plan: plan["benchmark"].update(title=f"{SCRIPT}</script> {IMAGE}//x) \\input{{x}}"),
    "calls os.system": lambda plan: plan["benchmark"].update(base=TARGETS["os.system"]),
    "deep": lambda plan: "[" * DEEP + "]" * DEEP,
}
