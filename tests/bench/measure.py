"""What can be read about a process from outside, and the loads that are put on it."""

import json
import re
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path


def cpu_ns(pids):
    """Time on a CPU of all threads, to the nanosecond (stat counts in ticks of 10 ms)."""
    return sum(int((task / "schedstat").read_text().split()[0])
               for pid in pids for task in Path(f"/proc/{pid}/task").iterdir())


def memory(pids):
    """Bytes: proportional set, and pages that are the processes' own."""
    pss = private = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "Pss":
                pss += int(value.split()[0]) * 1024
            elif name in ("Private_Clean", "Private_Dirty"):
                private += int(value.split()[0]) * 1024
    return {"pss": pss, "private": private}


def status_field(pid, name):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{name}:\s+(\d+)", text, re.M).group(1))


def wrk(url, seconds=1, connections=64, cpu=1):
    """Number of requests answered."""
    out = subprocess.run(["taskset", "-c", str(cpu), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s",
                          url], check=True, capture_output=True, text=True).stdout
    if "Socket errors" in out or "Non-2xx" in out:
        raise RuntimeError("wrk met errors:\n" + out)
    return int(re.search(r"(\d+) requests in", out).group(1))


def system_calls(pid, url, seconds=1):
    """Calls per request by name, counted by strace while wrk runs."""
    with tempfile.NamedTemporaryFile("r") as table:
        tracer = subprocess.Popen(["strace", "-c", "-f", "-p", str(pid), "-o", table.name],
                                  stderr=subprocess.PIPE, text=True)
        tracer.stderr.readline()  # "Process N attached"
        try:
            requests = wrk(url, seconds)
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.communicate()
        calls = {}
        for line in table.read().splitlines():
            match = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line)
            if match and match.group(2) != "total":
                calls[match.group(2)] = int(match.group(1)) / requests
        return calls


class Hammer:
    """The project's load client as a child process."""

    def __init__(self, bin_dir, server, groups, cpu=None, timeline=False):
        pin = ["taskset", "-c", str(cpu)] if cpu is not None else []
        argv = [*pin, str(bin_dir / "hammer"), "--target", server.target, "--progress",
                "--generation-header", server.generation_header]
        argv += [] if timeline else ["--no-timeline"]
        for group in groups:
            argv += ["--group", group]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def progress(self):
        line = self.process.stderr.readline()
        if not line.startswith("{"):
            raise RuntimeError("hammer ended: " + line + self.process.stderr.read())
        return json.loads(line)["progress"]

    def wait(self, condition, what, patience=60):
        """The progress of which `condition` is true."""
        deadline = time.monotonic() + patience
        while not condition(now := self.progress()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"hammer: waited for {what} in vain: {now}")
        return now

    def wait_requests(self, count):
        self.wait(lambda now: now["requests"] >= count, f"{count} requests")

    def wait_parked(self, count):
        """REQUIRES: no request but those of idle connections fails."""
        now = self.wait(lambda now: now["parked"] + now["failed"] >= count, f"{count} idle connections")
        if now["parked"] < count:
            out = self.finish()
            raise RuntimeError(f"hammer: not all connections were opened: {out['failures']} {out['examples'][:2]}")

    def mark(self):
        self.process.send_signal(signal.SIGUSR1)

    def wake(self):
        """Every idle connection sends one request more."""
        self.process.send_signal(signal.SIGHUP)

    def finish(self):
        self.process.send_signal(signal.SIGINT)
        return self.result()

    def result(self):
        out, _ = self.process.communicate()
        return json.loads(out)


def quartiles(values):
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high
