"""Programs that start others as somebody else, in another root or on another host."""

from __future__ import annotations

import re

from hoopgw.policy.shell_facts import NOTHING, Pattern, Starts
from hoopgw.policy.shell_options import Options, Words, longs
from hoopgw.policy.shell_plain import evaluated, plain

_SUDO = Options(
    "ABbEHkLnPS",
    "CDghpRrTtUu",
    longs("askpass background preserve-env set-home reset-timestamp non-interactive preserve-groups stdin"),
    longs("close-from chdir group host prompt chroot role command-timeout type other-user user"),
    assigns=True,
)
# It starts nothing then; where another option stands before, that may have taken the word for its value
_SUDO_TELLS = ("-l", "-ll", "-v", "-V", "-K", "--list", "--validate", "--version", "--remove-timestamp")
_SSH = Options("46AaCfGgKkMNnqsTtVvXxYy", "BbcDEeFIiJLlmOopQRSWw", skip=1)
_SSH_AGAIN = Options(_SSH.flags, _SSH.takes)  # it looks for options behind the host as well
_CHROOT = Options("", "", longs("skip-chdir"), longs("groups userspec"), skip=1)
_DOAS = Options("nL", "u")
_RUNUSER = Options("", "ugG", frozenset(), longs("user group supp-group"))
_SU_FLAGS = "flmpPT"
_SU_LONGS = longs("login fast preserve-environment pty no-pty")
_SU_TAKES = longs("whitelist-environment group supp-group")
_SU_STARTS = {"--command": "c", "--session-command": "c", "--shell": "s"}


def sudo(program: str, words: Words) -> Starts:
    told = words[1:] if words[:1] in (("-n",), ["-n"]) else words
    if told and told[0] in _SUDO_TELLS:
        return NOTHING
    for given in words:
        if given is None or not given.startswith("-"):
            break
        if given in ("-e", "--edit"):
            return Starts(unknown="sudo -e starts an editor")
        if given in ("-i", "-s", "--login", "--shell"):
            return Starts(unknown=f"{program} {given} starts a shell")
    return plain(program, _SUDO, words)


def doas(program: str, words: Words) -> Starts:
    return plain(program, _DOAS, words)


def chroot(program: str, words: Words) -> Starts:
    found = plain(program, _CHROOT, words)
    return Starts(unknown=f"{program} without a command is a shell") if found == NOTHING else found


def su(program: str, words: Words) -> Starts:
    """Options stand before and behind the user's name; of several commands the last is run, and so all are looked at.

    What follows the name is `$0`, `$1` … of the command, or the shell's own where there is none.
    """
    found: dict[str, list[str]] = {"c": [], "s": []}
    here = 0
    while here < len(words) and words[here] != "--":
        given = words[here]
        if given is None or isinstance(given, Pattern):
            return Starts(unknown=f"an argument of {program} that is not known")
        step, option, value = _su_option(given, words[here + 1] if here + 1 < len(words) else None)
        if not step or (option and (value is None or isinstance(value, Pattern))):
            return Starts(unknown=f"an option of {program} that is not known")
        if option and value is not None:
            found[option].append(value)
        here += step
    if not found["c"]:
        return Starts(unknown=f"{program} starts a shell")
    return Starts(tuple((shell, "-c", text) for shell in found["s"] for text in found["c"]), tuple(found["c"]))


def _su_option(given: str, value: str | None) -> tuple[int, str, str | None]:
    """(words that it takes, `c` or `s` where its value is a command or a shell, that); 0 words where nobody knows."""
    if given == "-" or not given.startswith("-"):
        return 1, "", None
    stem, equals, behind = given.partition("=")
    if given.startswith("--"):
        if stem in _SU_STARTS:
            return (1 if equals else 2), _SU_STARTS[stem], behind if equals else value
        if stem[2:] in _SU_TAKES:
            return (1 if equals else 2), "", None
        return int(given[2:] in _SU_LONGS), "", None
    letters = given[1:].lstrip(_SU_FLAGS)
    step = 1 if len(letters) != 1 else 2
    if letters[:1] in ("c", "s"):
        return step, letters[0], letters[1:] or value
    return step if letters[:1] in ("", "g", "G", "w") else 0, "", None


def runuser(program: str, words: Words) -> Starts:
    """`-u` starts a program, without a shell."""
    if words and words[0] is not None and re.match(r"-u|--user\b", words[0]):
        return plain(program, _RUNUSER, words)
    if any(word is not None and re.match(r"-\w*u|--us", word) for word in words):
        return Starts(unknown=f"whether {program} starts a shell is not known")
    return su(program, words)


def ssh(program: str, words: Words) -> Starts:
    """Another host's shell reads what follows the host."""
    if any(
        given is not None and re.search(r"(?i)command|include|match|provider|xauth|\A-[A-Za-z]*[FI]", given)
        for given in words[:-1]
    ):
        return Starts(unknown="an option of ssh that may start a program")
    end = _ssh_end(words)
    if end is None:
        return Starts(unknown="an option of ssh that is not known")
    return evaluated(program, words[end:]) if end < len(words) else Starts(unknown="ssh without a command is a shell")


def _ssh_end(words: Words) -> int | None:
    """Where the command begins."""
    host = _SSH.end(words)
    again = None if host is None else _SSH_AGAIN.end(words[host:])
    return None if host is None or again is None else host + again
