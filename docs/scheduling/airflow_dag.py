"""Airflow 3: one task a report of the plan, so that the cluster spreads them.

The runner retries what a second try can mend and keeps its own history, so Airflow does not retry.
Exit code 4, the same report is running already, marks the task as skipped.
"""

import datetime
from pathlib import Path

import yaml
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

PROJECT = Path("/opt/crm")

with DAG(
    "crm_reports",
    schedule="15 6 * * *",
    start_date=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    catchup=False,
    max_active_runs=1,
) as dag:
    # As text: YAML would read a report named `on` or `no` as true or false.
    for name in yaml.load((PROJECT / "reports.yml").read_text(), Loader=yaml.BaseLoader)["reports"]:  # noqa: S506
        BashOperator(
            task_id=name,
            bash_command=f"{PROJECT}/.venv/bin/crm --project {PROJECT} report run {name} --retries 1",
            skip_on_exit_code=4,
            retries=0,
            execution_timeout=datetime.timedelta(hours=2),
        )
