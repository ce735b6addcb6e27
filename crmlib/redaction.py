"""Passwords and tokens struck out of what is kept, shown or handed on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_STRUCK = "***"
_NAME = r"[\w-]*(?:password|passwd|pwd|token|secret|credential|signature|(?:api|access|account|private)[_-]?key)[\w-]*"
_NAMED = re.compile(_NAME, re.IGNORECASE)
# To the last @ of the word: a password may hold one that is not written as %40.
_LOGIN = re.compile(r"(?<=://)\S*@")
# A text cut short may have lost its @; a port is all digits.
_CUT = re.compile(r"(://[^\s/@:]+:)(?!\d*(?:[^\w]|$))\S+")
_SETTING = re.compile(rf"\b({_NAME}\s*=\s*)('[^']*'|\"[^\"]*\"|[^\s&;,'\"]+)", re.IGNORECASE)


def redacted(content: Any) -> Any:
    """The content with every secret in it struck out: in texts, and in mappings and lists of them.

    Secrets are what stands before the host of an address (`postgresql://user:secret@host`), what a setting is
    given whose name says so (`password=secret`), and the text under such a name.

    Parameters
    ----------
    content : str, mapping, list or anything else
        What is none of these, and holds none, stays as it is.
    """
    if isinstance(content, str):
        if "://" not in content and "=" not in content:
            return content
        short = _CUT.sub(rf"\g<1>{_STRUCK}", _LOGIN.sub(f"{_STRUCK}@", content))
        return _SETTING.sub(rf"\g<1>{_STRUCK}", short)
    if isinstance(content, Mapping):
        return {
            name: _STRUCK if isinstance(value, str) and value and _NAMED.fullmatch(str(name)) else redacted(value)
            for name, value in content.items()
        }
    if isinstance(content, list):
        return [redacted(item) for item in content]
    return content
