"""hoopgw.servers.admin_calls: requests that no command of ours makes."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any, cast

from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.auth.checker import TokenChecker
from hoopgw.auth.realm import GatewayRealm
from hoopgw.model.errors import LoginRefused
from hoopgw.model.events import Code
from hoopgw.model.secret import Secret
from hoopgw.servers.admin_calls import VERDICTS, Admin, BadRequest, _filter
from hoopgw.store.statements import session_page
from tests.session.fakes import Emitted


class Filter(SynchronousTestCase):
    def test_what_is_no_number_is_a_bad_request(self) -> None:
        """Not a failure of the gateway with a traceback in its log."""
        for name in ("limit", "since", "until"):
            for value in ("x", "", "nan", "inf", "-inf", "1e400"):
                self.assertRaises(BadRequest, _filter, {name: value})
        self.assertRaises(BadRequest, _filter, {"before": "nan,s_x"})

    def test_an_unknown_verdict_is_a_bad_request(self) -> None:
        self.assertRaises(BadRequest, _filter, {"verdict": "zzz"})
        for verdict in VERDICTS:
            session_page(_filter({"verdict": verdict}))


def admin_of(**given: Any) -> Admin:
    """With what a test needs of it, and nothing else."""
    return Admin(**dict.fromkeys(inspect.signature(Admin).parameters) | {"events": Emitted()} | given)


class Logins(SynchronousTestCase):
    def test_a_token_that_is_not_accepted_is_an_event(self) -> None:
        """As on every other way in."""
        events, nothing = Emitted(), cast(Any, None)
        portal = Portal(GatewayRealm(nothing, nothing), [TokenChecker(nothing, nothing)])
        admin = admin_of(portal=portal, events=events)
        for token in (None, Secret(b"x.y.z"), Secret(b"\xff")):
            self.failureResultOf(Deferred.fromCoroutine(admin.access(token)), LoginRefused)
        self.assertEqual(events.codes(), [Code.LOGIN_REFUSED] * 3)


class Kill(SynchronousTestCase):
    def test_the_reason_is_inert(self) -> None:
        """must-survive 63: it reaches the client's terminal as part of an error."""
        said: list[tuple[str, str]] = []
        live = SimpleNamespace(kill=lambda by, why: said.append((by, why)))
        admin = admin_of(registry=SimpleNamespace(find=lambda id: live))
        access = cast(Any, SimpleNamespace(rights={"kill"}, identity=SimpleNamespace(subject="ann")))
        self.successResultOf(Deferred.fromCoroutine(admin.kill(access, "s_x", "runs\x1b]52;c;eA==\x07 wild")))
        self.assertEqual(said, [("ann", "ended by ann: runs\\x1b]52;c;eA==\\x07 wild")])
