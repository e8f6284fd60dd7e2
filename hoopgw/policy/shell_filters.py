"""Whether a script of awk or sed starts other programs."""

from __future__ import annotations

import re
from itertools import pairwise

from hoopgw.policy.shell_facts import NOTHING, Pattern, Starts
from hoopgw.policy.shell_options import Options, Words

_AWK = Options("", "Fv")
_QUIET_AWK = re.compile(r"system|getline|\||@")
_SED_OPTION = re.compile(r"-[nErsuz]*(?:e|i[\w.]*)?|--|--quiet|--silent|--posix|--in-place|--debug|--null-data")
_QUIET_SED = re.compile(
    r"\s*(?:(?:\d+|\$|/[^/\n;]*/)(?:,(?:\d+|\$|/[^/\n;]*/))?\s*!?\s*[pdqD=]"
    r"|s(?P<by>[/|#,:@])(?:(?!(?P=by))[^\\\n]|\\.)*(?P=by)(?:(?!(?P=by))[^\\\n]|\\.)*(?P=by)[gIip0-9]*)"
    r"\s*(?:;|\Z)"
)


def awk(program: str, words: Words) -> Starts:
    """A name of a file may be its script, or an option where it takes those behind the script."""
    begin = _AWK.end(words)
    if begin is None or any(
        word is None or re.match(r"-[^Fv-]|--.", word) or _QUIET_AWK.search(word) for word in words
    ):
        return Starts(unknown=f"the program that {program} runs may start others")
    if any(isinstance(word, Pattern) and (place == begin or word.anything) for place, word in enumerate(words)):
        return Starts(unknown=f"the program that {program} runs is not known")
    return NOTHING


def sed(program: str, words: Words) -> Starts:
    """It takes options between the files as well, up to `--`."""
    if any(word is None or (word.startswith("-") and not _SED_OPTION.fullmatch(word)) for word in words):
        return Starts(unknown="the script that sed runs is not known")
    texts = [word for word in words if word is not None]
    options = texts[: texts.index("--")] if "--" in texts else texts
    if any(isinstance(word, Pattern) and word.anything for word in options):
        return Starts(unknown="a name of a file may be an option of sed: write -- before it, or ./")
    scripts = [after for before, after in pairwise(texts) if re.fullmatch(r"-[nErsuz]*e", before)]
    if not scripts:
        scripts = [word for word in texts if not word.startswith("-")][:1]
    return NOTHING if all(map(_quiet, scripts)) else Starts(unknown="a script of sed that may start a program")


def _quiet(script: str) -> bool:
    if isinstance(script, Pattern):
        return False
    while script.strip():
        found = _QUIET_SED.match(script)
        if found is None:
            return False
        script = script[found.end() :]
    return True
