"""hoopgw.policy.http_path"""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy.http_path import MAX_PATH, matches, read_path

# Each is another way to write /admin/users for some server, and for others something else
TRICKS = (
    b"/public/../admin/users",
    b"/public/%2e%2e/admin/users",
    b"/public/%2E./admin/users",
    b"/public/.%2e/admin/users",
    b"/./admin/./users",
    b"//admin/users",
    b"/admin//users",
    b"/admin%2fusers",
    b"/admin%2Fusers",
    b"/admin%252fusers",
    b"/admin%25252fusers",
    b"/admin\\users",
    b"/admin%5cusers",
    b"/admin%255Cusers",
    b"/public\\..\\admin\\users",
    b"/public/..%2fadmin/users",
    b"/public/..%5cadmin/users",
    b"/public/..;/admin/users",
    b"/public/..;a=b/admin/users",
    b"/admin;x=1/users",
    b"/admin%3bx=1/users",
    b"/admin/users;jsessionid=1",
    b"/%61dmin/users",
    b"/%2561dmin/users",
    b"/admin/users/",
    b"/admin/users/.",
    b"/admin/users%3fx=1",
    b"/admin/users%23x",
    b"/public/%252e%252e/admin/users",
    b"/public//../../admin/users",
    b"/public%2f..%2fadmin%2fusers",
    b"/;/admin/users",
    b"/%3Ba=b/admin/users",
    b"/admin./users",  # what follows is how Windows, IIS and ASP.NET take names
    b"/admin/users.",
    b"/admin/users%2e%2E",
    b"/admin/users%20",
    b"/admin%20/users.%20.",
    b"/admin ./users ",
    b"/public/..%20/admin/users",
    b"/public/...%2f../admin/users",
    b"/admin/users::$DATA",
    b"/admin/users%3a%3A$data",
    b"/admin:$I30:$INDEX_ALLOCATION/users",
    b"/admin::$INDEX_ALLOCATION/users",
    b"/(S(lit3py55t21z5v55vlm25s55))/admin/users",
    b"/admin/(A(x)F(y))/users",
    b"/admin%5c%28S(x)%29%5cusers.",
    b"/admin.;x/users",
    b"/\\admin/users",
    b"/admin\\\\users",
)
SHORT = (b"/ADMINI~1/users", b"/a/admin~12", b"/x/WEB~1.CON", b"/%41DMINI%7e1/x", b"/public\\admini~1", b"/A1B2~1.")
DOUBTED = (
    b"",
    b"admin",
    b"/%",
    b"/%zz",
    b"/%u002fadmin",
    b"/%00",
    b"/admin%00.png",
    b"/a%0d%0ab",
    b"/a\x7f",
    b"/%ff",
    b"/%c0%ae%c0%ae/admin",  # overlong: two dots for a decoder that is lax
    b"/%c0%af",
    b"/%ed%a0%80",  # a surrogate
    b"/%ef%bc%8fadmin",  # FULLWIDTH SOLIDUS
    b"/%e2%80%a5/admin",  # TWO DOT LEADER
    b"/%ef%bc%852fadmin",  # FULLWIDTH PERCENT SIGN
    b"/../etc/passwd",
    b"/a/../../b",
    b"/../a/../b",
    b"/../a/b/..",
    b"/%252525252561dmin",
    b"/" + b"a" * MAX_PATH,
    b"/a;b\\c/%2f..//" * 200,
)
PLAIN = st.lists(st.text(st.sampled_from("abcXYZ019-_~"), min_size=1), min_size=1, max_size=6)


