"""Command line of the campaign: python -m tests.campaign --bin FOLDER --csv FILE."""

import argparse
import signal
import tempfile
from pathlib import Path

from tests.campaign.bench import Bench
from tests.campaign.campaign import all_cases, bad_rows, chosen, read_rows, run_all
from tests.campaign.summary import short, table
from tests.campaign.target import Target, this_python


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--bin", type=Path, default=this_python(), help="folder of the installed commands, or a Python")
    parser.add_argument("--csv", type=Path, required=True, help="file of the results; cases in it are skipped")
    parser.add_argument("--folder", type=Path, help="folder for sandboxes and samples; default: a temporary one")
    parser.add_argument("--kinds", nargs="+", default=[], help="kinds of cases; default: all")
    parser.add_argument("--limit", type=int, help="most cases of each kind")
    parser.add_argument("--list", action="store_true", help="list the cases and do nothing")
    parser.add_argument("--table", action="store_true", help="print the table of the CSV file and do nothing")
    return parser.parse_args()


def main() -> int:
    """Run the campaign; return 1 if a verdict is bad."""
    options = arguments()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # not ignored in the processes that are started,
    signal.signal(signal.SIGHUP, lambda *_: None)  # even if this one runs in the background or under nohup
    if options.table:
        print(table(read_rows(options.csv).values()))
        return 0
    cases = chosen(all_cases(), options.kinds, options.limit)
    if options.list:
        print("\n".join(case.key for case in cases))
        return 0
    folder = options.folder or Path(tempfile.gettempdir()) / f"ptycho-campaign-{options.csv.resolve().stem}"
    folder.mkdir(parents=True, exist_ok=True)
    target = Target(options.bin.absolute(), folder)
    try:
        rows = run_all(Bench(target, folder.resolve()), cases, options.csv)
    finally:
        target.close()
    for row in bad_rows(rows):
        print(f"{row['verdict']:16s} {row['case']}: {row['last line']}")
    print(table(rows))
    print(short(rows))
    return int(bool(bad_rows(rows)))


if __name__ == "__main__":
    raise SystemExit(main())
