"""Count the verdicts of a campaign as a Markdown table."""

from collections import Counter
from collections.abc import Iterable

from tests.campaign.case import BAD, VERDICTS


def table(rows: Iterable[dict[str, str]]) -> str:
    """Return a Markdown table with a row for each kind and a column for each verdict that occurs."""
    counts: dict[str, Counter] = {}
    for row in rows:
        counts.setdefault(row["kind"], Counter())[row["verdict"]] += 1
    total = sum(counts.values(), Counter())
    columns = [verdict for verdict in VERDICTS if total[verdict]]
    lines = [["kind", "cases", *columns], ["---", *["---:"] * (len(columns) + 1)]]
    for kind, found in [*counts.items(), ("all", total)]:
        lines.append([kind, str(found.total()), *(str(found[verdict] or "") for verdict in columns)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def short(rows: Iterable[dict[str, str]]) -> str:
    """Return one line with the number of cases and of bad verdicts."""
    found = Counter(row["verdict"] for row in rows)
    bad = sum(found[verdict] for verdict in BAD)
    return f"{found.total()} cases, {bad} with a bad verdict"
