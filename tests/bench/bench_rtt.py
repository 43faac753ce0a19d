"""What reloads cost clients that are a round trip away, where a FIN and the next request can cross."""

import os

import load
import measure
import report
from relay import Relay
from servers import Haproxy, Holdfast

CONNECTIONS = 500
# In the first nobody pauses for as long as idle_grace, in the second most do.
GROUPS = {"busy": "0-50ms", "pausing": "0.5-3s"}


def add_arguments(parser):
    parser.add_argument("--rtt", default="20ms", help="round trip of the relay (default 20ms)")
    parser.add_argument("--reloads", type=int, default=10, help="reloads of each server (default 10)")


class PatientHaproxy(Haproxy):
    """Its idle connections stay until their next request, which is answered with a close."""

    CONFIG = Haproxy.CONFIG.replace("defaults\n", "defaults\n  option idle-close-on-response\n")


def variants(context):
    yield from load.variants(context)
    if "holdfast" in context.servers:
        yield "holdfast, --idle-grace 5s", Holdfast(context.bin_dir, ["--idle-grace", "5s"], cpu=load.SERVER_CPU)
    if "haproxy" in context.servers:
        yield "haproxy, idle-close-on-response", PatientHaproxy(cpu=load.SERVER_CPU)


def measure_one(context, server, rtt, reloads):
    groups = [f"name={name},connections={CONNECTIONS},think={think},post=100%,post_path=/echo,verify=none"
              for name, think in GROUPS.items()]
    with Relay(context, server, rtt), measure.Hammer(context.bin_dir, server, groups, cpu=load.CLIENT_CPU) as hammer:
        while hammer.progress()["open"] < CONNECTIONS * len(GROUPS):
            pass
        for i in range(reloads):
            hammer.wait_requests(hammer.progress()["requests"] + 20 * CONNECTIONS)
            server.reload()
            load.settle(server, i + 1)
        out = hammer.finish()
    for group in out["groups"].values():
        group["replaced"] = group["connects"] - CONNECTIONS
    return out["groups"]


def run(arguments, context):
    if not {0, 1} <= os.sched_getaffinity(0):
        raise RuntimeError("cannot run rtt: servers and clients need CPUs 0 and 1")
    result = {"rtt": arguments.rtt, "reloads": arguments.reloads, "servers": {}, "verdicts": []}
    for name, variant in variants(context):
        with variant as server:
            result["servers"][name] = measure_one(context, server, arguments.rtt, arguments.reloads)
    if not result["servers"]:
        raise RuntimeError("cannot run rtt: none of --servers is holdfast, nginx or haproxy")
    for group, think in GROUPS.items():
        load.report_losses(f"{CONNECTIONS} connections that POST, {arguments.rtt} away, think time {think}, "
                           f"{arguments.reloads} reloads", {n: got[group] for n, got in result["servers"].items()})
    for name, got in result["servers"].items():
        if not name.startswith("holdfast"):
            continue
        for group in GROUPS:
            # A request after more than idle_grace of silence can cross our FIN: no promise, so no budget.
            if name != "holdfast, close" or group == "busy":
                result["verdicts"].append(
                    report.verdict(f"{name}: failed requests, {group}", got[group]["failed_total"], 0))
    return result
