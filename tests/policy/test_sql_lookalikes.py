"""Calls that look like fields, or like grammar that the server does not have."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy.catalogue import Catalogue, Column, Function, Relation
from hoopgw.policy.catalogue_types import Type, type_system
from hoopgw.policy.facts import Statement
from hoopgw.policy.sql import analyse
from hoopgw.policy.sql_names import NameContext

INT, TEXT, ROW, RECORD = 23, 25, 20_500, 2249
TYPES = type_system(
    (
        Type(INT, "pg_catalog", "int4", "b"),
        Type(TEXT, "pg_catalog", "text", "b"),
        Type(ROW, "public", "notes", "c"),
        Type(RECORD, "pg_catalog", "record", "p"),
    ),
    (),
    (),
)
NOTES = Relation(20_001, "public", "notes", "r", (Column(1, "id", INT), Column(2, "note", TEXT)), row_type=ROW)
SALARIES = Relation(20_002, "hr", "salaries", "r", (Column(1, "amount", INT),))
BODY = "CREATE FUNCTION public.{}() RETURNS int LANGUAGE sql AS 'SELECT amount FROM hr.salaries'"


def own(oid: int, name: str, *arguments: int) -> Function:
    return Function(oid, "public", name, "f", "sql", "s", result=INT, arguments=arguments, definition=BODY.format(name))


FUNCTIONS = {
    ("pg_catalog", "lower"): (
        Function(870, "pg_catalog", "lower", "f", "internal", "i", result=TEXT, arguments=(TEXT,)),
    ),
    ("public", "lower"): (own(21_001, "lower", ROW),),
    ("public", "paid"): (own(21_002, "paid", ROW), own(21_003, "paid", INT)),
    ("public", "any_row"): (own(21_004, "any_row", RECORD),),
    ("public", "length_of"): (own(21_005, "length_of", TEXT),),
    ("public", "json_scalar"): (own(21_006, "json_scalar", TEXT),),
    ("public", "json_array"): (own(21_007, "json_array", TEXT),),
    ("public", "json_object"): (own(21_008, "json_object", TEXT),),
    ("public", "json_value"): (own(21_009, "json_value", TEXT, TEXT),),
}
CATALOGUE = Catalogue(
    1,
    {(each.schema, each.name): each for each in (NOTES, SALARIES)},
    {each.oid: each for each in (NOTES, SALARIES)},
    FUNCTIONS,
    {each.oid: each for found in FUNCTIONS.values() for each in found},
    ("public",),
    TYPES,
)
CONTEXT = NameContext(schemas=("public",))


def read(text: str, context: NameContext = CONTEXT) -> Statement:
    (statement,) = analyse(text.encode(), CATALOGUE, context).statements
    return statement


class Hidden(SynchronousTestCase):
    def test_fields(self) -> None:
        """must-survive 17: x.f is f(x), of a table, of its alias, of a subquery, of a WITH, of any row; also where
        PostgreSQL has a function of that name, or there are several."""
        for text in (
            "select n.lower from notes n",
            "select (n).lower from notes n",
            "select notes.lower from notes",
            "select public.notes.lower from notes",
            "select (null::notes).lower",
            "select n.paid from notes n",
            "select x.paid from (select * from notes) x",
            "with x as (select * from notes) select x.lower from x",
            "select x.any_row from (select 1 as a) x",
            "select id from notes n order by n.paid",
            "select ((array_agg(n))[1]).lower from notes n",
        ):
            below = {str(each) for each in read(text).read_below}
            self.assertIn("hr.salaries", below, text)

    def test_no_calls(self) -> None:
        """A column, and a name of which no function takes a row, is none."""
        for text in (
            "select n.note from notes n",
            "select x.note from (select * from notes) x",
            "select x.length_of from (select 1 as length_of) x",
            "select x.a, (x.b).c from (select 1 as a) x",
        ):
            self.assertFalse(read(text).calls, text)

    def test_forms_of_newer_grammars(self) -> None:
        """A server that does not know JSON_SCALAR takes it for somebody's function."""
        for text in (
            "select json_scalar('x')",
            "select json_array('x')",
            "select json_array(select 1)",
            "select json_object('x')",
            "select json_value('x', '$')",
        ):
            below = {str(each) for each in read(text).read_below}
            self.assertIn("hr.salaries", below, text)
        self.assertFalse(read("select json_serialize('x')").calls)

    def test_functions_that_change(self) -> None:
        """While functions are changed in the transaction nobody knows which names are theirs."""
        changing = replace(CONTEXT, changing=True, calls_changing=True)
        for text in ("select x.a from (select 1 as a) x", "select json_serialize('x')"):
            self.assertTrue(read(text, changing).unknown, text)
            self.assertFalse(read(text).unknown, text)
