"""What is known of a command line before a shell reads it: the facts that guardrails of SSH match on.

The seam for a parser: as long as there is none, only the exact text is known, and which commands stand in it is not.
"""

from __future__ import annotations

from dataclasses import dataclass

from hoopgw.model.operation import EXEC, SHELL, Operation


@dataclass(frozen=True, slots=True)
class ShellFacts:
    """`doubt` says why it cannot be known what runs; "" where the text is all there is to know."""

    text: bytes
    doubt: str = ""


def facts_of(operation: Operation) -> ShellFacts:
    """A shell reads what it runs from its input: nobody knows that before."""
    if operation.kind == SHELL:
        return ShellFacts(b"", "what a shell reads from its input is not known before it runs")
    if operation.kind == EXEC and not operation.text.strip():
        return ShellFacts(operation.text, "an empty command is a shell")
    return ShellFacts(operation.text)
