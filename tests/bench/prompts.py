"""How well the parser reads written prompts: those that it was made with, and those held out.

python build.py bench prompts [--misses]

ENVIRONMENT: backend
"""

import argparse
import time
from collections import Counter
from pathlib import Path

from tests.bench.table import Table
from tests.parses import answer, differences, is_silent, written

SETS = {"written": "240 prompts that the parser was made with", "held_out": "60 prompts held out"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", type=Path, help="where the tables are added as numbers")  # read by Table
    parser.add_argument("--misses", action="store_true", help="print what was read otherwise than expected")
    misses = parser.parse_known_args()[0].misses
    for name, title in SETS.items():
        scored(name, title, misses)


def scored(name: str, title: str, misses: bool) -> None:
    """One table."""
    prompts, seconds, told = written(name), [], Counter()
    for expected in prompts:
        began = time.perf_counter()
        got = answer(expected["prompt"])
        seconds.append(time.perf_counter() - began)
        wrong = differences(expected, got)
        told["right"] += not [field for field in wrong if field != "passed_over"]
        told["strict"] += not wrong
        told["silent"] += is_silent(expected, got, wrong)
        if wrong and misses:
            shown = "; ".join(f"{field}: {expected.get(field)} -> {got.get(field)}" for field in wrong)
            print(f"  {'SILENT ' * is_silent(expected, got, wrong)}{expected['prompt']!r}: {shown}")
    table = Table(title)
    table.add("fully right", 100 * told["right"] / len(prompts), "%", least=95)
    table.add("fully right, and all that was not understood is told", 100 * told["strict"] / len(prompts), "%")
    table.add("silently wrong", told["silent"], "prompts", bound=0)
    table.add("median of a first reading", 1e3 * sorted(seconds)[len(seconds) // 2], "ms")
    table.show()


if __name__ == "__main__":
    main()
