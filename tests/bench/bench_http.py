"""CPU, system calls and allocations for one small keep-alive request with a JSON log line."""

import contextlib
import statistics

import measure
import report
from servers import Bare, Holdfast, Nginx

SERVER_CPU, CLIENT_CPU = 0, 1


def add_arguments(parser):
    parser.add_argument("--pairs", type=int, default=10, help="ABBA rounds (default 10)")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--tls", action="store_true", help="HTTPS, ECDSA P-256; no budget, no bare responder")


def slice_of(server, connections):
    """ns of CPU per request over one second, and requests per second."""
    before = measure.cpu_ns(server.serving())
    requests = measure.wrk(server.url, 1, connections, CLIENT_CPU)
    return (measure.cpu_ns(server.serving()) - before) / requests, requests


def rounds(servers, pairs, connections):
    """Per round and server the mean CPU of two slices, in the order A B C C B A: what drifts
    linearly over a round meets all alike."""
    cpu = {s.name: [] for s in servers}
    rate = {s.name: [] for s in servers}
    for server in servers:
        slice_of(server, connections)  # warm
    for _ in range(pairs):
        got = {s.name: [] for s in servers}
        for server in [*servers, *reversed(servers)]:
            ns, requests = slice_of(server, connections)
            got[server.name].append(ns)
            rate[server.name].append(requests)
        for name, values in got.items():
            cpu[name].append(statistics.mean(values))
    return cpu, rate


def count_allocations(context):
    """Allocations per request of the holdfast worker, once it is warm."""
    env = {"LD_PRELOAD": str(context.bin_dir / "malloc_count.so"),
           "MALLOC_COUNT_FILE": str(context.temp / "mallocs")}
    with Holdfast(context.bin_dir, env=env) as server:
        measure.wrk(server.url)
        counter = context.temp / f"mallocs.{server.serving()[0]}"
        before = int.from_bytes(counter.read_bytes(), "little")
        requests = measure.wrk(server.url)
        return (int.from_bytes(counter.read_bytes(), "little") - before) / requests


def run(arguments, context):
    result = {"pairs": arguments.pairs, "cpu_ns": {}, "requests_per_s": {}, "ratios": {}, "verdicts": []}
    with contextlib.ExitStack() as stack:
        servers = []
        if "holdfast" in context.servers:
            servers.append(Holdfast(context.bin_dir, cpu=SERVER_CPU, tls=arguments.tls))
        if "nginx" in context.servers:
            servers.append(Nginx(cpu=SERVER_CPU, tls=arguments.tls))
        if "bare" in context.servers and not arguments.tls:
            servers.append(Bare(context.bin_dir, cpu=SERVER_CPU))
        for server in servers:
            stack.enter_context(server)
        cpu, rate = rounds(servers, arguments.pairs, arguments.connections)
        rows = []
        for server in servers:
            low, middle, high = measure.quartiles(cpu[server.name])
            calls = measure.system_calls(server.serving()[0], server.url)
            result["cpu_ns"][server.name] = middle
            result["requests_per_s"][server.name] = statistics.median(rate[server.name])
            result.setdefault("system_calls", {})[server.name] = calls
            rows.append([server.name, f"{middle / 1000:.2f}", f"{low / 1000:.2f}..{high / 1000:.2f}",
                         f"{statistics.median(rate[server.name]):.0f}", f"{sum(calls.values()):.2f}",
                         f"{server.line_size():.0f}"])
        report.table(f"CPU per request, {arguments.connections} connections, 1 worker, JSON log to a file"
                     + (", TLS" if arguments.tls else ""),
                     ["server", "us", "quartiles", "requests/s", "calls/request", "log line B"], rows)
        for server in servers:
            top = sorted(result["system_calls"][server.name].items(), key=lambda c: -c[1])
            print(f"  {server.name} calls: " + ", ".join(f"{n} {c:.3f}" for n, c in top if c >= 0.005))
    report_ratios(cpu, result, arguments.tls)
    if "holdfast" in context.servers and not arguments.tls:
        result["allocations_per_request"] = count_allocations(context)
        result["verdicts"].append(
            report.verdict("allocations per request", result["allocations_per_request"], 0.01))
    return result


def report_ratios(cpu, result, tls):
    budgets = {("holdfast", "nginx"): None if tls else 0.9, ("holdfast", "bare"): 1.25, ("bare", "nginx"): None}
    print("\nRatios of CPU per request, round by round")
    for (above, below), budget in budgets.items():
        if above not in cpu or below not in cpu:
            continue
        low, middle, high = measure.quartiles([a / b for a, b in zip(cpu[above], cpu[below])])
        result["ratios"][f"{above}/{below}"] = {"median": middle, "quartiles": [low, high]}
        if budget is None:
            print(f"  {above}/{below}: {middle:.2f} ({low:.2f}..{high:.2f})")
            continue
        result["verdicts"].append(report.verdict(f"{above}/{below} ({low:.2f}..{high:.2f})", middle, budget))
