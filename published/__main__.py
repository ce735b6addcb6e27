"""Print every published number beside our own, write the page; leave with 1 on a miss."""

from __future__ import annotations

import sys
from itertools import groupby

from crmlib.project import project_root
from published.comparison import Number, compared, computed_keys, entries
from published.page import written_page


def main(names: list[str]) -> int:
    """Compare every entry, or those named."""
    known = entries()
    if unknown := set(names) - set(known):
        print(f"error: no entry {', '.join(sorted(unknown))} in tests/published.yml", file=sys.stderr)
        return 2
    if missing := set(names or known) - computed_keys():
        print(f"error: nothing computes {', '.join(sorted(missing))}; add it to published/", file=sys.stderr)
        return 1
    found: list[Number] = []
    for key in names or known:
        numbers = compared(key, *known[key])
        print(table(numbers), flush=True)
        found += numbers
    missed = sum(not number.passed for number in found)
    print(f"{len(found) - missed} of {len(found)} published numbers are reproduced")
    if not names:
        print(f"page: {written_page(project_root(), found).relative_to(project_root())}")
    return 1 if missed else 0


def table(numbers: list[Number]) -> str:
    """Numbers of each entry under its key and source, as text."""
    lines = []
    for key, group in groupby(numbers, key=lambda number: number.key):
        own = list(group)
        lines += [key, f"  {' '.join(own[0].source.split())}", f"  data: {own[0].data}"]
        head = f"  {'':34} {'published':>14} {'ours':>14} {'difference':>12} {'allowed':>9}"
        lines.append(head)
        for n in own:
            ours = "none" if n.ours is None else f"{n.ours:.10g}"
            verdict = "pass" if n.passed else "FAIL"
            row = f"{n.name:34} {n.printed:>14} {ours:>14} {n.difference:>12.2g} {n.tolerance:>9.2g}"
            lines.append(f"  {row}  {verdict}")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
