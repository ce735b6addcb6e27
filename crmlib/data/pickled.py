"""Tables that a wheel holds as pickles, read without trusting them.

A pickle can run code when it is read. Here a process of its own reads it, isolated from the user's
environment, with limits on time and memory, and refuses every name but the few that a pandas frame of
numbers and text is made of; what comes back is Arrow, which holds data only.
"""

from __future__ import annotations

import io
import lzma
import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

#: All that a pickled frame may name.
ALLOWED = frozenset(
    {
        ("builtins", "slice"),
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy.core.numeric", "_frombuffer"),
        ("numpy._core.numeric", "_frombuffer"),
        ("pandas", "DataFrame"),
        ("pandas", "Index"),
        ("pandas", "RangeIndex"),
        ("pandas._libs.internals", "_unpickle_block"),
        ("pandas.core.frame", "DataFrame"),
        ("pandas.core.indexes.base", "Index"),
        ("pandas.core.indexes.base", "_new_Index"),
        ("pandas.core.indexes.range", "RangeIndex"),
        ("pandas.core.internals.managers", "BlockManager"),
    }
)
_LARGEST = 256 * 2**20
_MEMORY = 4 * 2**30
_SECONDS = 120


def pickled_frame(compressed: bytes) -> pd.DataFrame:
    """Frame of an xz-compressed pickle, read in a process of its own.

    Parameters
    ----------
    compressed : bytes
        Of a pandas frame whose columns are numbers and text.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    SourceError
        It names anything that a frame is not made of, is no frame, or is too large.
    """
    import pyarrow as pa

    from crmlib.errors import SourceError

    command = [sys.executable, "-I", str(Path(__file__))]
    try:
        done = subprocess.run(command, input=compressed, capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"a pickled table took longer than {_SECONDS} seconds to read; it was refused") from error
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it ended without a word"]
        raise SourceError(f"a pickled table was refused: {lines[-1][:200]}; fetch the wheel again, or do without it")
    return pa.ipc.open_stream(done.stdout).read_all().to_pandas()


class Restricted(pickle.Unpickler):
    """Unpickler that finds only the names in `ALLOWED`."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the named object, or refuse it."""
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no table is made of")
        return super().find_class(module, name)


def main() -> None:
    """Read a compressed pickle from the standard input and write Arrow to the standard output."""
    import pandas as pd
    import pyarrow as pa

    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    except (ImportError, ValueError):  # not on every system; the parent's time limit remains
        pass
    raw = lzma.LZMADecompressor().decompress(sys.stdin.buffer.read(), max_length=_LARGEST + 1)
    if len(raw) > _LARGEST:
        raise SystemExit("it is larger than any table of these wheels")
    frame = Restricted(io.BytesIO(raw)).load()
    if not isinstance(frame, pd.DataFrame):
        raise SystemExit(f"it holds a {type(frame).__name__}, not a table")
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    with pa.ipc.new_stream(sys.stdout.buffer, table.schema) as stream:
        stream.write_table(table)


if __name__ == "__main__":
    main()
