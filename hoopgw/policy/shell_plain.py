"""Programs whose words are another command's, behind their own options."""

from __future__ import annotations

from hoopgw.policy.shell_facts import NOTHING, Pattern, Starts
from hoopgw.policy.shell_options import Options, Words, longs
from hoopgw.policy.shell_programs import DANGEROUS

PLAIN = {  # NAME [options] COMMAND [argument…]
    "nohup": Options(),
    "builtin": Options(),
    "time": Options("apvq", "fo", longs("portability append verbose quiet"), longs("format output")),
    "nice": Options("", "n", frozenset(), longs("adjustment"), numbers=True),
    "ionice": Options("t", "cn", longs("ignore"), longs("class classdata")),
    "setsid": Options("cfw", "", longs("ctty fork wait")),
    "stdbuf": Options("", "ioe", frozenset(), longs("input output error")),
    "timeout": Options("fpv", "ks", longs("preserve-status foreground verbose"), longs("kill-after signal"), skip=1),
    "busybox": Options(),
    "toybox": Options(),
    "chronic": Options("ev"),
    "unbuffer": Options("p"),
    "arch": Options(),  # of macOS; elsewhere it gets no words
}


def plain(program: str, options: Options, words: Words, more: tuple[str | None, ...] = ()) -> Starts:
    end = options.end(words)
    if end is None:
        return Starts(unknown=f"an option of {program} that is not known")
    for given in words[:end]:
        if options.assigns and given is not None and not given.startswith("-") and DANGEROUS.match(given.split("=")[0]):
            return Starts(unknown=f"{program} sets {given.split('=')[0]}")
    rest = (*words[end:], *more)
    return Starts((rest,)) if end < len(words) else NOTHING


def evaluated(program: str, words: Words) -> Starts:
    if any(word is None or isinstance(word, Pattern) for word in words):  # a name of a file would be read as text
        return Starts(unknown=f"what {program} reads is not known")
    rest = words[1:] if words and words[0] == "--" else words
    return Starts(scripts=(" ".join(word for word in rest if word is not None),))
