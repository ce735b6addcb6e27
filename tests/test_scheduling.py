"""The examples of docs/scheduling: their commands are run, their units and files are read."""

import configparser
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from crmlib.cli import cli

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = DOCS / "scheduling"
FIXTURES = Path(__file__).parent / "notebooks"


def unit(name):
    parser = configparser.RawConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read_string((EXAMPLES / name).read_text())
    return parser


def airflow_tasks(project, monkeypatch):
    """Arguments of each BashOperator that the DAG makes, by a stand-in for Airflow."""
    tasks = []

    class Dag:
        def __init__(self, name, **options):
            assert options["catchup"] is False

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

    names = ["airflow", "airflow.sdk", "airflow.providers", "airflow.providers.standard"]
    names += ["airflow.providers.standard.operators", "airflow.providers.standard.operators.bash"]
    for name in names:
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["airflow.sdk"].DAG = Dag
    sys.modules[names[-1]].BashOperator = lambda **options: tasks.append(options)
    copy = project / "dag.py"
    copy.write_text((EXAMPLES / "airflow_dag.py").read_text().replace("/opt/crm", str(project)))
    runpy.run_path(str(copy))
    return tasks


@pytest.fixture
def project(tmp_path):
    """A project where the examples have theirs, with `crm` in its `.venv`."""
    root = tmp_path / "crm"
    (root / "notebooks").mkdir(parents=True)
    (root / "reports").mkdir()
    shutil.copy(FIXTURES / "good.ipynb", root / "notebooks" / "report.ipynb")
    (root / "reports.yml").write_text("reports:\n  report: {notebook: notebooks/report.ipynb}\n")
    script = root / ".venv" / "bin" / "crm"
    script.parent.mkdir(parents=True)
    # through sh, since a first line cannot name an interpreter in a folder with spaces
    program = "import sys; sys.argv[0] = 'crm'; from crmlib.cli import main; main()"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c "{program}" "$@"\n')
    script.chmod(0o755)
    return root


def commands(project, monkeypatch):
    crontab = (EXAMPLES / "crontab").read_text().splitlines()
    (job,) = [line for line in crontab if re.match(r"[\d*]", line)]
    workflow = yaml.safe_load((EXAMPLES / "github-workflow.yml").read_text())
    container = (EXAMPLES / "Containerfile").read_text()
    (task,) = airflow_tasks(project, monkeypatch)
    start, rest = (json.loads(re.search(rf"^{name} (.*)$", container, re.M)[1]) for name in ("ENTRYPOINT", "CMD"))
    return {
        "cron": job.split(None, 5)[5],
        "systemd": unit("crm-reports.service")["Service"]["ExecStart"],
        "airflow": task["bash_command"],
        "github": next(
            step["run"] for step in workflow["jobs"]["reports"]["steps"] if "crm report" in step.get("run", "")
        ),
        "container": shlex.join([*start, *rest]),
        "manual": re.search(r"^    (/opt/crm/\S+crm .*report run)$", (DOCS / "scheduling.md").read_text(), re.M)[1],
    }


def in_shell(line, folder, home):
    """The command with what cron gives a job: no CRM_PROJECT, hardly a variable."""
    environment = {"PATH": os.defpath, "HOME": str(home), "SHELL": "/bin/sh"}
    command = ["sh", "-c", line]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("example", ["cron", "systemd", "airflow", "github", "container", "manual"])
def test_the_examples_commands_run_the_plan(project, monkeypatch, example):
    line = commands(project, monkeypatch)[example].replace("/opt/crm", str(project))
    folder = project if example == "github" else "/"
    done = in_shell(line, folder, project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project / "reports" / "latest" / "report" / "report.html").is_file()
    if example == "cron":
        assert done.stdout + done.stderr == ""
        assert "good in" in (project / "reports" / "cron.log").read_text()


