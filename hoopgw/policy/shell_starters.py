"""Programs that start what their arguments say, and what of it can be known."""

from __future__ import annotations

import re
from collections.abc import Callable

from hoopgw.policy.shell_facts import NOTHING, Pattern, Starts
from hoopgw.policy.shell_filters import awk, sed
from hoopgw.policy.shell_options import Options, Words, longs
from hoopgw.policy.shell_plain import PLAIN, evaluated, plain
from hoopgw.policy.shell_programs import ASK, CODE, DANGEROUS, OPAQUE, OPTIONS_THAT_RUN, READ_INPUT, SHELLS, names
from hoopgw.policy.shell_users import chroot, doas, runuser, ssh, su, sudo

_EXEC = Options("cl", "a")
_XARGS = Options(
    "0rtpxo",
    "adEILnPs",
    # The value of the last two stands behind `=`, or nowhere
    longs("null no-run-if-empty verbose interactive exit open-tty show-limits max-lines replace"),
    longs("arg-file delimiter max-args max-procs max-chars process-slot-var"),
)
_ENV = Options("iv0", "uC", longs("ignore-environment null debug"), longs("unset chdir"), assigns=True, lone=True)
_FLOCK = Options(
    "sxnuoeF", "wE", longs("shared exclusive nonblock unlock close no-fork"), longs("timeout wait conflict-exit-code")
)
_EXECS = frozenset(("-exec", "-execdir", "-ok", "-okdir", "-x", "-X", "--exec", "--exec-batch"))


def starts(program: str, arguments: Words) -> Starts:
    """What `program` starts because of these arguments."""
    for known in names(program):
        found = _known(known, arguments)
        if found is not None:
            return found
    if program.startswith("ld-") and ".so" in program:
        return Starts(unknown="a loader starts what its arguments say")
    return NOTHING


def is_read(program: str) -> bool:
    """What it starts is told by `starts`."""
    return any(
        known in PLAIN or known in _SPECIAL or known in OPTIONS_THAT_RUN or known in OPAQUE or known in ASK
        for known in names(program)
    )


def _known(program: str, arguments: Words) -> Starts | None:
    """None where nothing is known of it."""
    options = PLAIN.get(program)
    if options is not None:
        return plain(program, options, arguments)
    special = _SPECIAL.get(program)
    if special is not None:
        return special(program, arguments)
    if program in OPAQUE:
        return Starts(unknown=f"what {program} starts is not read here")
    if program in ASK:
        return Starts(unknown=f"what {program} is told by its input may start others")
    if program in CODE:
        return _code(program, arguments)
    if program in OPTIONS_THAT_RUN or program in READ_INPUT:
        return _optional(program, arguments)
    return None


def _env(program: str, words: Words) -> Starts:
    if any(given is not None and (given.startswith(("-S", "--split-string"))) for given in words):
        return Starts(unknown="env -S splits a text by its own rules")
    return plain(program, _ENV, words)


def _command(program: str, words: Words) -> Starts:
    if words and words[0] in ("-v", "-V"):
        return NOTHING
    return plain(program, Options("p"), words)


def _exec(program: str, words: Words) -> Starts:
    """Of the name that `-a` gives, a program of many names makes another: `exec -a rm busybox` is `rm`."""
    found = plain(program, _EXEC, words)
    names: list[str | None] = []
    for given, value in zip(words, (*words[1:], None), strict=False):
        option = re.match(r"-[cl]*a(.*)", given or "", re.DOTALL)
        if option is not None:
            names.append(option[1] or value)
    called = tuple((name.lstrip("-") if name else name, *made[1:]) for made in found.words for name in names)
    return Starts((*found.words, *called), (), found.unknown)


def _xargs(program: str, words: Words) -> Starts:
    replaced = {"{}"}
    for given, value in zip(words, (*words[1:], None), strict=False):  # of no words there is no next one
        option = re.match(r"-[0rtpxo]*I(.*)|--replace=(.*)", given or "", re.DOTALL)
        if option is not None:
            replaced.add(option[1] or option[2] or value or "{}")
    found = plain(program, _XARGS, words, (None,))
    commands = tuple(
        tuple(None if word and any(each in word for each in replaced) else word for word in made)
        for made in found.words
    )
    return Starts(commands, (), found.unknown)


