"""Parameters: what the annotated cell may say, and what is let through to a kernel."""

from pathlib import Path

import numpy as np
import pytest

from crmlib.errors import ParameterError
from crmlib.runner.parameters import Parameter, assignments, checked, declared, defaults, from_text

CELL = """# what this notebook can be told
source: str = "cdnow"  # data source, a name of `crm data list`
engine: str = "pandas"  # engine, one of pandas, polars, duckdb
as_of: str = ""  # last day looked at, ISO date or ""
since: str = "1997-01-01"  # first day, ISO date
seed: int = 1  # seed of the random numbers, 0..1000
level: float = 0.95  # level of the intervals, share, 0.5..0.999
change: float = -1.5  # change, percentage points, ..0
detailed: bool = False  # show more
"""


def notebook(source, *more):
    cells = [{"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": text} for text in (source, *more)]
    return {"cells": cells}


@pytest.fixture(scope="module")
def known():
    return declared(notebook(CELL))


def test_the_cell_declares_types_defaults_meaning_and_ranges(known):
    assert list(known) == ["source", "engine", "as_of", "since", "seed", "level", "change", "detailed"]
    assert known["seed"] == Parameter("int", 1, "seed of the random numbers", low=0, high=1000)
    assert known["level"].help == "level of the intervals, share"
    assert known["level"].limits == (0.5, 0.999)
    assert known["change"].limits == (None, 0.0)
    assert known["engine"].choices == ("pandas", "polars", "duckdb")
    assert known["as_of"].date
    assert known["as_of"].optional
    assert not known["since"].optional
    assert defaults(known)["change"] == -1.5


def test_the_cell_is_never_executed(tmp_path):
    mark = tmp_path / "ran"
    with pytest.raises(ParameterError, match="write each as"):
        declared(notebook(f"seed: int = 1\nopen({str(mark)!r}, 'w')"))
    assert not mark.exists()


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("seed = 1", "write each as"),
        ("seed: int", "default must be a literal"),
        ("seed: int = 1 + 1", "default must be a literal"),
        ("seed: int = None", "default must be a literal"),
        ("seed: int = True", "bool"),
        ("seed: int = 1.0", "float"),
        ("seed: list = [1]", "type must be one of"),
        ("Seed: int = 1", "lower-case"),
        ("seed: int = 1\nseed: int = 2", "twice"),
        ("seed: int = 7  # seed, 0..5", "out of range"),
        ("seed: int = 1  # seed, 5..0", "empty"),
        ("seed: int = 1  # seed, 0..x", "cannot be read"),
        ("seed: int = 1  # seed, 0 .. 5", "cannot be read"),
        ("name: str = 'a'  # name, 0..5", "for int or float"),
        ("name: str = 'a'  # name, one of b, c", "not allowed"),
        ("day: str = ''  # day, ISO date", "no day"),
        ("day: str = ''  # day, ISO date or empty", "cannot be read"),
        ("level: float = 1e999", "finite"),
        ("import os", "write each as"),
        ("seed: int = (", "no Python"),
    ],
)
def test_a_malformed_cell_is_refused(source, fault):
    with pytest.raises(ParameterError, match=fault):
        declared(notebook(source))


def test_all_faults_of_a_cell_are_named_at_once():
    with pytest.raises(ParameterError) as caught:
        declared(notebook("a: int = 'x'\nb = 2\nc: int = 3"))
    assert "line 1" in str(caught.value)
    assert "line 2" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_cells_or_no_notebook_are_refused(tmp_path):
    with pytest.raises(ParameterError, match="2 cells"):
        declared(notebook("a: int = 1", "b: int = 1"))
    with pytest.raises(ParameterError, match="there is no notebook"):
        declared(tmp_path / "missing.ipynb")
    Path(tmp_path / "broken.ipynb").write_text("{")
    with pytest.raises(ParameterError, match="cannot be read"):
        declared(tmp_path / "broken.ipynb")
    assert declared({"cells": []}) == {}


