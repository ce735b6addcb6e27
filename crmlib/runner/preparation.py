"""A notebook made ready to run: parameters set, cells for people at a keyboard taken out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crmlib.errors import ParameterError

#: Cells with these tags are for people at a keyboard: removed before a run.
NOT_RUN = ("interactive", "exercise", "solution")


def prepared(notebook: Any, assignments: str = "") -> Any:
    """Copy of a notebook as it will be run: cells for people removed, outputs cleared, parameters set.

    Parameters
    ----------
    notebook : notebook node
    assignments : str
        Python source placed in a cell of its own after the one tagged `parameters`.

    Raises
    ------
    ParameterError
        There is something to assign and no cell tagged `parameters`.
    """
    import copy

    import nbformat

    result = copy.deepcopy(notebook)
    result.cells = [cell for cell in result.cells if not set(NOT_RUN) & set(tags(cell))]
    for cell in result.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    if assignments:
        places = [index for index, cell in enumerate(result.cells) if "parameters" in tags(cell)]
        if not places:
            raise ParameterError("the notebook has no cell tagged 'parameters'; tag one to give it parameters")
        cell = nbformat.v4.new_code_cell(assignments, metadata={"tags": ["injected-parameters"]})
        cell.id = "injected-parameters"
        result.cells.insert(places[0] + 1, cell)
    result.metadata.pop("widgets", None)
    result.metadata["papermill"] = {}
    for cell in result.cells:
        cell.metadata["papermill"] = {}
    return result


def tags(cell: Mapping[str, Any]) -> list[str]:
    """Tags of a cell."""
    return list(cell.get("metadata", {}).get("tags", []))
