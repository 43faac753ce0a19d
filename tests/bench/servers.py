"""The servers under measurement. Each is a context manager: it starts on a free loopback port in a
temporary folder, and whatever happens nothing of it is left behind."""

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

BODY = "Hello, world!"
PATIENCE = 30


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children_of(pid):
    try:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        children = [int(c) for t in tasks for c in (t / "children").read_text().split()]
    except OSError:
        return []
    return [child for child in children if is_alive(child)]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _more_descriptors():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Server:
    """name; generation_header; target; url; main_pid; serving() -> pids that answer requests."""

    name = "?"
    generation_header = "X-Generation"

    def __init__(self, cpu=None, log=True, workers=1, env=None, tls=False):
        self.cpu, self.log, self.workers, self.tls = cpu, log, workers, tls
        self.env = {**os.environ, **(env or {})}
        self.process = None

    def __enter__(self):
        self.dir = Path(tempfile.mkdtemp(prefix=f"holdfast-bench-{self.name}-"))
        self.log_file = self.dir / "access.log"
        try:
            if self.tls:
                self.make_certificate()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process is not None:
            # A group of its own: KILL reaches what a crashed master has left behind.
            family = [self.process.pid, *children_of(self.process.pid)]
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(3)
            for pid in family:
                if pid != self.process.pid and not is_alive(pid):
                    continue
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def spawn(self, argv, **pipes):
        if self.cpu is not None:
            argv = ["taskset", "-c", str(self.cpu), *argv]
        # taskset execs, so the pid is the server's own.
        self.process = subprocess.Popen([str(a) for a in argv], env=self.env,
                                        preexec_fn=_more_descriptors, start_new_session=True,
                                        stdin=subprocess.DEVNULL, **pipes)

    def make_certificate(self):
        self.certificate, self.key = self.dir / "server.crt", self.dir / "server.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=localhost", "-keyout", self.key, "-out", self.certificate],
                       check=True, capture_output=True)

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://{self.target}/"

    @property
    def main_pid(self):
        return self.process.pid

    def serving(self):
        return children_of(self.main_pid)

    def reload(self):
        os.kill(self.main_pid, signal.SIGHUP)

    def line_size(self):
        """Mean bytes of an access-log line so far."""
        if not self.log_file.exists():
            return 0
        text = self.log_file.read_bytes()
        return len(text) / max(text.count(b"\n"), 1)


class Talking(Server):
    """A server that says on stderr what becomes of its workers, so that nothing is waited for by sleeping."""

    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.events = []
        self.seen = threading.Condition()

    def spawn(self, argv, **pipes):
        super().spawn(argv, stderr=subprocess.PIPE, **pipes)
        threading.Thread(target=self._read_events, daemon=True).start()

    def _read_events(self):
        for line in self.process.stderr:
            self._add({**self.parse(line.decode(errors="replace").strip()), "seen_at": time.monotonic()})
        self._add({"event": "eof"})

    def _add(self, event):
        with self.seen:
            self.events.append(event)
            self.seen.notify_all()

    def named(self, name):
        return [e for e in self.events if e.get("event") == name]

    def wait_for(self, condition, what, patience=PATIENCE):
        with self.seen:
            self.seen.wait_for(lambda: condition() or self.named("eof"), patience)
            if not condition():
                tail = "\n  ".join(json.dumps(e) for e in self.events[-8:])
                raise RuntimeError(f"{self.name}: waited for {what} in vain; last:\n  {tail}")

    def wait_event(self, name, count=1, patience=PATIENCE):
        self.wait_for(lambda: len(self.named(name)) >= count, f"event {name} number {count}", patience)
        return self.named(name)[count - 1] if count else None

    def wait_reloads(self, count):
        """Until `count` generations have come and gone since the first."""
        self.wait_event("worker_ready", self.workers * (count + 1))
        self.wait_event("worker_exited", self.workers * count)

    def stays_silent(self, seconds):
        """Whether it says nothing for that long."""
        with self.seen:
            count = len(self.events)
            return not self.seen.wait_for(lambda: len(self.events) > count, seconds)

    def serving(self):
        gone = {e.get("pid") for e in self.named("worker_exited")}
        return [e["pid"] for e in self.named("worker_ready") if e["pid"] not in gone]


class Holdfast(Talking):
    name = "holdfast"

    def __init__(self, bin_dir, options=(), **keywords):
        super().__init__(**keywords)
        self.bin_dir, self.options = bin_dir, options

    def start(self):
        # A name of its own: benchmarks run beside whatever else runs on the machine.
        tls = ["--tls-cert", self.certificate, "--tls-key", self.key] if self.tls else []
        self.spawn([self.bin_dir / "holdfast", "run", "--name", self.dir.name, "--listen", "127.0.0.1:0",
                    "--workers", self.workers, "--access-log", self.log_file if self.log else "off",
                    *self.options, "--", self.bin_dir / "holdfast-demo", *tls],
                   stdout=subprocess.DEVNULL)
        self.target = self.wait_event("started")["listeners"][0]["address"]
        self.wait_event("worker_ready", self.workers)

    @staticmethod
    def supports(bin_dir, flag):
        text = subprocess.run([bin_dir / "holdfast", "run", "--help"], capture_output=True, text=True).stdout
        return f" {flag} " in text

    def parse(self, line):
        try:
            return json.loads(line)
        except ValueError:
            return {"event": "?", "text": line}


