"""hoopgw.policy.http_masks"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.operation import REQUEST, Operation
from hoopgw.policy.http_facts import HttpFacts
from hoopgw.policy.http_json import pointer
from hoopgw.policy.http_masks import BATCH, HttpMask, HttpMaskGuardrail
from hoopgw.policy.http_rules import HttpConditions
from tests.policy.test_http_rules import JSON, facts

MIXED = (b"content-type", b"multipart/mixed; boundary=b")


def refused(mask: HttpMask, asked: HttpFacts) -> list[str]:
    rule = HttpMaskGuardrail((mask,), lambda masks: None)
    verdict = rule.judge(Operation("http", REQUEST, b"", request=asked.request), asked)
    return [each.reason for each in verdict.refusals]


class Batches(SynchronousTestCase):
    def test_what_would_not_be_found_is_not_asked_for(self) -> None:
        """Answers in one another: members are found by their names, in JSON, and nowhere else."""
        below = HttpConditions(paths=("/people/*",))
        named, placed = HttpMask(json=(pointer("ssn"),), where=below), HttpMask(json=(pointer("/ssn"),), where=below)
        json, mixed = facts(b"POST /$batch", JSON, body=b"{}"), facts(b"POST /$batch", MIXED, body=b"--b")
        for mask, asked, expected in (
            (named, json, []),
            (placed, json, [BATCH]),
            (named, mixed, [BATCH]),
            (placed, mixed, [BATCH]),
            (HttpMask(patterns=frozenset(("email",))), mixed, []),
            (placed, facts(b"POST /people", JSON, body=b"{}"), []),
            (placed, facts(b"POST /shop", JSON, body=b"{}"), []),
        ):
            self.assertEqual(refused(mask, asked), expected, (mask.json, asked.request.target))
