"""How benchmarks say what they found: rows for eyes, and for a file."""

import argparse
import json
import os
import platform
from pathlib import Path


class Table:
    """Rows of one benchmark. A bound is what the project promises; a row beyond it is marked, and never fails."""

    def __init__(self, title: str):
        self.title, self.rows = title, []

    def add(self, what: str, value: float, unit: str, bound: float | None = None, least: float | None = None) -> None:
        """`bound` is the most that is promised, `least` the least."""
        self.rows.append({"what": what, "value": round(value, 4), "unit": unit, "bound": bound, "least": least})

    def show(self) -> None:
        """Print it, and append it to the file that --json named."""
        print(f"\n{self.title}")
        width = max(len(row["what"]) for row in self.rows)
        for row in self.rows:
            bound, least, value = row["bound"], row["least"], row["value"]
            verdict = "" if bound is None else f"   at most {bound:g}{'' if value <= bound else '   EXCEEDED'}"
            verdict += "" if least is None else f"   at least {least:g}{'' if value >= least else '   MISSED'}"
            print(f"  {row['what']:<{width}}  {value:>10.4g} {row['unit']}{verdict}")
        if path := _arguments().json:
            tables = json.loads(path.read_text()) if path.exists() else []
            machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
            tables.append({"title": self.title, "machine": machine, "rows": self.rows})
            path.write_text(json.dumps(tables, indent=1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path)
    return parser.parse_known_args()[0]
