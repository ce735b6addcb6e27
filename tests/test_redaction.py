"""Secrets struck out of records, pages, messages and what commands hear."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from crmlib.errors import DataError
from crmlib.redaction import redacted

FIXTURES = Path(__file__).parent / "notebooks"


@pytest.mark.parametrize(
    ("text", "struck"),
    [
        ("postgresql://user:secret@host:5432/db", "postgresql://***@host:5432/db"),
        ("postgresql://user:se/c@r:et@host/db is none", "postgresql://***@host/db is none"),
        ("https://ghp_123@host/x", "https://***@host/x"),
        ("'mysql+pymysql://u:longsecre…", "'mysql+pymysql://u:***"),
        ("host=db user=u password=secret dbname=x", "host=db user=u password=*** dbname=x"),
        ("host=db password = 'two words' port=1", "host=db password = *** port=1"),
        ("md:db?motherduck_token=abc&x=1", "md:db?motherduck_token=***&x=1"),
        ("https://store/x?X-Amz-Signature=ab12&part=2", "https://store/x?X-Amz-Signature=***&part=2"),
        ("http://localhost:8080/data", "http://localhost:8080/data"),
        ("ada@firm.org wrote 3 = 1 + 2", "ada@firm.org wrote 3 = 1 + 2"),
    ],
)
def test_what_is_secret_goes_and_the_rest_stays(text, struck):
    assert redacted(text) == struck
    assert str(DataError(text)) == struck
    assert redacted({"message": [text], "n": 3}) == {"message": [struck], "n": 3}


def test_a_text_under_a_secret_name_goes():
    assert redacted({"api_key": "abc", "db_password": "", "key": "k", "token_rate": 0.5}) == {
        "api_key": "***",
        "db_password": "",
        "key": "k",
        "token_rate": 0.5,
    }


@pytest.mark.parametrize("name", ["source", "address"])
def test_a_password_reaches_no_file_no_log_and_no_command(tmp_path, name):
    notebook = nbformat.read(FIXTURES / "good.ipynb", as_version=4)
    cell = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    if name != "source":  # which the notebook has
        cell.source += f'\n{name}: str = ""  # where the data are'
    (tmp_path / "notebooks").mkdir()
    nbformat.write(notebook, tmp_path / "notebooks" / "report.ipynb")
    (tmp_path / "reports.yml").write_text("reports:\n  report: {notebook: notebooks/report.ipynb}\n")
    script = tmp_path / "hook"
    script.write_text(f"#!/bin/sh\nenv | grep ^CRM_ > {tmp_path}/heard\n")
    script.chmod(0o755)
    command = ["report", "run", "report", "--as", "own", "-p", f"{name}=postgresql://user:hunter2@host/db"]
    command += ["--on-failure", str(script), "--on-success", str(script)]
    done = subprocess.run(
        [sys.executable, "-c", "from crmlib.cli import main; main()", *command],
        capture_output=True,
        text=True,
        env={**os.environ, "CRM_PROJECT": str(tmp_path)},
        check=False,
    )
    assert done.returncode == (3 if name == "source" else 0), done.stdout + done.stderr
    assert "hunter2" not in done.stdout + done.stderr + (tmp_path / "heard").read_text()
    (line,) = (tmp_path / "reports" / "runs.jsonl").read_text().splitlines()
    assert json.loads(line)["parameters"][name] == "postgresql://***@host/db"
    written = [path for path in (tmp_path / "reports").rglob("*") if path.is_file() and path.suffix != ".ipynb"]
    assert not [path for path in written if b"hunter2" in path.read_bytes()]
    shutil.rmtree(tmp_path / "reports")
