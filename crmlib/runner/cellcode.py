"""What a lesson's code may do: plain Python, no network, no clock, no unseeded randomness, no data typed in."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

_NETWORK = {"aiohttp", "ftplib", "http", "httpx", "pip", "requests", "smtplib", "socket", "subprocess", "urllib"}
_NETWORK_TEXT = re.compile(r"(https?|ftp|s3|gs)://")
_ABSOLUTE = re.compile(r"(/[\w.~-]+){2,}/?$|/(home|tmp|Users|data|mnt|root)$|~[/\\]|[A-Za-z]:[\\/]|file://")
_SEEDED = {"default_rng", "Generator", "SeedSequence", "PCG64", "Philox", "BitGenerator"}
_CLOCK = {"now", "today", "utcnow", "time", "perf_counter", "monotonic"}
_LITERALS = 12


class Fault(NamedTuple):
    """A broken rule: the cell's position from 1 (0: the whole notebook), the rule, what to do."""

    cell: int
    rule: str
    message: str


def code_faults(position: int, source: str) -> Iterator[Fault]:
    """Faults of the code of the cell at this position, from 1."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        yield Fault(position, "code", "not plain Python: leave out shell commands (!), magics (%) and help (?)")
        return
    for node in ast.walk(tree):
        yield from (Fault(position, rule, message) for rule, message in _node_faults(node))


def _node_faults(node: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        for name in names:
            if name.split(".")[0] in _NETWORK:
                yield "code", f"{name} reaches outside; data come from crmlib.data.load, packages from the lock"
            if name == "random":
                yield "random", "random is unseeded; use np.random.default_rng(seed)"
            if name == "warnings":
                yield "code", "warnings must be seen and their cause removed, not filtered"
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        if _NETWORK_TEXT.match(node.value):
            yield "code", f"the address {node.value[:40]!r}: a notebook uses no network; see crmlib.data.load"
        elif _ABSOLUTE.match(node.value):
            yield "code", f"the absolute path {node.value[:40]!r}; name a source relative to the project"
    elif isinstance(node, (ast.List, ast.Tuple, ast.Set, ast.Dict)):
        parts: Sequence[Any] = node.values if isinstance(node, ast.Dict) else node.elts
        if sum(isinstance(part, ast.Constant) for part in parts) > _LITERALS:
            yield "code", f"more than {_LITERALS} values typed in; data belong into a source"
    elif isinstance(node, ast.Call):
        yield from _call_faults(node)


def _call_faults(call: ast.Call) -> Iterator[tuple[str, str]]:
    name = ast.unparse(call.func)
    last = name.rsplit(".", 1)[-1]
    given = {keyword.arg for keyword in call.keywords}
    if ".random." in f".{name}" and "random" in name.split(".")[-2:-1] and last not in _SEEDED:
        yield "random", f"{name} uses a global state; use np.random.default_rng(seed)"
    if last == "default_rng" and not call.args and not given:
        yield "random", "default_rng() is unseeded; use default_rng(seed)"
    if (
        last in ("sample", "rvs")
        and "." in name
        and not name.startswith("rng.")
        and not given & {"random_state", "seed"}
    ):
        yield "random", f"{name}(…) is unseeded; pass random_state=seed"
    if last in _CLOCK and name.split(".")[0] in ("datetime", "date", "time", "pd", "dt"):
        yield "code", f"{name}() differs in every run; use the parameter as_of"
    if last in ("filterwarnings", "simplefilter", "catch_warnings"):
        yield "code", "warnings must be seen and their cause removed, not filtered"
    if last in ("get_ipython", "system", "popen", "__import__", "eval", "exec"):
        yield "code", f"{name} has no place in a lesson; write plain Python"
