"""How fast a reload is when nothing else runs, and what it does to 500 busy clients."""

import json
import statistics
import subprocess

import load
import report
from servers import Holdfast, Nginx


def add_arguments(parser):
    parser.add_argument("-n", type=int, default=20, help="reloads of each server (default 20)")
    parser.add_argument("--load-reloads", type=int, default=10, help="reloads under load (default 10, 0 = none)")


def idle_variants(context):
    if "holdfast" in context.servers:
        yield "holdfast", Holdfast(context.bin_dir)
        if Holdfast.supports(context.bin_dir, "--probation"):
            yield "holdfast, probation 0", Holdfast(context.bin_dir, ["--probation", "0s"])
    if "nginx" in context.servers:
        yield "nginx", Nginx()


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
                load.settle(server, i + 1)
            result[name] = {key: [p[key] for p in probes] for key in ("first_new_ms", "old_gone_ms", "failed")}
            if isinstance(server, Holdfast):
                result[name]["ready_ms"] = [e.get("ready_ms") for e in server.named("reload_done")]
    return result


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
        result["load"] = load.measure_all(load.variants(context), context, arguments.load_reloads)
        load.report_latency(f"500 connections, think time 0-50 ms, {arguments.load_reloads} reloads, one worker",
                            result["load"], result["verdicts"])
    return result
