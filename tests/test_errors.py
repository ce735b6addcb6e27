"""Errors: one line each, and exit codes that differ by what went wrong."""

import subprocess
import sys

import pytest

from crmlib import errors

ALL = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.CrmError)]


@pytest.mark.parametrize("kind", ALL)
def test_the_message_is_the_text_itself(kind):
    assert str(kind("orders lacks 'amount'; add it")) == "orders lacks 'amount'; add it"  # KeyError would quote it


@pytest.mark.parametrize("kind", ALL)
def test_an_error_without_message_has_its_name(kind):
    assert str(kind()) == kind.__name__


def test_errors_are_also_what_python_calls_them():
    assert issubclass(errors.ParameterError, ValueError)
    assert issubclass(errors.DataError, ValueError)
    assert issubclass(errors.MissingColumnsError, KeyError)
    assert issubclass(errors.ConvergenceError, RuntimeError)


def test_exit_codes_are_documented_and_above_zero():
    codes = {kind.__name__: kind.exit_code for kind in ALL}
    assert codes["CrmError"] == 1
    assert codes["ParameterError"] == 2  # as click's own usage errors
    assert codes["DataError"] == codes["MissingColumnsError"] == codes["SourceError"] == 3
    assert len({codes[name] for name in ("CrmError", "ParameterError", "DataError", "BusyError")}) == 4
    assert len({codes[name] for name in ("BusyError", "RunTimeoutError", "KernelDiedError")}) == 3
    assert all(0 < code < 126 for code in codes.values())  # a shell uses 126 and above itself


@pytest.mark.parametrize("kind", ALL)
def test_the_command_leaves_with_the_code_and_one_line(kind):
    program = f"""
import crmlib.cli as c
from crmlib import errors
@c.cli.command("fail")
def fail():
    raise errors.{kind.__name__}("orders lacks 'amount'; add it")
c.main()
"""
    done = subprocess.run([sys.executable, "-c", program, "fail"], capture_output=True, text=True, timeout=60)
    assert done.returncode == kind.exit_code
    assert done.stderr == "error: orders lacks 'amount'; add it\n"
    assert done.stdout == ""


def test_a_full_disk_is_one_line_too():
    program = """
import errno, crmlib.cli as c
@c.cli.command("fail")
def fail():
    raise OSError(errno.ENOSPC, "No space left on device", "reports/index.html")
c.main()
"""
    done = subprocess.run([sys.executable, "-c", program, "fail"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "error: No space left on device (reports/index.html); see to the disk and its permissions\n"