def _shell(program: str, words: Words) -> Starts:
    """`sh -c TEXT`; otherwise it reads a file or its input, which the caller may know."""
    here = 0
    while here < len(words):
        given = words[here]
        if (
            given is None
            or isinstance(given, Pattern)
            or given[:1] not in ("-", "+")
            or given in ("-", "--", "--rcfile", "--init-file")
        ):
            break
        letters = given[1:] if given[1:2] != "-" else ""
        if "c" in letters and "o" not in letters.lower():
            text = words[here + 1] if here + 1 < len(words) else None
            if text is None or isinstance(text, Pattern) or text[:1] in ("-", "+"):
                return Starts(unknown=f"the text that {program} -c gets is not known")
            return Starts(scripts=(text,))
        if "s" in letters or ("o" in letters.lower() and "c" in letters):
            break
        here += 2 if "o" in letters.lower() else 1
    return Starts(unknown=f"what {program} reads is not known")


def _declaring(program: str, words: Words) -> Starts:
    """The builtin by a quoted name, or behind `command`: the grammar sees no declaration then."""
    return Starts(unknown=f"what {program} declares is not read here") if words else NOTHING


def _jobs(program: str, words: Words) -> Starts:
    runs = any(word is None or (word.startswith("-") and "x" in word) for word in words)
    return Starts(unknown="jobs -x starts a program") if runs else NOTHING


def _trap(program: str, words: Words) -> Starts:
    if not words or words[0] in ("-l", "-p", "-", ""):
        return NOTHING
    first = words[1] if words[0] == "--" and len(words) > 1 else words[0]
    if first is None or isinstance(first, Pattern):
        return Starts(unknown="what trap runs is not known")
    return Starts(scripts=(first,))


def _source(program: str, words: Words) -> Starts:
    return Starts(unknown=f"the file that {program} reads is not seen")


def _flock(program: str, words: Words) -> Starts:
    end = _FLOCK.end(words)
    if end is None or end >= len(words) or isinstance(words[end], Pattern):
        return Starts(unknown="an option of flock that is not known")
    rest = words[end + 1 :]
    if rest and rest[0] in ("-c", "--command"):
        return evaluated(program, rest[1:])
    return Starts((tuple(rest),)) if rest else NOTHING


def _watch(program: str, words: Words) -> Starts:
    longer = longs("beep color differences errexit chgexit exec precise no-title no-wrap equexit")
    end = Options("bcdegprtxw", "nq", longer, longs("interval equexit")).end(words)
    if end is None:
        return Starts(unknown="an option of watch that is not known")
    found = evaluated(program, words[end:])
    direct = any(word is not None and re.match(r"-\w*x|--exec", word) for word in words[:end])
    return Starts((tuple(words[end:]),), found.scripts, found.unknown) if direct else found


def _find(program: str, words: Words) -> Starts:
    found: list[tuple[str | None, ...]] = []
    here = 0
    if any(word is None or (isinstance(word, Pattern) and word.anything) for word in words):
        return Starts(unknown=f"an argument of {program} that is not known")
    if program in ("fd", "fdfind") and any(word and re.match(r"--exec.*=|-[A-Za-z]*[xX]", word) for word in words):
        return Starts(unknown=f"where a command of {program} begins is not known")
    while here < len(words):
        if words[here] in _EXECS:
            begin = here = here + 1
            while here < len(words) and words[here] != ";" and words[here - 1 : here + 1] != ("{}", "+"):
                here += 1
            if any(word in _EXECS for word in words[begin:here]):
                return Starts(unknown=f"where a command of {program} begins is not known")
            found.append(tuple(None if word and "{" in word else word for word in words[begin:here]))
        here += 1
    return Starts(tuple(found))


def _assigning(program: str, words: Words) -> Starts:
    """Builtins that set variables, by names that their arguments give."""
    if program == "let":
        return Starts(unknown="let computes what stands in variables")
    for given in words:
        if given is None or isinstance(given, Pattern):
            return Starts(unknown=f"an argument of {program} that is not known")
        attached = (given[at:] for at in range(2, len(given))) if given.startswith("-") else ()
        if any(DANGEROUS.match(name) for name in (given.split("=")[0].split("[")[0], *attached)):
            return Starts(unknown=f"{program} may set {given.split('=')[0]}")
        if "[" in given or "`" in given or (given.startswith("-") and "C" in given):
            return Starts(unknown=f"{program} may run what stands in {given!r}")
    return NOTHING


def _printf(program: str, words: Words) -> Starts:
    if words and (words[0] is None or words[0].startswith(("-", "*", "?", "["))):
        return Starts(unknown="printf may set a variable")
    return NOTHING


def _test(program: str, words: Words) -> Starts:
    """`-v` runs what stands in a subscript; so may what expands to several words."""
    loose = any(word is None or (isinstance(word, Pattern) and word.anything) for word in words)
    if loose or "-v" in words or "-R" in words:
        return Starts(unknown=f"{program} of what is not known may run what stands in it")
    return NOTHING


def _alias(program: str, words: Words) -> Starts:
    return Starts(unknown="aliases change what names mean")


