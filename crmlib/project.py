"""Where the project lies: the folder that holds `reports.yml`."""

from __future__ import annotations

import os
from pathlib import Path

from crmlib.errors import ProjectError

MARK = "reports.yml"


def project_root(start: Path | None = None) -> Path:
    """Folder of the project: `CRM_PROJECT`, else the nearest parent with a `reports.yml`.

    Parameters
    ----------
    start : Path, optional
        Where to begin looking; the working directory when not given. A scheduler that starts
        in `/` finds the checkout that this package was installed from (editable install).

    Raises
    ------
    ProjectError
        No such folder; or `CRM_PROJECT` names one without `reports.yml`.
    """
    named = os.environ.get("CRM_PROJECT")
    if named:
        root = Path(named).expanduser().resolve()
        if not (root / MARK).is_file():
            raise ProjectError(f"no {MARK} in {named}, which --project or CRM_PROJECT names; name the project's folder")
        return root
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents, Path(__file__).resolve().parents[1]):
        if (folder / MARK).is_file():
            return folder
    raise ProjectError(f"no {MARK} in {here} or above it; go into the project's folder, or name it with --project")