class ReadPath(SynchronousTestCase):
    def test_every_way_to_write_a_path_is_a_reading(self) -> None:
        """Whatever a server makes of it, a rule about /admin/* sees it."""
        unseen = [raw for raw in TRICKS if "/admin/users" not in read_path(raw).readings]
        self.assertEqual(unseen, [])

    def test_what_cannot_be_read_is_doubted(self) -> None:
        """Broken encodings, controls, overlong UTF-8, lookalikes, paths above the root, paths without end."""
        for found in (read_path, lambda raw: read_path(raw).folded()):
            self.assertEqual([raw[:40] for raw in DOUBTED if not found(raw).doubt], [])

    def test_what_some_do_others_leave(self) -> None:
        """Each way of reading is there beside the other: a rule about either sees it."""
        for raw, readings in (
            (b"/a/../b", {"/b", "/a/../b"}),
            (b"/a/.;x/b", {"/a/.;x/b", "/a/b", "/a/./b"}),
            (b"/a%5cb", {"/a\\b", "/a/b"}),
            (b"/a%2Fb", {"/a%2Fb", "/a/b"}),
            (b"/a//b", {"/a//b", "/a/b"}),
            (b"/a%3Fb", {"/a?b", "/a"}),
            (b"/a%2561", {"/a%2561", "/aa"}),
            (b"/a%25252561", {"/a%25252561", "/a%252561", "/a%2561", "/aa"}),
            (b"/a::b", {"/a::b", "/a"}),
            (b"/a:$b/c", {"/a:$b/c", "/a/c"}),
            (b"/a:b::$c", {"/a:b::$c", "/a:b"}),
        ):
            self.assertEqual(read_path(raw).readings, readings, raw)

    def test_a_reading_without_tricks_is_the_only_one(self) -> None:
        """What every server reads alike leaves no doubt: API paths, versions, sub-delimiters, characters of UTF-8."""
        for raw, text in (
            (b"/", "/"),
            (b"/api/v4/users/42", "/api/v4/users/42"),
            (b"/a.b/.well-known/x", "/a.b/.well-known/x"),
            (b"/a...b/..c", "/a...b/..c"),
            (b"/users/", "/users"),
            (b"/a%20b", "/a b"),
            (b"/caf%C3%A9", "/café"),
            ("/café".encode(), "/café"),
            (b"/v1/things:batchGet", "/v1/things:batchGet"),
            (b"/Products(1)/(all)", "/Products(1)/(all)"),
            (b"/a b/.c%20d", "/a b/.c d"),
            (b"*", "*"),
        ):
            found = read_path(raw)
            self.assertEqual((found.text, found.readings, found.doubt), (text, {text}, ""), raw)

    def test_the_canonical_path_keeps_what_splits_nothing(self) -> None:
        """RFC 3986, 2.2: an encoded slash is data; it is shown as such, as is an encoded percent sign."""
        self.assertEqual(read_path(b"/projects/group%2fname/100%25").text, "/projects/group%2Fname/100%25")
        self.assertEqual(read_path(b"/a/./b/../c//d").text, "/a/c//d")

    def test_case_is_folded_for_targets_that_do(self) -> None:
        """Every reading is."""
        found = read_path(b"/ADMIN%2fUsers").folded()
        self.assertEqual((found.text, found.readings), ("/admin%2fusers", {"/admin%2fusers", "/admin/users"}))

    def test_second_names_of_files(self) -> None:
        """Where case is folded files may have short names: such a name may be any file's, and so no rule is kept."""
        self.assertEqual([raw for raw in SHORT if not read_path(raw).folded().doubt], [])
        self.assertEqual([raw for raw in SHORT if read_path(raw).doubt], [])
        for raw in (b"/~ann/x", b"/a~1b", b"/commits/HEAD~", b"/longer-name~1", b"/a.b~1"):
            self.assertEqual(read_path(raw).folded().doubt, "", raw)

    def test_letters_that_fold_to_others(self) -> None:
        """K, the Kelvin sign, is k to some and no letter of that name to others."""
        for text in ("/\u212aeys", "/adm\u0131n", "/ADM\u0130N", "/\u017fecret"):
            self.assertTrue(read_path(text.encode()).folded().doubt, text)
        self.assertEqual(read_path("/CAFÉ".encode()).folded().readings, {"/café"})

    def test_a_slash_at_the_end_changes_no_match(self) -> None:
        """Most frameworks answer /admin and /admin/ alike."""
        self.assertTrue(matches("/admin", "/admin/*") and matches("/admin", "/admin/") and matches("/admin/x", "/adm*"))
        self.assertFalse(matches("/administrator", "/admin/*"))

    @given(PLAIN, st.data())
    def test_encoding_what_needs_none_changes_nothing(self, segments: list[str], data: st.DataObject) -> None:
        """RFC 3986, 6.2.2.2."""
        plain = "/" + "/".join(segments)
        chosen = data.draw(st.lists(st.booleans(), min_size=len(plain), max_size=len(plain)))
        written = "".join(
            f"%{ord(c):02{'X' if upper else 'x'}}" if upper and c != "/" else c
            for c, upper in zip(plain, chosen, strict=True)
        )
        self.assertEqual(read_path(written.encode()), read_path(plain.encode()))

    @given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
    def test_a_canonical_path_is_its_own(self, text: str) -> None:
        """Written again as it was read, it is read the same."""
        found = read_path(b"/" + quote(text, safe="/").encode())
        if not found.doubt:
            written = quote(found.text.replace("%2F", "\0").replace("%25", "\1"), safe="/")
            again = read_path(written.replace("%00", "%2F").replace("%01", "%25").encode())
            self.assertIn(again.text, (found.text, found.text.rstrip("/") or "/"))

    @given(st.lists(st.sampled_from(["/", "%2f", "..", ".", ";", "\\", "%5c", "%25", "a", "%", "?", "\xff", "//"])))
    def test_junk_is_read_or_doubted(self, parts: list[str]) -> None:
        """Nothing raises, and the canonical path is always one of the readings."""
        found = read_path("".join(parts).encode("latin-1"))
        self.assertIn(found.text, found.readings)
