"""Programs that start what their arguments say, and what of it can be known."""

from __future__ import annotations

import re
from collections.abc import Callable

from hoopgw.policy.shell_facts import NOTHING, Pattern, Starts
from hoopgw.policy.shell_filters import awk, sed
from hoopgw.policy.shell_options import Options, Words, longs
from hoopgw.policy.shell_programs import ASK, CODE, DANGEROUS, OPAQUE, OPTIONS_THAT_RUN, READ_INPUT, SHELLS

_PLAIN = {  # NAME [options] COMMAND [argument…]
    "nohup": Options(),
    "builtin": Options(),
    "time": Options("apvq", "fo", longs("portability append verbose quiet"), longs("format output")),
    "nice": Options("", "n", frozenset(), longs("adjustment"), numbers=True),
    "ionice": Options("t", "cn", longs("ignore"), longs("class classdata")),
    "setsid": Options("cfw", "", longs("ctty fork wait")),
    "stdbuf": Options("", "ioe", frozenset(), longs("input output error")),
    "timeout": Options("fpv", "ks", longs("preserve-status foreground verbose"), longs("kill-after signal"), skip=1),
    "chroot": Options("", "", longs("skip-chdir"), longs("groups userspec"), skip=1),
    "doas": Options("nL", "u"),
    "exec": Options("cl", "a"),
    "busybox": Options(),
    "toybox": Options(),
    "chronic": Options("ev"),
    "unbuffer": Options("p"),
    "sudo": Options(
        "ABbEHkLnPS",
        "CDghpRrTtUu",
        longs("askpass background preserve-env set-home reset-timestamp non-interactive preserve-groups stdin"),
        longs("close-from chdir group host prompt chroot role command-timeout type other-user user preserve-env"),
        assigns=True,
    ),
}
_XARGS = Options(
    "0rtpxo",
    "adEILnPs",
    longs("null no-run-if-empty verbose interactive exit open-tty show-limits"),
    longs("arg-file delimiter max-lines max-args max-procs max-chars process-slot-var replace"),
)
_ENV = Options("iv0", "uC", longs("ignore-environment null debug"), longs("unset chdir"), assigns=True, lone=True)
_FLOCK = Options(
    "sxnuoeF", "wE", longs("shared exclusive nonblock unlock close no-fork"), longs("timeout wait conflict-exit-code")
)
_SSH = Options("46AaCfGgKkMNnqsTtVvXxYy", "BbcDEeFIiJLlmOopQRSWw", skip=1)
_SU = ("su", "runuser")
_EXECS = frozenset(("-exec", "-execdir", "-ok", "-okdir", "-x", "-X", "--exec", "--exec-batch"))


def starts(program: str, arguments: Words) -> Starts:
    """What `program` starts because of these arguments."""
    options = _PLAIN.get(program)
    if options is not None:
        return _plain(program, options, arguments)
    special = _SPECIAL.get(program)
    if special is not None:
        return special(program, arguments)
    if program in OPAQUE:
        return Starts(unknown=f"what {program} starts is not read here")
    if program in ASK:
        return Starts(unknown=f"what {program} is told by its input may start others")
    return _code(program, arguments)


def _plain(program: str, options: Options, words: Words, more: tuple[str | None, ...] = ()) -> Starts:
    end = options.end(words)
    if end is None:
        return Starts(unknown=f"an option of {program} that is not known")
    for given in words[:end]:
        if options.assigns and given is not None and not given.startswith("-") and DANGEROUS.match(given.split("=")[0]):
            return Starts(unknown=f"{program} sets {given.split('=')[0]}")
    rest = (*words[end:], *more)
    return Starts((rest,)) if end < len(words) else NOTHING


def _sudo(program: str, words: Words) -> Starts:
    for given in words:
        if given is None or not given.startswith("-"):
            break
        if given in ("-l", "-v", "-V", "-K", "--list", "--validate", "--version", "--remove-timestamp"):
            return NOTHING
        if given in ("-e", "--edit"):
            return Starts(unknown="sudo -e starts an editor")
        if given in ("-i", "-s", "--login", "--shell"):
            return Starts(unknown=f"{program} {given} starts a shell")
    return _plain(program, _PLAIN["sudo"], words)


def _env(program: str, words: Words) -> Starts:
    if any(given is not None and (given.startswith(("-S", "--split-string"))) for given in words):
        return Starts(unknown="env -S splits a text by its own rules")
    return _plain(program, _ENV, words)


def _command(program: str, words: Words) -> Starts:
    if words and words[0] in ("-v", "-V"):
        return NOTHING
    return _plain(program, Options("p"), words)


def _xargs(program: str, words: Words) -> Starts:
    replaced = {"{}"}
    for given, value in zip(words, (*words[1:], None), strict=False):  # of no words there is no next one
        option = re.match(r"(?:-[0rtpxo]*[Ii]|--replace=?)(.*)", given or "", re.DOTALL)
        if option is not None:
            replaced.add(option[1] or value or "{}")
    found = _plain(program, _XARGS, words, (None,))
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