@pytest.mark.parametrize(
    "cell", ["1", '{"cell_type": "code", "source": 7}', '{"source": "", "metadata": {"tags": "x"}}']
)
def test_a_cell_that_is_none_is_refused(tmp_path, cell):
    path = tmp_path / "report.ipynb"
    path.write_text('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [' + cell + "]}")
    with pytest.raises(ParameterError, match="holds a cell that is none"):
        declared(path)


@pytest.mark.parametrize(
    ("name", "value", "plain"),
    [
        ("seed", np.int64(3), 3),
        ("level", np.float64(0.75), 0.75),
        ("level", np.array(0.75), 0.75),
        ("detailed", np.bool_(True), True),
        ("change", -1, -1.0),
        ("as_of", "", ""),
        ("as_of", np.str_("2020-02-29"), "2020-02-29"),
    ],
)
def test_scalars_become_plain_ones_of_the_declared_type(known, name, value, plain):
    found = checked(known, {name: value})[name]
    assert found == plain
    assert type(found) is type(plain)


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("seed", True, "bool"),
        ("seed", np.bool_(True), "bool"),
        ("seed", 1.0, "float"),
        ("seed", "1", "str"),
        ("seed", None, "NoneType"),
        ("seed", np.array([1]), "ndarray"),
        ("seed", 1001, "out of range"),
        ("seed", -1, "out of range"),
        ("level", float("nan"), "finite"),
        ("level", np.inf, "finite"),
        ("level", 10**400, "finite"),
        ("change", 0.1, "out of range"),
        ("detailed", 1, "int"),
        ("engine", "spark", "not allowed"),
        ("as_of", "2020-13-01", "no day"),
        ("as_of", "20200101", "no day"),
        ("since", "", "no day"),
        ("source", "a\nimport os", "line break"),
        ("source", "a\u2028b", "line break"),
        ("source", "a\x00", "line break"),
        ("source", "a" * 2000, "longer than"),
        ("sede", 1, "unknown"),
        ("seed=1; import os", 1, "unknown"),
        ("__import__('os')", 1, "unknown"),
    ],
)
def test_wrong_values_are_refused(known, name, value, fault):
    with pytest.raises(ParameterError, match=fault):
        checked(known, {name: value})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("seed", "12", 12),
        ("seed", "+0", 0),
        ("level", "0.9", 0.9),
        ("level", "9e-1", 0.9),
        ("change", "-2", -2.0),
        ("detailed", "true", True),
        ("detailed", "False", False),
        ("as_of", "1998-06-30", "1998-06-30"),
        ("source", "007", "007"),
        ("source", "'; import os; '", "'; import os; '"),
    ],
)
def test_text_is_read_by_the_declared_type(known, name, text, value):
    found = from_text(known, {name: text})[name]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("seed", text) for text in ("007", "1_0", "1.0", "1e2", "0x1", "true", "", " 1", "٣", "9" * 30, "-1")),
        *(("level", text) for text in ("nan", "inf", "1e999", "00.5", "0,9", "1_0.0", "")),
        *(("detailed", text) for text in ("yes", "1", "TRUE", "")),
        ("as_of", "yesterday"),
    ],
)
def test_text_that_is_no_value_of_the_type_is_refused(known, name, text):
    with pytest.raises(ParameterError, match=name):
        from_text(known, {name: text})


def test_all_faults_are_named_in_one_line(known):
    with pytest.raises(ParameterError) as caught:
        from_text(known, {"seed": "x", "sede": "1", "level": "2"})
    message = str(caught.value)
    assert all(part in message for part in ("seed", "sede", "level"))
    assert "\n" not in message
    assert caught.value.exit_code == 2


def test_assignments_are_plain_literals():
    values = {"source": 'it\'s "x" \\ # y', "seed": 1, "level": -0.5, "detailed": True}
    namespace: dict = {}
    exec(assignments(values), {}, namespace)
    assert namespace == values
    for name, value in [("a b", 1), ("a=1;b", 1), ("class", 1), ("a", [1]), ("a", np.float64(1))]:
        with pytest.raises(ParameterError):
            assignments({name: value})
