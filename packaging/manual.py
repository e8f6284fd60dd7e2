"""Manual pages and completions from the command and the configuration's schema: `manual.py DIRECTORY`."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import click
from click.shell_completion import FishComplete, ZshComplete, get_completion_class

from hoopgw import __version__, config_reference
from hoopgw.cli.main import main as command
from hoopgw.config_schema import SECTIONS, Key
from hoopgw.config_titles import TITLES
from hoopgw.policy.facts import ACTIONS, OBJECTS
from hoopgw.policy.masks import BUILT_IN_PATTERNS

RULES = ("guardrail", "then", "hold", "limit", "mask", "pattern", "selector", "who")
DATE = "2026"


def roff(text: str) -> str:
    """Text as itself: no line of it is a request, and `code` and **words** are shown as such."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    marked = re.sub(r"`([^`]*)`|\*\*([^*]*)\*\*", lambda found: f"\\fB{found[1] or found[2]}\\fR", escaped)
    return "\n".join(f"\\&{line}" if line[:1] in (".", "'") else line for line in marked.split("\n"))


def head(name: str, section: int, what: str) -> Iterator[str]:
    yield f'.TH "{name.upper()}" {section} "{DATE}" "hoopgw {__version__}" "hoopgw"'
    yield f".SH NAME\n{roff(name)} \\- {roff(what)}"


def paragraphs(text: str) -> Iterator[str]:
    for part in inspect.cleandoc(text).split("\n\n"):
        yield f".PP\n{roff(part.replace(chr(8), '').strip())}"


def _first(text: str | None) -> str:
    return re.split(r"\.(?:\s|$)", (text or "").strip().replace("\n", " "))[0]


def _options(one: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in one.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            yield f".TP\n.B {roff(record[0])}\n{roff(record[1] or 'See above.')}"


def _synopsis(one: click.Command, context: click.Context) -> str:
    return f".PP\n.B {roff(context.command_path)}\n{roff(' '.join(one.collect_usage_pieces(context)))}"


def command_page(name: str, one: click.Command, parent: click.Context) -> Iterator[str]:
    """hoopgw-NAME(1): the command, or a group with all its commands."""
    context = click.Context(one, info_name=name, parent=parent)
    yield from head(f"hoopgw-{name}", 1, _first(one.help))
    yield ".SH SYNOPSIS"
    group = isinstance(one, click.Group)
    members = {sub: one.commands[sub] for sub in sorted(one.commands)} if isinstance(one, click.Group) else {}
    contexts = {sub: click.Context(each, info_name=sub, parent=context) for sub, each in members.items()}
    for sub, each in members.items():
        yield _synopsis(each, contexts[sub])
    if not group:
        yield _synopsis(one, context)
    yield ".SH DESCRIPTION"
    yield from paragraphs(one.help or "")
    if not group:
        yield ".SH OPTIONS"
        yield from _options(one, context)
    for sub, each in members.items():
        yield f".SH {roff(sub.upper())}"
        yield from paragraphs(each.help or "")
        yield from _options(each, contexts[sub])
    yield from also("hoopgw(1), hoopgw.toml(5), hoopgw-guardrails(5)")


def main_page(context: click.Context) -> Iterator[str]:
    yield from head("hoopgw", 1, "gateway between agents and the systems they work on")
    yield f".SH SYNOPSIS\n{_synopsis(command, context)}\n.SH DESCRIPTION"
    yield from paragraphs(command.help or "")
    yield ".PP\nThe gateway is \\fBhoopgw.service\\fR; clients reach it by the sockets of its \\fB.socket\\fR units."
    yield ".SH COMMANDS"
    for name in command.list_commands(context):
        one = command.get_command(context, name)
        yield f".TP\n.B {roff(name)}\n{roff(_first(one.help if one else ''))}: see \\fBhoopgw\\-{roff(name)}\\fR(1)."
    yield ".SH OPTIONS"
    yield from _options(command, context)
    yield ".SH FILES\n.TP\n.I /etc/hoopgw\nThe configuration; hoopgw.toml(5) and hoopgw\\-guardrails(5)."
    yield ".TP\n.I /var/lib/hoopgw\nRecordings, index, and the keys that the gateway made."
    yield ".TP\n.I /usr/share/doc/hoopgw\nInstallation, operations, hardening, events, threat model."
    yield from also("hoopgw.toml(5), hoopgw-guardrails(5), psql(1), systemctl(1)")


def also(names: str) -> Iterator[str]:
    yield f".SH SEE ALSO\n{roff(names)}"


def _keys(keys: dict[str, Key]) -> Iterator[str]:
    for name, key in keys.items():
        default = config_reference.shown(key)
        said = {"-": "", "needed": " It is needed."}.get(default, f" Default: {default}.")
        yield f".TP\n.B {roff(name)}\n{roff(key.doc + said)}"


def _sections(names: list[str]) -> Iterator[str]:
    for name in names:
        yield f".SH {roff(TITLES[name].upper() if not name else TITLES[name])}"
        if name in config_reference.NOTES:
            yield roff(config_reference.NOTES[name])
        yield from _keys(SECTIONS[name])


def toml_page() -> Iterator[str]:
    yield from head("hoopgw.toml", 5, "configuration of the hoopgw gateway, its targets and its grants")
    yield ".SH DESCRIPTION"
    _, _, introduction = config_reference.HEAD.partition("\n\n")
    _, _, introduction = introduction.partition("\n\n")  # where the reference itself comes from
    for part in introduction.strip().split("\n\n"):
        if part.startswith("|"):
            yield from _table(part)
        else:
            yield f".PP\n{roff(part)}"
    yield from _sections([name for name in SECTIONS if name not in RULES])
    yield from also("hoopgw(1), hoopgw-guardrails(5)")


def _table(text: str) -> Iterator[str]:
    for line in text.splitlines()[2:]:
        first, second = (cell.strip() for cell in line.strip("|").split("|", 1))
        yield f".TP\n.B {roff(first)}\n{roff(second)}"


def guardrails_page() -> Iterator[str]:
    yield from head("hoopgw-guardrails", 5, "rules and masks of the hoopgw gateway")
    yield ".SH DESCRIPTION\nFiles of /etc/hoopgw/guardrails.d, in TOML.  See also /usr/share/doc/hoopgw/guardrails.md."
    yield from _sections([name for name in SECTIONS if name in RULES])
    yield ".SH EFFECTS OF A STATEMENT\n" + roff(", ".join(sorted(ACTIONS)))
    yield ".PP\nKinds of objects:\n" + roff(", ".join(sorted(OBJECTS)))
    yield ".SH BUILT\\-IN PATTERNS\n" + roff(", ".join(BUILT_IN_PATTERNS))
    yield from also("hoopgw(1), hoopgw.toml(5)")


def pages() -> dict[str, str]:
    """File name -> roff."""
    context = click.Context(command, info_name="hoopgw", max_content_width=1000, **command.context_settings)
    found = {"hoopgw.1": main_page(context), "hoopgw.toml.5": toml_page(), "hoopgw-guardrails.5": guardrails_page()}
    for name in command.list_commands(context):
        one = command.get_command(context, name)
        assert one is not None
        found[f"hoopgw-{name}.1"] = command_page(name, one, context)
    return {name: "\n".join(lines) + "\n" for name, lines in found.items()}


def completions() -> dict[str, str]:
    bash = get_completion_class("bash")
    assert bash is not None
    # not by the class's own `source`: it asks the machine's bash for its version
    shells = {"bash": bash, "zsh": ZshComplete, "fish": FishComplete}
    made = {name: each(command, {}, "hoopgw", "_HOOPGW_COMPLETE") for name, each in shells.items()}
    found = {f"complete.{name}": each.source_template % each.source_vars() for name, each in made.items()}
    # type, then value and description, in which there are commas as well
    found["complete.fish"] = found["complete.fish"].replace('string split ","', 'string split --max 1 ","')
    return found


def main(target: Path) -> None:
    (target / "man").mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (target / "man" / name).write_text(text)
    for name, text in completions().items():
        (target / name).write_text(text + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
