"""The files that set the project up say the same."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import crmlib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def locked(name: str) -> dict[str, set[Version]]:
    """Locked versions by package: more than one where they depend on the Python version."""
    versions: dict[str, set[Version]] = {}
    for line in (ROOT / name).read_text("utf-8").splitlines():
        if line and not line.startswith((" ", "#")):
            requirement = Requirement(line.rstrip(" \\"))
            (pin,) = requirement.specifier
            assert pin.operator == "==", line
            versions.setdefault(canonicalize_name(requirement.name), set()).add(Version(pin.version))
    return versions


RUN, DEV = locked("requirements.lock"), locked("requirements-dev.lock")


@pytest.mark.parametrize(
    ("lock", "requirements"),
    [
        (RUN, PROJECT["dependencies"] + EXTRAS["lab"] + EXTRAS["build"]),
        (DEV, PROJECT["dependencies"] + EXTRAS["lab"] + EXTRAS["build"] + EXTRAS["dev"]),
    ],
    ids=["requirements.lock", "requirements-dev.lock"],
)
def test_the_lock_satisfies_what_the_project_declares(lock, requirements):
    for text in requirements:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        assert name in lock, f"{name} is declared but not locked: make lock"
        assert all(version in requirement.specifier for version in lock[name]), f"{text}: make lock"


def test_the_build_system_is_locked():
    built_by = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"]
    assert {canonicalize_name(Requirement(text).name) for text in built_by} <= set(RUN)


def test_the_test_lock_only_adds():
    assert {name: DEV.get(name) for name in RUN} == RUN


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_locked_package_has_hashes(name):
    entries = re.split(r"\n(?=[A-Za-z0-9])", (ROOT / name).read_text("utf-8"))
    unhashed = [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry]
    assert unhashed == []


def test_conda_brings_python_and_the_same_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    plain = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert set(pip) == {"--only-binary=:all:", "--require-hashes", "-r requirements.lock"}
    assert {"pip", "make", "pango"} <= set(plain)
    (python,) = [entry.removeprefix("python") for entry in plain if entry.startswith("python")]
    assert SpecifierSet(python) == SpecifierSet(PROJECT["requires-python"])
    # Nothing else: a package from conda would be a second resolution beside the lock.
    assert len(plain) == 4


def test_one_oldest_python_everywhere():
    oldest = PROJECT["requires-python"].removeprefix(">=")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert project["tool"]["mypy"]["python_version"] == oldest
    assert project["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert f"--python-version {oldest}" in makefile
    assert f"sys.version_info < {tuple(map(int, oldest.split('.')))}" in makefile


def test_one_version_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert crmlib.__version__ == PROJECT["version"] == citation["version"]
    assert f"## [{crmlib.__version__}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


SETUP = [
    "requirements.lock",
    "requirements-dev.lock",
    "data/requirements.txt",
    "environment.yml",
    "Makefile",
    ".ci/run",
]


@pytest.mark.parametrize("name", SETUP)
def test_no_registry_host_is_named(name):
    """Mirrors and air-gapped machines have their own: pip's configuration names it, not these files."""
    text = (ROOT / name).read_text("utf-8")
    assert not re.search(r"://|index-url|find-links|pypi\.|pythonhosted|trusted-host", text)


@pytest.mark.parametrize("variable", ["VENV=no such folder", "VENV=/proc"])
def test_make_lists_its_targets_without_an_environment(variable):
    done = subprocess.run(["make", variable], cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0
    assert not done.stderr
    for target in ("help", "reports", "test", "lab", "data", "notebooks", "new", "lint", "lock", "clean"):
        assert re.search(rf"^  {target} +\S", done.stdout, re.MULTILINE)


def test_make_names_the_remedy_when_no_python_will_do(tmp_path):
    done = subprocess.run(
        ["make", "setup", f"VENV={tmp_path / 'new environment'}", "PYTHON=/nowhere/python3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode != 0
    assert "no Python 3.11 or newer found" in done.stderr
    assert not (tmp_path / "new environment").exists()


def test_make_names_the_package_that_debian_leaves_out(tmp_path):
    """Without python3-venv, `python3 -m venv` leaves half an environment behind and fails."""
    python = tmp_path / "python3"
    python.write_text('#!/bin/sh\nif [ "$2" = venv ]; then mkdir -p "$4/bin"; exit 1; fi\n')
    python.chmod(0o755)
    done = subprocess.run(
        ["make", "setup", f"VENV={tmp_path / 'new environment'}", f"PYTHON={python}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode != 0
    assert "apt-get install python3-venv" in done.stderr
    assert not (tmp_path / "new environment").exists()


def test_make_spares_a_folder_that_is_no_environment(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    done = subprocess.run(["make", "setup", f"VENV={tmp_path}"], cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert done.returncode != 0
    assert "no Python environment" in done.stderr
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
