#!/usr/bin/env python3
"""What scripts/demo runs once the programs are built: a supervisor, a load, ten deploys and a stop."""
import collections
import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

RELOADS = 10
BROKEN = 6  # which of them deploys a version that cannot start
CAP = 60    # seconds that any single wait may take

# name, what a newcomer reads, and what hammer is told
LOAD = [
    ("busy", "busy keep-alive GETs", "connections=8,think=0-2ms"),
    ("posts", "POSTs, 0-50 ms apart", "connections=64,think=0-50ms,post=100%,body=200,path=/echo"),
    ("fresh", "a connection per request", "connections=2,mode=new,think=0-2ms"),
    ("silent", "connect, wait, then ask", "connections=8,mode=preconnect,think=20-200ms"),
    ("slow", "answers that take 300 ms", "connections=8,path=/?duration=300ms"),
    ("slowsend", "heads sent in pieces", "connections=4,mode=slowsend,pieces=8,over=400ms"),
    ("upload", "uploads of 4 MiB", "connections=1,mode=upload,size=4MiB,rate=4MiB/s,path=/upload"),
]


class Supervisor:
    """holdfast run, with its events as a queue."""

    def __init__(self, bin_dir, work):
        self.log = work / "access.log"
        self.program, self.name = bin_dir / "holdfast", f"demo-{os.getpid()}"
        self.seen = []
        self.queue = queue.Queue()
        self.process = subprocess.Popen(
            [self.program, "run", "--name", self.name, "--listen", "127.0.0.1:0", "--workers", "2", "--probation", "300ms",
             "--idle", "handoff", "--access-log", self.log, "--cwd", work, "--", "current/serve"],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stderr:
            self.queue.put(line)
        self.queue.put(None)

    def ask(self, command, *flags):
        """What an operator would type; its exit status and what it printed."""
        done = subprocess.run([self.program, command, "--name", self.name, *flags], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True, timeout=CAP)
        return done.returncode, done.stdout

    def wait(self, *names):
        """The next event with one of these names."""
        deadline = time.monotonic() + CAP
        while True:
            line = self.queue.get(timeout=max(0.0, deadline - time.monotonic()))
            if line is None:
                sys.exit(f"holdfast ended while the demo waited for {names}:\n" + "\n".join(map(str, self.seen[-5:])))
            try:
                event = json.loads(line)
            except ValueError:
                event = {"event": "not json", "text": line}
            self.seen.append(event)
            if event.get("event") in names:
                return event

    def drain_events(self):
        while (line := self.queue.get(timeout=CAP)) is not None:
            self.seen.append(json.loads(line))


class Load:
    """hammer with the demo's mix of clients; it tells ten times a second how far it is."""

    def __init__(self, bin_dir, address):
        groups = [arg for name, _, how in LOAD for arg in ("--group", f"name={name},{how}")]
        self.process = subprocess.Popen([bin_dir / "hammer", "--target", address, "--expect-stop", "--no-timeline",
                                         "--progress", *groups], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run_on(self, requests):
        """Returns once that many more requests were answered."""
        goal = None
        for line in self.process.stderr:
            done = json.loads(line)["progress"]["requests"]
            goal = done + requests if goal is None else goal
            if done >= goal:
                return
        sys.exit("the load client ended early")

    def result(self):
        out, _ = self.process.communicate(timeout=CAP)
        return json.loads(out)


def make_releases(bin_dir, work):
    for n in range(1, RELOADS + 2):
        release = work / "releases" / f"v{n}"
        release.mkdir(parents=True)
        if n == BROKEN + 1:
            (release / "serve").write_text("#!/bin/sh\necho 'cannot read settings.toml: No such file' >&2\nexit 3\n")
            (release / "serve").chmod(0o755)
        else:
            (release / "serve").symlink_to(bin_dir / "holdfast-demo")


def point_current_at(work, n):
    fresh = work / "current.new"
    fresh.symlink_to(f"releases/v{n}")
    fresh.replace(work / "current")


def deploy(supervisor, load, work, n):
    load.run_on(2000)
    point_current_at(work, n)
    load.process.send_signal(signal.SIGUSR1)  # latencies of the next 300 ms are kept apart
    code, text = supervisor.ask("reload", "--wait", "--json")
    verdict = json.loads(text)
    if code == 0:
        print(f"  deploy v{n:<2} exit {code:<2} generation {verdict['generation']:<2} ready after {verdict['ready_ms']} ms")
    else:
        why = next((line for line in reversed(verdict.get("event", {}).get("stderr_tail") or [])), "")
        print(f"  deploy v{n:<2} exit {code:<2} v{n - 1} goes on serving: {verdict.get('reason')} ({why})")
    return code


def access_lines(path):
    counts, ids, bad = collections.Counter(), set(), 0
    for line in path.read_bytes().splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            bad += 1
            continue
        counts[record["completion"]] += 1
        ids.add(record["request_id"])
    return sum(counts.values()), len(ids), bad, counts


def table(rows):
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  " + "  ".join(f"{str(cell):<{w}}" if i == 0 else f"{str(cell):>{w}}"
                               for i, (cell, w) in enumerate(zip(row, widths))))


