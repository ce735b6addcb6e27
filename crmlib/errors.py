"""What can go wrong, named. Each message is one line: what is wrong, then the remedy.

Every error carries the exit code with which the `crm` command leaves when nothing else
handles it; the README lists them all.
"""

from __future__ import annotations

from crmlib.redaction import redacted


class CrmError(Exception):
    """Base of all errors raised on purpose. The message names the value and the remedy."""

    exit_code = 1

    def __str__(self) -> str:  # KeyError would show the message in quotes
        return str(redacted(str(self.args[0]))) if self.args else self.__class__.__name__


class ParameterError(CrmError, ValueError):
    """An argument or notebook parameter is unknown, of the wrong type or out of range."""

    exit_code = 2


class DataError(CrmError, ValueError):
    """A table breaks its contract, or holds values a method has no answer for."""

    exit_code = 3


class MissingColumnsError(DataError, KeyError):
    """A frame lacks columns that a function needs."""


class StaleDataError(DataError):
    """Data ended longer ago than the plan allows."""


class SourceError(CrmError):
    """A data source is unknown, absent, or was refused because its hash is wrong."""

    exit_code = 3


class ProjectError(SourceError):
    """There is no project where one was looked for: the call is wrong, not the data."""

    exit_code = 2


class BusyError(CrmError):
    """Another run of the same report with the same parameters holds the lock."""

    exit_code = 4


class RunTimeoutError(CrmError):
    """A cell or a whole run took longer than allowed."""

    exit_code = 5


class KernelDiedError(CrmError):
    """The kernel ended before the notebook did."""

    exit_code = 6


class ConvergenceError(CrmError, RuntimeError):
    """A model did not converge. The message says what to try."""