class Nginx(Talking):
    name = "nginx"
    generation_header = "X-Gen"
    SLOTS = 19500  # worker_connections
    MOST = 18000   # of them idle: with fewer than a sixteenth free it closes idle ones to make room

    # The fields of the holdfast line that nginx has, under the same names. Not $request_id: OpenSSL's random
    # bytes cost nginx more than a tenth of a request, and the comparison is to be with nginx at its best.
    FORMAT = (
        """{"logged_at":"$time_iso8601","type":"access","severity":"info","start_at":"$msec","""
        """"response_time":$request_time,"protocol":"$server_protocol","http_method":"$request_method","""
        """"url":"$request_uri","http_host":"$http_host","http_status_code":$status,"""
        """"request_size":"$content_length","response_size":$body_bytes_sent,"bytes_received":$request_length,"""
        """"bytes_sent":$bytes_sent,"remote_ipaddr":"$remote_addr","remote_port":$remote_port,"""
        """"http_user_agent":"$http_user_agent","request_id":"$connection-$msec-$connection_requests","""
        """"listener":"http","""
        """"conn_id":"$connection","conn_requests":$connection_requests,"pid":$pid,"""
        """"completion":"$request_completion"}"""
    )
    CONFIG = """daemon off; worker_processes {workers}; user root; pid {dir}/pid; error_log stderr notice;
events {{ worker_connections {slots}; }}
http {{
  log_format all escape=json '{format}';
  access_log {log};
  client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
  uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
  keepalive_timeout 300s; keepalive_requests 1000000000;
  server {{
    listen 127.0.0.1:{port} backlog=4096{tls};
    location / {{ default_type text/plain; add_header X-Gen $pid; return 200 "{body}"; }}
  }}
}}
"""

    def start(self):
        port = free_port()
        self.target = f"127.0.0.1:{port}"
        log = f"{self.log_file} all buffer=32k flush=1s" if self.log else "off"
        tls = (f" ssl; ssl_certificate {self.certificate}; ssl_certificate_key {self.key}; "
               "ssl_protocols TLSv1.2 TLSv1.3" if self.tls else "")
        config = self.dir / "nginx.conf"
        config.write_text(self.CONFIG.format(workers=self.workers, slots=self.SLOTS, dir=self.dir, format=self.FORMAT, log=log,
                                             port=port, body=BODY, tls=tls))
        self.spawn(["nginx", "-c", config, "-p", self.dir, "-e", "stderr"])
        self.wait_event("worker_ready", self.workers)

    def parse(self, line):
        """The master's notices; it listens before it starts a worker."""
        for event, pattern in (("worker_ready", r"start worker process (\d+)"),
                               ("worker_exited", r"worker process (\d+) exited")):
            if found := re.search(pattern, line):
                return {"event": event, "pid": int(found[1])}
        return {"event": "?", "text": line}


class Haproxy(Talking):
    """Master and worker; the new worker takes the listeners from the old one over the stats socket."""

    name = "haproxy"
    generation_header = "X-Gen"

    # The fields of Nginx.FORMAT that it has. It writes to a descriptor, a line at a time.
    FORMAT = (
        """{"logged_at":"%T","type":"access","severity":"info","start_at":"%Ts.%ms","response_time":%Ta,"""
        """"protocol":"%HV","http_method":"%HM","url":"%HU","http_status_code":%ST,"bytes_received":%U,"""
        """"bytes_sent":%B,"remote_ipaddr":"%ci","remote_port":%cp,"request_id":"%rt-%Ts","""
        """"listener":"%f","pid":%pid,"completion":"%ts"}"""
    )
    CONFIG = """global
  log stdout format raw local0
  stats socket {dir}/stats mode 600 level admin expose-fd listeners
  nbthread 1
  maxconn 5000
defaults
  mode http
  timeout client 300s
  timeout http-keep-alive 300s
  timeout http-request 300s
  timeout connect 5s
  timeout server 5s
frontend http
  bind 127.0.0.1:{port} backlog 4096
  {log}
  http-request wait-for-body time 30s if METH_POST
  http-request return status 200 content-type text/plain hdr X-Gen "%pid" lf-string "{body}"
"""

    def start(self):
        port = free_port()
        self.target = f"127.0.0.1:{port}"
        log = f"log global\n  log-format '{self.FORMAT}'" if self.log else "no log"
        config = self.dir / "haproxy.cfg"
        config.write_text(self.CONFIG.format(dir=self.dir, port=port, body=BODY, log=log))
        with open(self.log_file, "wb") as out:
            self.spawn(["haproxy", "-W", "-f", config], stdout=out)
        self.wait_event("worker_ready")

    def reload(self):
        os.kill(self.main_pid, signal.SIGUSR2)

    def parse(self, line):
        """The master's notices; it listens before it forks a worker."""
        for event, pattern in (("worker_ready", r"New worker \((\d+)\) forked"),
                               ("worker_exited", r"worker \((\d+)\) exited")):
            if found := re.search(pattern, line):
                return {"event": event, "pid": int(found[1])}
        return {"event": "?", "text": line}


class Bare(Server):
    name = "bare"

    def __init__(self, bin_dir, **keywords):
        super().__init__(**keywords)
        self.bin_dir = bin_dir

    def start(self):
        log = ["--log", self.log_file] if self.log else []
        self.spawn([self.bin_dir / "bare_responder", *log], stdout=subprocess.PIPE)
        self.target = "127.0.0.1:" + self.process.stdout.readline().decode().strip()

    def serving(self):
        return [self.main_pid]
