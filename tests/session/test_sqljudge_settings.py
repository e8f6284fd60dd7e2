"""set_config by parameters is judged by what is bound to them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.operation import BIND, EXECUTE, PARSE, QUERY, Operation
from hoopgw.model.verdict import Verdict
from hoopgw.session.sqljudge import SqlJudge
from hoopgw.session.sqlstatements import bound_texts
from tests.session.test_sqljudge_names import judge, said

BOTH = "select set_config($1, $2, false)"
TEXT, NAME, BPCHAR, VARCHAR = 25, 19, 1042, 1043


def parameters(*values: bytes | None, types: tuple[int, ...] = (), formats: tuple[int, ...] = ()) -> bytes:
    """As an Operation has them."""
    told = len(types).to_bytes(2, "big") + b"".join(oid.to_bytes(4, "big") for oid in types)
    told += len(formats).to_bytes(2, "big") + b"".join(code.to_bytes(2, "big") for code in formats)
    told += len(values).to_bytes(2, "big")
    return told + b"".join(
        b"\xff\xff\xff\xff" if value is None else len(value).to_bytes(4, "big") + value for value in values
    )


def asked(session: SqlJudge, text: str, given: bytes, kind: str = EXECUTE) -> bool:
    """Whether it is let through."""
    verdict = session.judge(Operation("postgresql", kind, text.encode(), b"", given))
    assert isinstance(verdict, Verdict)
    return not verdict.refusals


class ByParameters(SynchronousTestCase):
    def test_what_is_bound_decides(self) -> None:
        """At Bind and at Execute, whatever was bound to the same text before; Parse does nothing yet."""
        session = judge()
        self.assertTrue(asked(session, BOTH, b"\0\0", PARSE))
        for kind in (BIND, EXECUTE):
            for name, value, passes in (
                (b"app.tenant", b"7", True),
                (b"ROLE", b"postgres", False),
                (b"client_encoding", b"SJIS", False),
                (b"client_encoding", b"utf-8", True),
                (b"standard_conforming_strings", b"off", False),
                (b"app.tenant", b"\xc3\xa9", True),
                (None, b"7", False),
                (b"client_encoding", None, False),
                ("rol\u00e9".encode(), b"x", False),
            ):
                self.assertEqual(asked(session, BOTH, parameters(name, value), kind), passes, (name, value))

    def test_types(self) -> None:
        """Text is the same in both formats; what becomes text on its way may be another one."""
        for types, passes in (((TEXT, VARCHAR), True), ((0,), True), ((BPCHAR,), False), ((NAME, TEXT), False)):
            given = parameters(b"app.x", b"y", types=types, formats=(1, 0))
            self.assertEqual(asked(judge(), BOTH, given), passes, types)

    def test_one_of_them(self) -> None:
        """A literal beside a parameter; a cast to text; SQLAlchemy's own."""
        for text, values, passes in (
            ("select set_config('client_encoding', $1, false)", (b"LATIN1",), True),
            ("select set_config('client_encoding', $1, false)", (b"BIG5",), False),
            ("select set_config($1, 'off', false)", (b"standard_conforming_strings",), False),
            ("select set_config($1, '', false)", (b"client_encoding",), False),
            ("select set_config($1, current_user, false)", (b"app.x",), True),
            ("select set_config($1, current_user, false)", (b"role",), False),
            ("select set_config($1::varchar, $2::varchar, $3::boolean)", (b"app.x", b"y", b"t"), True),
            ("select set_config($1::varchar, $2::varchar, $3::boolean)", (b"role", b"y", b"t"), False),
            ("select set_config($2, $1, false), set_config('role', $1, false)", (b"y", b"app.x"), False),
            ("explain analyze select set_config($1, 'x', true)", (b"role",), False),
        ):
            self.assertEqual(asked(judge(), text, parameters(*values)), passes, text)

    def test_what_is_not_known(self) -> None:
        """must-survive 17: a parameter that stands somewhere else too has another type; a body's are the caller's; a
        value that is not there is none; and a simple Query has none."""
        harmless = parameters(b"app.x", b"y")
        for text in (
            "select $1::bpchar, set_config($1, $2, false)",
            "select set_config($1::varchar(4), $2, false)",
            "select set_config($1::char(9), $2, false)",
            "select set_config($1 || '', $2, false)",
            "select set_config($3, $2, false)",
        ):
            self.assertFalse(asked(judge(), text, harmless), text)
        self.assertTrue(said(judge(), BOTH, QUERY).refusals)
        session = judge()
        for prepare in ("prepare p as " + BOTH, "declare p cursor for " + BOTH):
            asked(session, prepare, harmless)
        asked(session, BOTH, b"\0\0", PARSE)
        for text in ("execute p('role', 'x')", "fetch all from p"):
            self.assertFalse(asked(session, text, harmless), text)

    def test_names_after_it(self) -> None:
        """A path that was bound is known; an approval is bound to what was."""
        session = judge()
        asked(session, "select set_config('search_path', $1, false)", parameters(b'app, "B"'))
        self.assertEqual((session._context.schemas, session._context.path_unknown), (("app", "B"), False))
        before = session.binding(Operation("postgresql", QUERY, b"select 1"))
        for value in (b"1", b"2"):
            asked(session, "select set_config('app.x', $1, false)", parameters(value))
            after = session.binding(Operation("postgresql", QUERY, b"select 1"))
            self.assertNotEqual(before, after)
            before = after
        asked(session, "select set_config('search_path', $1, false)", parameters(b"\xc3\xa9"))
        self.assertTrue(session._context.path_unknown)

    @given(some.binary(max_size=40))
    def test_junk(self, data: bytes) -> None:
        """Whatever the bytes are, there is an answer."""
        bound_texts(data)
