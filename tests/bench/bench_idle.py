"""User memory of idle keep-alive connections, and what the supervisor costs when nothing happens."""

import measure
import report
from servers import Holdfast, Nginx


def add_arguments(parser):
    parser.add_argument("--connections", default="5000,15000", help="comma-separated (default 5000,15000)")


def variants(context):
    if "holdfast" in context.servers:
        yield lambda: Holdfast(context.bin_dir)
    if "nginx" in context.servers:
        yield Nginx


def hold(context, make, connections):
    with make() as server:
        measure.wrk(server.url)  # lazily allocated things are no cost of a connection
        base = measure.memory(server.serving())
        with measure.Hammer(context.bin_dir, server, [f"mode=idle,connections={connections}"]) as hammer:
            hammer.wait_parked(connections)
            held = measure.memory(server.serving())
            out = hammer.finish()
        if out["failed_total"] or out["parked"] != connections:
            raise RuntimeError(f"{server.name}: not all connections were held: {out['failures']} {out['closes']}")
        grown = {part: (held[part] - base[part]) / connections for part in base}
        return server.name, {"base": base, "held": held, "pss_per_connection": grown["pss"],
                             "private_per_connection": grown["private"]}


def supervisor_at_rest(context, seconds=5):
    with Holdfast(context.bin_dir) as server:
        pid = server.main_pid
        before = measure.status_field(pid, "voluntary_ctxt_switches"), measure.cpu_ns([pid])
        if not server.stays_silent(seconds):
            raise RuntimeError(f"holdfast is not at rest: {server.events[-1]}")
        after = measure.status_field(pid, "voluntary_ctxt_switches"), measure.cpu_ns([pid])
        return {"rss_mib": measure.status_field(pid, "VmRSS") / 1024,
                "wakeups_per_s": (after[0] - before[0]) / seconds,
                "cpu_us_per_s": (after[1] - before[1]) / seconds / 1000}


def run(arguments, context):
    result = {"connections": {}, "verdicts": []}
    rows = []
    for connections in map(int, arguments.connections.split(",")):
        got = dict(hold(context, make, connections) for make in variants(context))
        result["connections"][connections] = got
        for name, values in got.items():
            rows.append([name, connections, f"{values['base']['pss'] // 1024}", f"{values['held']['pss'] // 1024}",
                         f"{values['pss_per_connection']:.0f}", f"{values['private_per_connection']:.0f}"])
    report.table("Memory per idle keep-alive connection, 1 worker",
                 ["server", "connections", "base PSS KiB", "held PSS KiB", "PSS B/conn", "private B/conn"], rows)
    for connections, got in result["connections"].items():
        if {"holdfast", "nginx"} <= got.keys():
            ratio = got["holdfast"]["pss_per_connection"] / got["nginx"]["pss_per_connection"]
            result["verdicts"].append(report.verdict(f"{connections} connections: holdfast/nginx", ratio, 1))
    if "holdfast" in context.servers:
        rest = result["supervisor"] = supervisor_at_rest(context)
        print(f"\nSupervisor at rest: {rest['wakeups_per_s']:.1f} wake-ups/s, {rest['cpu_us_per_s']:.0f} us CPU/s")
        result["verdicts"].append(report.verdict("supervisor RSS", rest["rss_mib"], 10, " MiB"))
    return result
