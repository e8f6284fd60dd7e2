"""How the gateway is: what `/v1/health` answers, and the gauges that are read when somebody asks."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Gauge

from hoopgw import __version__
from hoopgw.model.errors import OperatorError
from hoopgw.service_reloads import Reloads
from hoopgw.session.registry import Registry
from hoopgw.store.recorder import Recorder


def add_gauges(metrics: CollectorRegistry, registry: Registry, recorder: Recorder) -> None:
    live = Gauge("hoopgw_sessions", "Live sessions", registry=metrics)
    live.set_function(lambda: len(registry))
    spool = Gauge("hoopgw_spool_used_ratio", "Share of the spool in use", registry=metrics)
    spool.set_function(lambda: recorder.used)


def health(
    why_not: str, policy: str, registry: Registry, recorder: Recorder, reloads: Reloads
) -> tuple[bool, dict[str, Any]]:
    """Whether sessions can open, and the answer's body.  `why_not`: why the gateway is not ready; "" where it is.

    `behind` in it: what is written later, and why; sessions go on.  `retention`: why its clock is not the machine's.
    """
    why = why_not
    if not why:
        try:
            recorder.may_open()
        except OperatorError as error:
            why = str(error)
    body = {"healthy": not why, "version": __version__, "sessions": len(registry)}
    behind = {"index": registry.behind, "recordings": recorder.backlog}
    if recorder.ages.doubt:
        body["retention"] = recorder.ages.doubt
    body |= {"policy": policy, "behind": {what: said for what, said in behind.items() if said}, **reloads.shown()}
    return not why, {**body, "reason": why} if why else body