def _su(program: str, words: Words) -> Starts:
    texts: list[str] = []
    for place, given in enumerate(words):
        if given is None or isinstance(given, Pattern):
            return Starts(unknown=f"an argument of {program} that is not known")
        if given in ("-c", "--command"):
            text = words[place + 1] if place + 1 < len(words) else None
            if text is None:
                return Starts(unknown=f"the text that {program} -c gets is not known")
            texts.append(text)
        elif given.startswith("--command="):
            texts.append(given.partition("=")[2])
    if texts:
        return Starts(scripts=tuple(texts))
    if program == "runuser" and "-u" in words:
        return _plain(program, Options("flmp", "ugG"), words)
    return Starts(unknown=f"{program} starts a shell")


def _eval(program: str, words: Words) -> Starts:
    if any(word is None or isinstance(word, Pattern) for word in words):  # a name of a file would be read as text
        return Starts(unknown=f"what {program} reads is not known")
    rest = words[1:] if words and words[0] == "--" else words
    return Starts(scripts=(" ".join(word for word in rest if word is not None),))


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
        return _eval(program, rest[1:])
    return Starts((tuple(rest),)) if rest else NOTHING


def _watch(program: str, words: Words) -> Starts:
    longer = longs("beep color differences errexit chgexit exec precise no-title no-wrap equexit")
    end = Options("bcdegprtxw", "nq", longer, longs("interval equexit")).end(words)
    return Starts(unknown="an option of watch that is not known") if end is None else _eval(program, words[end:])


def _ssh(program: str, words: Words) -> Starts:
    """Another host's shell reads what follows the host."""
    if any(
        given is not None and re.search(r"(?i)command|include|match|provider|xauth|\A-[A-Za-z]*[FI]", given)
        for given in words[:-1]
    ):
        return Starts(unknown="an option of ssh that may start a program")
    end = _SSH.end(words)
    if end is None:
        return Starts(unknown="an option of ssh that is not known")
    return _eval(program, words[end:]) if end < len(words) else Starts(unknown="ssh without a command is a shell")


def _find(program: str, words: Words) -> Starts:
    found: list[tuple[str | None, ...]] = []
    here = 0
    if any(word is None or (isinstance(word, Pattern) and word.anything) for word in words):
        return Starts(unknown=f"an argument of {program} that is not known")
    if program != "find" and any(word and re.match(r"--exec.*=|-[A-Za-z]*[xX]", word) for word in words):
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
    interpreter = re.sub(r"\d.*\Z", "", program, flags=re.DOTALL)  # perl5.36-x86_64-linux-gnu
    if interpreter in CODE:
        given = words[0] if words else ""
        loose = isinstance(given, Pattern) and given.anything
        reads = loose or given is None or given[:1] in ("", "-") or re.search(r"/(dev|proc)/", "/" + given) is not None
        if reads and given not in ("-V", "--version", "-v", "--help"):
            return Starts(unknown=f"code that {program} reads is not read here")
        return NOTHING
    if program == "rsync" and words and words[0] == "--server":  # `-e.iLs` says there what the client can do
        words = [word for word in words if word is None or not re.fullmatch(r"-[A-Za-z]*e\.[A-Za-z]*", word)]
    for place, word in enumerate(words if program in OPTIONS_THAT_RUN else ()):
        if word is None or _runs(program, word, place):
            return Starts(unknown=f"{program} may start what its arguments say")
    if program.startswith("ld-") and ".so" in program:
        return Starts(unknown="a loader starts what its arguments say")
    if program in READ_INPUT and (not words or "-" in words):
        return Starts(unknown=f"what {program} reads may start others")
    return NOTHING


def _runs(program: str, word: str, place: int) -> bool:
    """`word` may be one of the options: in whole, as a long one cut short, or as a letter among others."""
    letters = r"-[a-z]{0,3}" if program == "git" else r"-[A-Za-z0-9]*"
    for option in OPTIONS_THAT_RUN[program]:
        if word.startswith(option):
            return True
        stem = word.partition("=")[0]
        if len(stem) > 3 and stem.startswith("--") and option.startswith(stem):
            return True
        if len(option) == 2 and option[0] == "-" and re.match(letters + re.escape(option[1]), word):
            return True
        if program == "ip" and option.startswith(word):  # its words may be cut short
            return True
        if program == "tar" and place == 0 and len(option) == 2 and word[:1] != "-" and option[1] in word:
            return True
    if program == "tar" and re.match(r"[^/]*:", word):  # an archive on another host: tar starts ssh
        return True
    return isinstance(word, Pattern) and word.anything


_SPECIAL: dict[str, Callable[[str, Words], Starts]] = {
    **dict.fromkeys(SHELLS, _shell),
    **dict.fromkeys(_SU, _su),
    **dict.fromkeys(("awk", "gawk", "mawk", "nawk"), awk),
    **dict.fromkeys(("source", "."), _source),
    **dict.fromkeys(("find", "fd", "fdfind"), _find),
    **dict.fromkeys(("alias", "unalias"), _alias),
    **dict.fromkeys(("read", "readarray", "mapfile", "getopts", "let", "unset", "wait"), _assigning),
    **dict.fromkeys(("test", "["), _test),
    **dict.fromkeys(("declare", "typeset", "local", "export", "readonly"), _declaring),
    "jobs": _jobs,
    "printf": _printf,
    "sudo": _sudo,
    "env": _env,
    "command": _command,
    "xargs": _xargs,
    "eval": _eval,
    "trap": _trap,
    "flock": _flock,
    "watch": _watch,
    "ssh": _ssh,
    "slogin": _ssh,
    "sed": sed,
    "shopt": _shopt,
    "hash": _hash,
    "set": _set,
    "service": _service,
}