def report(result, supervisor, stop_code, stop_ms, codes, log):
    failures = [f"{result['failed_total']} failed requests: {result['failures']} {result['examples']}"] \
        if result["failed_total"] else []
    print("\nWhat the clients saw")
    rows = [("requests", "sent", "answered", "failed")]
    for name, words, _ in LOAD:
        group = result["groups"][name]
        rows.append((words, group["begun"], group["ok"], group["failed_total"]))
    rows.append(("all", result["begun"], result["ok"], result["failed_total"]))
    table(rows)
    names = ", ".join(f"{g}: {n}" for g, n in sorted(result["generations"].items(), key=lambda item: int(item[0])))
    print(f"  answers by generation: {names}")
    steady, window = result["latency"]["steady"], result["latency"]["window"]
    print("\nLatency")
    rows = [("", "steady p50", "steady p99", "300 ms after a deploy p50", "p99")]
    for name, words, _ in LOAD[:3]:
        s, w = (result["groups"][name]["latency"][k] for k in ("steady", "window"))
        rows.append((words, *(f"{v / 1000:.2f} ms" for v in (s["p50_us"], s["p99_us"], w["p50_us"], w["p99_us"]))))
    table(rows)

    lines, ids, bad, kinds = access_lines(log)
    print("\nThe access log")
    print(f"  {lines} lines, {ids} different requests, {bad} lines that are not JSON; requests begun: {result['begun']}")
    if bad or lines != ids or lines != result["begun"]:
        failures.append(f"the access log has {lines} lines ({ids} distinct, {bad} bad) for {result['begun']} requests: {kinds}")

    drains = [e for e in supervisor.seen if e.get("event") == "generation_drained"]
    print("\nConnections at the deploys (--idle handoff)")
    print(f"  {sum(e['handed_off'] for e in drains)} went on, open, with the next version; "
          f"{sum(e['closed_idle'] for e in drains)} were closed between requests")

    stopped = next((e for e in reversed(supervisor.seen) if e.get("event") == "stopped"), {})
    print("\nThe stop (TERM under the same load)")
    print(f"  exit status {stop_code} after {stop_ms:.0f} ms, {stopped.get('cut')} requests cut, "
          f"{result['refused_after_stop']} connects refused afterwards, nobody reset")
    if stop_code != 0 or stopped.get("cut") != 0:
        failures.append(f"the stop was not clean: exit {stop_code}, {stopped}")
    if codes.count(0) != RELOADS - 1 or codes[BROKEN - 1] != 10:
        failures.append(f"expected {RELOADS - 1} good deploys and one that failed with 10: {codes}")
    left = [e["pid"] for e in supervisor.seen if e.get("event") == "worker_started" and alive(e["pid"])]
    if left:
        failures.append(f"workers left over: {left}")
    return failures


def alive(pid):
    return pathlib.Path(f"/proc/{pid}").exists()


def main():
    bin_dir = pathlib.Path(sys.argv[1]).resolve()
    work = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-demo-"))
    supervisor = load = None
    try:
        make_releases(bin_dir, work)
        point_current_at(work, 1)
        supervisor = Supervisor(bin_dir, work)
        address = supervisor.wait("started")["listeners"][0]["address"]
        supervisor.wait("serving")
        print(f"holdfast {supervisor.process.pid} holds {address}; 2 workers run v1\n")
        load = Load(bin_dir, address)
        print("holdfast reload --wait")
        codes = [deploy(supervisor, load, work, n + 1) for n in range(1, RELOADS + 1)]
        load.run_on(2000)
        print("\nholdfast status\n" + "".join(f"  {line}\n" for line in supervisor.ask("status")[1].splitlines()))
        begun = time.monotonic()
        supervisor.process.send_signal(signal.SIGTERM)
        stop_code = supervisor.process.wait(CAP)
        stop_ms = (time.monotonic() - begun) * 1000
        supervisor.drain_events()
        result = load.result()
        failures = report(result, supervisor, stop_code, stop_ms, codes, supervisor.log)
    finally:
        if supervisor and supervisor.process.poll() is None:
            supervisor.process.kill()
        if load and load.process.poll() is None:
            load.process.kill()
        shutil.rmtree(work, ignore_errors=True)
    print()
    for failure in failures:
        print(f"FAILED: {failure}")
    if not failures:
        print(f"OK: {RELOADS} deploys and a stop under load; nothing was lost.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
