"""Pickled tables are read as data, never as code."""

from __future__ import annotations

import lzma
import os
import pickle

import numpy as np
import pandas as pd
import pytest

from crmlib.data import pickled
from crmlib.errors import SourceError


def packed(thing):
    return lzma.compress(pickle.dumps(thing))


class Command:
    """Runs a command when it is unpickled by anybody who does not look."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_command_in_a_pickle_is_refused_and_never_run(tmp_path):
    mark = tmp_path / "ran"
    with pytest.raises(SourceError, match=r"names \w+\.system, which no table is made of") as caught:
        pickled.pickled_frame(packed(Command(f"touch '{mark}'")))
    assert "\n" not in str(caught.value)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("compressed", "message"),
    [
        (packed([1, 2]), "it holds a list, not a table"),
        (b"no archive", "refused"),
        (lzma.compress(b"no pickle"), "refused"),
        (lzma.compress(pickle.dumps(eval)), r"names builtins\.eval"),
    ],
)
def test_what_is_no_table_is_refused(compressed, message):
    with pytest.raises(SourceError, match=message):
        pickled.pickled_frame(compressed)


def test_a_reader_that_hangs_is_ended(monkeypatch):
    def slow(*command, **options):
        raise pickled.subprocess.TimeoutExpired("python", 1)

    monkeypatch.setattr(pickled.subprocess, "run", slow)
    with pytest.raises(SourceError, match="longer than"):
        pickled.pickled_frame(b"")


def test_a_frame_of_numbers_comes_back_whole():
    frame = pd.DataFrame(np.arange(6.0).reshape(3, 2), columns=pd.Index(["a", "b"], dtype=object))
    stream = lzma.compress(pickle.dumps(frame, protocol=4))
    found = pickled.pickled_frame(stream)
    pd.testing.assert_frame_equal(found, frame, check_column_type=False)
