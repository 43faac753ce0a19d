"""How fast a reload is when nothing else runs, and what it does to 500 busy clients."""

import json
import statistics
import subprocess
import time

import measure
import report
from servers import Holdfast, Nginx

SERVER_CPU, CLIENT_CPU = 0, 1
CLIENTS = "name=think,connections=500,think=0-50ms"


def add_arguments(parser):
    parser.add_argument("-n", type=int, default=20, help="reloads of each server (default 20)")
    parser.add_argument("--load-reloads", type=int, default=10, help="reloads under load (default 10, 0 = none)")
    parser.add_argument("--handoff", type=int, default=10000, help="idle connections to hand off (0 = none)")


def idle_variants(context):
    if "holdfast" in context.servers:
        yield "holdfast", Holdfast(context.bin_dir)
        if Holdfast.supports(context.bin_dir, "--probation"):
            yield "holdfast, probation 0", Holdfast(context.bin_dir, ["--probation", "0s"])
    if "nginx" in context.servers:
        yield "nginx", Nginx()


def load_variants(context):
    if "holdfast" in context.servers:
        yield "holdfast", Holdfast(context.bin_dir, cpu=SERVER_CPU)
        if Holdfast.supports(context.bin_dir, "--idle"):
            yield "holdfast, handoff", Holdfast(context.bin_dir, ["--idle", "handoff"], cpu=SERVER_CPU)
    if "nginx" in context.servers:
        yield "nginx", Nginx(cpu=SERVER_CPU)


def settle(server, reloads):
    """Until the reload is over as the server sees it, so that the next one is measured alone."""
    if isinstance(server, Holdfast):
        server.wait_event("reload_done", reloads)
    server.wait_reloads(reloads)


def probe(context, server):
    argv = [context.bin_dir / "reload_probe", server.target, server.generation_header, server.main_pid,
            *server.serving()]
    out = subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out)


def measure_idle(context, n):
    result = {}
    for name, variant in idle_variants(context):
        with variant as server:
            probes = []
            for i in range(n):
                probes.append(probe(context, server))
                settle(server, i + 1)
            result[name] = {key: [p[key] for p in probes] for key in ("first_new_ms", "old_gone_ms", "failed")}
            if isinstance(server, Holdfast):
                result[name]["ready_ms"] = [e.get("ready_ms") for e in server.named("reload_done")]
    return result


def measure_load(context, reloads):
    result = {}
    for name, variant in load_variants(context):
        with variant as server, measure.Hammer(context.bin_dir, server, [CLIENTS], cpu=CLIENT_CPU) as hammer:
            hammer.wait_requests(5000)
            for i in range(reloads):
                hammer.mark()
                server.reload()
                # Rest between the windows is what "steady" is made of.
                pause = time.monotonic() + 1.5
                settle(server, i + 1)
                while time.monotonic() < pause:
                    hammer.progress()
            out = hammer.finish()
            result[name] = {key: out[key] for key in ("requests", "failures", "failed_total", "closes", "latency",
                                                      "examples")}
    return result


def measure_handoff(context, connections):
    """One reload with many idle connections; a few busy ones feel whether the worker stalls."""
    groups = [f"name=idle,mode=idle,connections={connections}", "name=busy,connections=4,think=1ms"]
    with Holdfast(context.bin_dir, ["--idle", "handoff"], cpu=SERVER_CPU) as server, \
            measure.Hammer(context.bin_dir, server, groups, ["--window", "5s"], cpu=CLIENT_CPU) as hammer:
        while hammer.progress()["open"] < connections + 4:
            pass
        hammer.wait_requests(connections + 5000)
        hammer.mark()
        server.reload()
        committed, drained = server.wait_event("reload_done"), server.wait_event("drained")
        server.wait_event("worker_exited")
        out = hammer.finish()
        return {"connections": connections, "ms": (drained["seen_at"] - committed["seen_at"]) * 1000,
                "drained": {k: drained.get(k) for k in ("served", "handed_off", "closed_idle", "cut")},
                "still_open": out["groups"]["idle"]["parked"], "failed": out["failed_total"],
                "busy_max_ms": out["groups"]["busy"]["latency"]["window"]["max_us"] / 1000}


def run(arguments, context):
    result = {"idle": measure_idle(context, arguments.n), "verdicts": []}
    rows = []
    for name, values in result["idle"].items():
        row = [name]
        for key in ("first_new_ms", "old_gone_ms"):
            row += [f"{statistics.median(values[key]):.1f}", f"{min(values[key]):.1f}..{max(values[key]):.1f}"]
        rows.append([*row, sum(values["failed"])])
    report.table(f"HUP to the first answer of the new generation, {arguments.n} reloads, nothing else running",
                 ["server", "first ms", "min..max", "old gone ms", "min..max", "failed"], rows)
    if "holdfast" in result["idle"]:
        first = statistics.median(result["idle"]["holdfast"]["first_new_ms"])
        result["verdicts"].append(report.verdict("first new answer", first, 8, " ms"))
    if arguments.load_reloads:
        result["load"] = measure_load(context, arguments.load_reloads)
        report_load(arguments.load_reloads, result)
    if arguments.handoff and "holdfast" in context.servers and Holdfast.supports(context.bin_dir, "--idle"):
        result["handoff"] = measure_handoff(context, arguments.handoff)
        report_handoff(result)
    return result


def report_handoff(result):
    got = result["handoff"]
    print(f"\nHandoff of {got['connections']} idle connections: {got['drained']}")
    result["verdicts"] += [report.verdict("commit to drained", got["ms"], 200, " ms"),
                           report.verdict("connections lost", got["connections"] - got["still_open"], 0),
                           report.verdict("failed requests", got["failed"], 0),
                           report.verdict("longest request meanwhile", got["busy_max_ms"], 5, " ms")]


def report_load(reloads, result):
    rows = []
    for name, values in result["load"].items():
        steady, window = (values["latency"][part] for part in ("steady", "window"))
        rows.append([name, values["requests"], values["failed_total"], values["closes"]["idle_closed"],
                     f"{steady['p99_us'] / 1000:.2f}", f"{window['p99_us'] / 1000:.2f}",
                     f"{window['max_us'] / 1000:.1f}"])
    report.table(f"500 connections, think time 0-50 ms, {reloads} reloads, one worker (ms in the 300 ms after HUP)",
                 ["server", "requests", "failed", "idle closed", "p99 steady", "p99 window", "max window"], rows)
    nginx = result["load"].get("nginx")
    for name, values in result["load"].items():
        if not name.startswith("holdfast"):
            continue
        result["verdicts"].append(report.verdict(f"{name}: failed requests", values["failed_total"], 0))
        if nginx:
            ratio = values["latency"]["window"]["p99_us"] / nginx["latency"]["window"]["p99_us"]
            result["verdicts"].append(report.verdict(f"{name}: p99 after a reload / nginx", ratio, 0.5))
