"""What clients lose when the service is deployed under them: requests, connections, time."""

import resource
import time
from datetime import datetime

import load
import measure
import report
from servers import Holdfast, Nginx

POSTS = f"{load.THINK},post=100%,post_path=/echo,verify=none"
BUSY = 4
SPARE = 200  # descriptors of a process beside its connections
AFTER = 0.2  # seconds after the handoff in which requests that it delayed have ended
QUIET = 2    # seconds before the reload, to know what the machine does to a request by itself


def add_arguments(parser):
    parser.add_argument("--reloads", type=int, default=10, help="reloads of each server under POSTs (default 10, 0 = none)")
    parser.add_argument("--connections", default="10000,most",
                        help="idle connections to hand off; most: what ulimit -n allows (default 10000,most; 0 = none)")


def sizes(text):
    # A worker leaves 128 descriptors to what the service opens itself.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 128 - SPARE
    return [most if size == "most" else int(size) for size in text.split(",") if size != "0"]


def logged_at(event):
    return datetime.fromisoformat(event["logged_at"].replace("Z", "+00:00")).timestamp()


class IdleCrowd:
    """Idle connections, and a few busy ones that feel whether anybody stalls."""

    def __init__(self, context, server, connections):
        groups = [f"name=idle,mode=idle,connections={connections}", f"name=busy,connections={BUSY},think=1ms"]
        self.connections = connections
        self.hammer = measure.Hammer(context.bin_dir, server, groups, cpu=load.CLIENT_CPU, timeline=True)

    def __enter__(self):
        self.hammer.wait_parked(self.connections)
        return self

    def __exit__(self, *_):
        self.hammer.__exit__()

    def watch(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.hammer.progress()

    def ask_all(self):
        """Each idle connection sends one request more; returns when all are idle again, or lost."""
        before = self.hammer.progress()["woken"]
        self.hammer.wake()
        self.hammer.wait(lambda now: now["woken"] > before and now["awake"] == 0, "answers to idle connections")


def longest_ms(out, low, high):
    """Of the requests that ended between so many seconds before and after the mark."""
    timeline, mark = out["timeline"], out["marks_s"][0]
    width = timeline["bucket_ms"] / 1000
    part = timeline["max_us"][int((mark + low) / width):int((mark + high) / width) + 1]
    return max(part) / 1000


def hand_off(context, connections):
    with load.holdfast(context, "handoff") as server:
        measure.wrk(server.url)  # lazily allocated things are no cost of a connection
        base = measure.memory(server.serving())
        with IdleCrowd(context, server, connections) as crowd:
            crowd.watch(QUIET)
            crowd.hammer.mark()
            marked = time.time()
            server.reload()
            committed, drained = server.wait_event("reload_done"), server.wait_event("drained")
            server.wait_event("worker_exited")
            held = measure.memory(server.serving())
            crowd.watch(AFTER)  # the questions below are no part of what is measured
            crowd.ask_all()
            out = crowd.hammer.finish()
    idle, busy = out["groups"]["idle"], out["groups"]["busy"]
    return {"connections": connections, "ms": (logged_at(drained) - logged_at(committed)) * 1000,
            "drained": {k: drained.get(k) for k in ("served", "handed_off", "closed_idle", "cut")},
            "still_open": idle["parked"], "closed": load.closed(idle) + load.closed(busy),
            "failed": out["failed_total"], "failures": out["failures"], "closes": out["closes"],
            "busy_max_ms": longest_ms(out, 0, logged_at(drained) - marked + AFTER / 2),
            "quiet_max_ms": longest_ms(out, 0.5 - QUIET, 0), "busy_requests": busy["requests"],
            "answered_by_new": idle["generations"].get("2", 0),
            "pss_per_connection": (held["pss"] - base["pss"]) / connections}


def nginx_memory(context, connections):
    with Nginx() as server:
        measure.wrk(server.url)
        base = measure.memory(server.serving())
        with measure.Hammer(context.bin_dir, server, [f"mode=idle,connections={connections}"]) as hammer:
            hammer.wait_parked(connections)
            return (measure.memory(server.serving())["pss"] - base["pss"]) / connections


def report_posts(reloads, result):
    title = f"{load.CONNECTIONS} connections that POST, think time 0-50 ms, {reloads} reloads, one worker"
    load.report_losses(title, result["posts"])
    for name, values in result["posts"].items():
        if name == "holdfast, handoff":
            result["verdicts"].append(report.verdict(f"{name}: connections closed", load.closed(values), 0))
    load.report_latency("The same run", result["posts"], result["verdicts"])


def report_idle(got, verdicts):
    n = got["connections"]
    print(f"\nHandoff of {n} idle connections beside {BUSY} busy ones ({got['busy_requests']} requests): "
          f"{got['drained']}, {got['failures'] or 'no failures'}, {got['closes']}")
    verdicts += [report.verdict("commit to drained", got["ms"], 200 * n / 10000, " ms"),
                 report.verdict("connections closed", got["closed"], 0),
                 report.verdict("idle connections lost", n - got["still_open"], 0),
                 report.verdict("not answered by the new generation", n - got["answered_by_new"], 0),
                 report.verdict("failed requests", got["failed"], 0),
                 report.verdict(f"longest request meanwhile (in {QUIET} s before: {got['quiet_max_ms']:.1f} ms)", got["busy_max_ms"], 5, " ms"),
                 report.verdict("user memory per connection", got["pss_per_connection"], 507, " B")]
    if "nginx_pss_per_connection" in got:
        ratio = got["pss_per_connection"] / got["nginx_pss_per_connection"]
        verdicts.append(report.verdict(f"the same / nginx's {got['nginx_pss_per_connection']:.0f} B", ratio, 1))


def run(arguments, context):
    result = {"verdicts": []}
    if arguments.reloads:
        result["posts"] = load.measure_all(load.variants(context), context, arguments.reloads, POSTS)
        report_posts(arguments.reloads, result)
    if "holdfast" not in context.servers or not Holdfast.supports(context.bin_dir, "--idle"):
        print("\nNo handoff of idle connections: this holdfast has no --idle")
        return result
    result["idle"] = []
    for connections in sizes(arguments.connections):
        got = hand_off(context, connections)
        if "nginx" in context.servers:
            got["nginx_pss_per_connection"] = nginx_memory(context, min(connections, Nginx.MOST))
        result["idle"].append(got)
        report_idle(got, result["verdicts"])
    return result