def test_cron_mails_the_end_of_the_log_on_failure(project):
    (project / "reports.yml").write_text("reports: 3\n")
    line = commands_of_cron().replace("/opt/crm", str(project))
    done = in_shell(line, "/", project)
    assert "one mapping" in done.stdout


def commands_of_cron():
    (job,) = [line for line in (EXAMPLES / "crontab").read_text().splitlines() if re.match(r"[\d*]", line)]
    assert "%" not in job  # cron would make it a line break
    return job.split(None, 5)[5]


def test_the_units_catch_up_and_tell_of_failures():
    assert unit("crm-reports.timer")["Timer"]["Persistent"] == "true"
    service = unit("crm-reports.service")
    assert service["Unit"]["OnFailure"] == "crm-reports-failed@%n.service"
    assert (service["Service"]["Type"], service["Service"]["KillMode"]) == ("oneshot", "mixed")


def test_systemd_accepts_the_units(project):
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("needs systemd-analyze: apt-get install systemd")
    folder = project / "units"
    folder.mkdir()
    for path in EXAMPLES.glob("crm-reports*"):
        text = path.read_text().replace("/opt/crm", str(project)).replace("User=crm\n", "")
        (folder / path.name).write_text(text.replace("/usr/bin/logger", "/bin/echo"))
    (folder / "crm-reports-failed@crm-reports.service.service").symlink_to(folder / "crm-reports-failed@.service")
    units = [str(folder / name) for name in ("crm-reports.service", "crm-reports.timer")]
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"}
    done = subprocess.run(
        [program, "verify", "--man=no", *units], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert str(folder) not in done.stderr, done.stderr
    when = subprocess.run(
        [program, "calendar", unit("crm-reports.timer")["Timer"]["OnCalendar"]], capture_output=True, timeout=60
    )
    assert when.returncode == 0


def test_airflow_makes_a_task_of_each_report(project, monkeypatch):
    (project / "reports.yml").write_text("reports: {a: {notebook: a.ipynb}, b: {notebook: b.ipynb}}\n")
    tasks = airflow_tasks(project, monkeypatch)
    assert [task["task_id"] for task in tasks] == ["a", "b"]
    assert all((task["skip_on_exit_code"], task["retries"]) == (4, 0) for task in tasks)


def test_airflow_reads_names_as_the_plan_does(project, monkeypatch):
    (project / "reports.yml").write_text("reports: {no: {notebook: a.ipynb}, on: {notebook: b.ipynb}}\n")
    assert [task["task_id"] for task in airflow_tasks(project, monkeypatch)] == ["no", "on"]


def test_the_workflow_keeps_history_also_when_a_report_failed():
    """actions/cache saves after a job that succeeded alone."""
    steps = yaml.safe_load((EXAMPLES / "github-workflow.yml").read_text())["jobs"]["reports"]["steps"]
    names = [step.get("uses", step.get("run", "")).split("@")[0] for step in steps]
    run = next(number for number, name in enumerate(names) if "crm report run" in name)
    restore, save = names.index("actions/cache/restore"), names.index("actions/cache/save")
    assert restore < run < save
    assert steps[save]["if"] == "always()"
    assert steps[save]["with"] == {key: steps[restore]["with"][key] for key in ("path", "key")}


def test_every_option_that_the_page_names_is_known():
    page = (DOCS / "scheduling.md").read_text()
    for command, options in re.findall(r"^    crm report (\w+)([^#\n]*)", page, re.M):
        told = CliRunner().invoke(cli, ["report", command, "--help"]).output
        assert "Usage" in told
        assert all(option in told for option in re.findall(r"--[\w-]+", options)), (command, options)


def test_the_page_names_every_example_and_exit_code():
    from crmlib.runner.outcomes import EXIT_CODES

    page = (DOCS / "scheduling.md").read_text()
    assert [path.name for path in EXAMPLES.iterdir() if f"(scheduling/{path.name})" not in page] == []
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.M)} == {*EXIT_CODES.values(), 2}
