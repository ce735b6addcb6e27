"""The README shows what the notebooks computed: one picture and the answer of each."""

import base64
import re
from pathlib import Path

import nbformat
import pytest

from crmlib import findings
from crmlib.runner import notebooks

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
LESSONS = [path for path in notebooks.notebook_paths(root=ROOT) if path.name != notebooks.TEMPLATE]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_readme_shows_the_notebooks_picture_and_answer(path):
    notebook = nbformat.read(path, as_version=4)
    (picture,) = [cell for cell in notebook.cells if "picture" in cell.metadata.get("tags", [])]
    (png,) = [output.data["image/png"] for output in picture.outputs if "image/png" in output.get("data", {})]
    kept = ROOT / "docs" / "pictures" / f"{path.stem}.png"
    assert kept.read_bytes() == base64.b64decode(png), f"run make notebooks NAMES={path.stem}"
    assert f"(docs/pictures/{path.stem}.png)" in README
    (stored,) = [
        output.data[findings.MIME]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if findings.MIME in output.get("data", {})
    ]
    assert f"> {findings.read(stored)[0].sentence}" in README


def test_every_file_that_the_readme_names_is_there():
    named = re.findall(r"\]\(([^)#:]+)\)", README)
    assert [name for name in named if not (ROOT / name).exists()] == []