def _shopt(program: str, words: Words) -> Starts:
    if "expand_aliases" in words or any(word is None or isinstance(word, Pattern) for word in words):
        return Starts(unknown="aliases change what names mean")
    return NOTHING


def _set(program: str, words: Words) -> Starts:
    """`set -k`: a word like PATH=/x, wherever it stands, is a variable then."""
    for given in words:
        if given is None or (isinstance(given, Pattern) and given.anything):
            return Starts(unknown="an option of set that is not known")
        if given[:1] not in ("-", "+") or given in ("-", "--"):
            break
        if "k" in given:
            return Starts(unknown="set -k makes variables of arguments")
    return Starts(unknown="set -k makes variables of arguments") if "keyword" in words else NOTHING


def _service(program: str, words: Words) -> Starts:
    """The first word is a file's name, which may lead out of /etc/init.d."""
    if not words or (words[0] is not None and re.fullmatch(r"--status-all|[\w@.-]*[\w@-]", words[0])):
        return NOTHING
    return Starts(unknown="what service starts is not known")


def _hash(program: str, words: Words) -> Starts:
    return Starts(unknown="hash changes what names mean") if words and words != ("-r",) else NOTHING


def _code(program: str, words: Words) -> Starts:
    given = words[0] if words else ""
    loose = isinstance(given, Pattern) and given.anything
    reads = loose or given is None or given[:1] in ("", "-") or re.search(r"/(dev|proc)/", "/" + given) is not None
    if reads and given not in ("-V", "--version", "-v", "--help"):
        return Starts(unknown=f"code that {program} reads is not read here")
    return NOTHING


def _optional(program: str, words: Words) -> Starts:
    if program == "rsync" and words and words[0] == "--server":  # `-e.iLs` says there what the client can do
        words = [word for word in words if word is None or not re.fullmatch(r"-[A-Za-z]*e\.[A-Za-z]*", word)]
    for place, word in enumerate(words if program in OPTIONS_THAT_RUN else ()):
        if word is None or _runs(program, word, place):
            return Starts(unknown=f"{program} may start what its arguments say")
    if program in READ_INPUT and (not words or "-" in words):
        return Starts(unknown=f"what {program} reads may start others")
    return NOTHING


def _runs(program: str, word: str, place: int) -> bool:
    """`word` may be one of the options: in whole, as a long one cut short, or as a letter among others."""
    letters = r"-[a-z]{0,3}" if program == "git" else r"-[A-Za-z0-9]*"
    for option in OPTIONS_THAT_RUN[program]:
        if word.startswith(option) and (word == option or not re.fullmatch("[a-z]+", option)):
            return True
        stem = word.partition("=")[0]
        if len(stem) > 3 and stem.startswith("--") and option.startswith(stem):
            return True
        if len(option) == 2 and option[0] == "-" and re.match(letters + re.escape(option[1]), word):
            return True
        if program in ("ip", "npm") and option.startswith(word):  # their words may be cut short
            return True
        if program == "tar" and place == 0 and len(option) == 2 and word[:1] != "-" and option[1] in word:
            return True
    if program == "git" and "ext::" in word:
        return True
    if program == "systemctl" and "/" in word:  # a unit that stands anywhere
        return True
    if program == "tar" and re.match(r"[^/]*:", word):  # an archive on another host: tar starts ssh
        return True
    return isinstance(word, Pattern) and word.anything


_SPECIAL: dict[str, Callable[[str, Words], Starts]] = {
    **dict.fromkeys(SHELLS, _shell),
    "su": su,
    "runuser": runuser,
    "sudo": sudo,
    "doas": doas,
    "chroot": chroot,
    "exec": _exec,
    **dict.fromkeys(("awk", "gawk", "mawk", "nawk", "original-awk", "goawk", "bwk", "bioawk"), awk),
    **dict.fromkeys(("source", "."), _source),
    **dict.fromkeys(("find", "bfs", "fd", "fdfind"), _find),
    **dict.fromkeys(("alias", "unalias"), _alias),
    **dict.fromkeys(("read", "readarray", "mapfile", "getopts", "let", "unset", "wait"), _assigning),
    **dict.fromkeys(("test", "["), _test),
    **dict.fromkeys(("declare", "typeset", "local", "export", "readonly"), _declaring),
    "jobs": _jobs,
    "printf": _printf,
    "env": _env,
    "command": _command,
    "xargs": _xargs,
    "eval": evaluated,
    "trap": _trap,
    "flock": _flock,
    "watch": _watch,
    "ssh": ssh,
    "slogin": ssh,
    "sed": sed,
    "shopt": _shopt,
    "hash": _hash,
    "set": _set,
    "service": _service,
}
