"""What options say of an HTTP target, and what they may not say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from click.testing import CliRunner
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.setup.answers import AwsAnswer, OAuthAnswer, TargetAnswer, VaultAnswer
from hoopgw.cli.setup.asking import Known, answers
from hoopgw.cli.setup.command import setup

NOBODY = Known(frozenset(), frozenset(), frozenset())
URL = ("--url", "https://api.example")
BEARER = ("--role-bearer", "file:/x")
OAUTH = ("--role-token-endpoint", "https://idp/token", "--role-client-id", "me", "--role-client-secret", "vault:v/a#b")
SIGV4 = tuple("--role-region eu-west-1 --role-service s3 --role-key-id aws:m/a#id --role-secret-key env:K".split())


def asked(*words: str) -> TargetAnswer:
    """What stands in the files for these options.  Raises UsageError."""
    context = setup.make_context("setup", ["--yes", "--target", "api", "--role", "caller", *words])
    given: dict[str, Any] = {name: value for name, value in context.params.items() if name != "as_json"}
    found = answers(given, NOBODY, False).target
    assert found is not None
    return found


class Asking(SynchronousTestCase):
    def test_where_it_is(self) -> None:
        """The scheme says whether there is TLS, and the port where none is given; IPv6 keeps its brackets."""
        for url, address, tls in (
            ("https://api.example", "api.example:443", "verify-full"),
            ("HTTPS://API.example:8443/", "api.example:8443", "verify-full"),
            ("http://127.0.0.1", "127.0.0.1:80", "disable"),
            ("https://[2001:db8::1]:9", "[2001:db8::1]:9", "verify-full"),
        ):
            found = asked("--url", url, *BEARER)
            self.assertEqual((found.protocol, found.address, found.tls), ("http", (address,), tls))
        self.assertEqual(asked(*URL, "--tls", "require", "--role-open").tls, "require")
        self.assertEqual(asked(*URL, "--url", "https://b:1", *BEARER).address, ("api.example:443", "b:1"))

    def test_how_the_gateway_is_known(self) -> None:
        """Each way has its keys, and no others."""
        for words, keys in (
            (BEARER, {"bearer": "file:/x"}),
            (("--role-user", "me", "--role-password", "env:P"), {"user": "me", "password": "env:P"}),
            (("--role-header", "X-Api-Key", "--role-value", "env:P"), {"header": "X-Api-Key", "value": "env:P"}),
            (("--role-query", "key", "--role-value", "env:P"), {"query": "key", "value": "env:P"}),
            (("--role-open",), {}),
        ):
            role = asked(*URL, *words).role
            names = ("user", "password", "key", "bearer", "header", "query", "value")
            self.assertEqual({name: getattr(role, name) for name in names if getattr(role, name)}, keys)

    def test_credentials_that_are_fetched_or_signed_with(self) -> None:
        """Tables of the role, with all that was said and nothing else; secrets may be of a vault."""
        oauth = asked(*URL, *OAUTH, "--role-scope", "read", "--role-token-ca", "/ca").role.oauth
        self.assertEqual(oauth, OAuthAnswer("https://idp/token", "me", "vault:v/a#b", "read", ca="/ca"))
        sigv4 = asked(*URL, *SIGV4, "--role-session-token", "env:T").role.sigv4
        self.assertEqual(sigv4, AwsAnswer("eu-west-1", "s3", "aws:m/a#id", "env:K", "env:T"))
        shown = asked(*URL, "--role-certificate", "/c", "--role-key", "file:/k").role
        self.assertEqual((shown.certificate, shown.key, shown.oauth, shown.sigv4), ("/c", "file:/k", None, None))
        self.assertEqual(asked(*URL, "--role-bearer", "vault:v/a#b").role.bearer, "vault:v/a#b")

    def test_a_vault(self) -> None:
        """With or without a target; how it is logged in to is for the configuration to judge."""
        login = ("--vault-role-id", "r", "--vault-secret-id", "env:S")
        words = ("--vault", "v", "--vault-address", "https://v:8200", *login)
        context = setup.make_context("setup", ["--yes", *words])
        found = answers(context.params, NOBODY, False)
        self.assertEqual(found.vault, VaultAnswer("v", "https://v:8200", role_id="r", secret_id="env:S"))
        for wrong in (
            words[2:],
            words[:2],
            (*words[:4], "--vault-token", "vault:v/a#b"),
            ("--vault", "../v", *words[2:]),
        ):
            self.assertRaises(click.UsageError, self.alone, wrong)

    def wrong(self) -> Iterator[tuple[str, ...]]:
        urls = "https://a/v1 https://a?x https://me:pw@a https://me:pw@a:x ftp://a a:443 https:// https://a:x"
        for url in urls.split():
            yield ("--url", url, *BEARER)
        yield (*URL, "--url", "http://127.0.0.1", *BEARER)
        yield (*URL, "--tls", "disable", *BEARER)
        yield ("--url", "http://127.0.0.1", "--tls", "verify-full", *BEARER)
        yield URL
        yield (*URL, *BEARER, "--role-user", "me")
        yield (*URL, *BEARER, "--role-open")
        yield (*URL, "--role-header", "X-Api-Key")
        yield (*URL, "--role-password", "env:P")
        yield (*URL, "--role-value", "env:P")
        yield (*URL, "--role-bearer", "the secret itself")
        yield (*URL, *BEARER, "--address", "a:443")
        yield (*URL, *BEARER, "--try-path", "no path")
        yield (*URL, *BEARER, "--try-path", "/x HTTP/1.1")
        yield (*URL, *BEARER, "--protocol", "postgresql")
        yield ("--protocol", "http", *BEARER)
        yield (*URL, *OAUTH[:4])
        yield (*URL, *OAUTH[2:])
        yield (*URL, *OAUTH, *BEARER)
        yield (*URL, *OAUTH, *SIGV4)
        yield (*URL, *OAUTH, "--role-session-token", "env:T")
        yield (*URL, *OAUTH[:4], "--role-client-secret", "the secret itself")
        yield (*URL, *SIGV4[2:])
        yield (*URL, *SIGV4, "--role-scope", "read")
        yield (*URL, *BEARER, "--role-scope", "read")
        yield (*URL, *BEARER, "--role-session-token", "env:T")
        user = ("--address", "a:1", "--role-user", "me", "--role-password", "env:P", "--protocol", "ssh")
        yield (*user, "--try-path", "/")
        yield (*user, "--role-open")
        yield (*user, *OAUTH)

    def test_what_says_nothing(self) -> None:
        """Wrong use, and no secret in what is said of it."""
        for words in self.wrong():
            error = self.assertRaises(click.UsageError, asked, *words)
            self.assertNotIn("the secret itself", str(error))
            self.assertNotIn("me:pw", str(error))

    def test_without_a_target(self) -> None:
        """Each of its options belongs to one: the command ends with status 2."""
        for words in (URL, BEARER, ("--role-open",), ("--host", "a"), ("--try-path", "/"), OAUTH, SIGV4):
            self.assertRaises(click.UsageError, self.alone, words)
        self.assertEqual(CliRunner().invoke(setup, ["--role-open", "x"]).exit_code, 2)

    def alone(self, words: tuple[str, ...]) -> None:
        context = setup.make_context("setup", ["--yes", *words])
        answers(context.params, NOBODY, False)
