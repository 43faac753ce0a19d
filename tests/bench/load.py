"""500 busy clients over reload after reload: what is lost, what is closed, how long they wait."""

import time

import measure
import report
from servers import Haproxy, Holdfast, Nginx

SERVER_CPU, CLIENT_CPU = 0, 1
CONNECTIONS = 500
ENDINGS = ("reused_reset", "reused_eof", "fresh_reset", "fresh_eof", "truncated")  # failures that end a connection
THINK = f"name=think,connections={CONNECTIONS},think=0-50ms"
PACE = 1.5  # seconds from one reload to the next; the rest between the windows is what "steady" is made of


def holdfast(context, idle=None, cpu=SERVER_CPU):
    return Holdfast(context.bin_dir, ["--idle", idle] if idle else [], cpu=cpu)


def variants(context):
    if "holdfast" in context.servers:
        if Holdfast.supports(context.bin_dir, "--idle"):
            yield "holdfast, close", holdfast(context, "close")
            yield "holdfast, handoff", holdfast(context, "handoff")
        else:
            yield "holdfast, close", holdfast(context)
    if "nginx" in context.servers:
        yield "nginx", Nginx(cpu=SERVER_CPU)
    if "haproxy" in context.servers:
        yield "haproxy", Haproxy(cpu=SERVER_CPU)


def settle(server, reloads):
    """Until the reload is over as the server sees it, so that the next one is measured alone."""
    if isinstance(server, Holdfast):
        server.wait_event("reload_done", reloads)
    server.wait_reloads(reloads)


def measure_one(context, server, reloads, clients):
    with measure.Hammer(context.bin_dir, server, [clients], cpu=CLIENT_CPU) as hammer:
        hammer.wait_requests(5000)
        for i in range(reloads):
            hammer.mark()
            server.reload()
            pause = time.monotonic() + PACE
            settle(server, i + 1)
            while time.monotonic() < pause:
                hammer.progress()
        out = hammer.finish()
    # Every connection but the first of each client replaces one that was taken from it.
    out["replaced"] = out["connects"] - CONNECTIONS
    return {key: out[key] for key in ("requests", "failures", "failed_total", "closes", "replaced", "latency", "examples")}


def measure_all(several, context, reloads, clients=THINK):
    result = {}
    for name, variant in several:
        with variant as server:
            result[name] = measure_one(context, server, reloads, clients)
    return result


def closed(values):
    """Connections that the server ended, whichever way: each is in exactly one of these counts."""
    failures = values["failures"]
    return sum(values["closes"].values()) + sum(failures.get(cause, 0) for cause in ENDINGS)


def report_losses(title, result):
    rows = []
    for name, values in result.items():
        closes = values["closes"]
        causes = ", ".join(f"{n} {cause}" for cause, n in values["failures"].items())
        rows.append([name, values["requests"], values["failed_total"], closes["connection_close"],
                     closes["idle_closed"], closes["idle_reset"], values["replaced"], causes or "-"])
    report.table(title, ["server", "requests", "failed", "said close", "idle FIN", "idle RST", "reconnects",
                         "failures by cause"], rows)


def report_latency(title, result, verdicts):
    rows = []
    for name, values in result.items():
        steady, window = (values["latency"][part] for part in ("steady", "window"))
        rows.append([name, values["requests"], values["failed_total"], closed(values),
                     f"{steady['p99_us'] / 1000:.2f}", f"{window['p99_us'] / 1000:.2f}",
                     f"{window['max_us'] / 1000:.1f}"])
    report.table(f"{title} (ms in the 300 ms after the signal)",
                 ["server", "requests", "failed", "closed", "p99 steady", "p99 window", "max window"], rows)
    nginx = result.get("nginx")
    for name, values in result.items():
        if not name.startswith("holdfast"):
            continue
        verdicts.append(report.verdict(f"{name}: failed requests", values["failed_total"], 0))
        if nginx:
            ratio = values["latency"]["window"]["p99_us"] / nginx["latency"]["window"]["p99_us"]
            verdicts.append(report.verdict(f"{name}: p99 after a reload / nginx", ratio, 0.5))
