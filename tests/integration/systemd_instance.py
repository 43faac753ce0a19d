"""One instance of the unit on the machine of systemd_machine.py, and the clients of its service."""
import http.client
import json
import os
import pathlib
import socket
import subprocess
import threading
import time

CAP = 60
SYSTEM = pathlib.Path("/etc/systemd/system")
RELEASES = pathlib.Path("/run/releases")


def systemctl(*words):
    return subprocess.run(["systemctl", *words], capture_output=True, text=True, timeout=CAP)


def eventually(what, check):
    """Each check asks systemd or the kernel, and takes its time by that."""
    deadline = time.monotonic() + CAP
    while not check():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {CAP} s: {what()}")


class Load(threading.Thread):
    """Requests one after another, each over a connection of its own, until the context ends."""

    def __init__(self, port):
        super().__init__()
        self.port, self.answered, self.refused, self.failed, self.over = port, 0, 0, [], False
        self.done_with_one = threading.Condition()

    def run(self):
        while not self.over:
            client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=CAP)
            try:
                client.request("GET", "/")
                good = client.getresponse().read() == b"Hello, world!"
                self.answered += good
                if not good:
                    self.failed.append("a wrong answer")
            except ConnectionRefusedError:
                self.refused += 1
            except (OSError, http.client.HTTPException) as cause:
                self.failed.append(repr(cause))
            finally:
                client.close()
                with self.done_with_one:
                    self.done_with_one.notify()

    def until(self, what, check):
        with self.done_with_one:
            if not self.done_with_one.wait_for(check, CAP):
                raise AssertionError(f"not within {CAP} s: {what}; {self.answered} answered, {self.refused} refused")

    def more(self, count=20):
        wanted = self.answered + count
        self.until(f"{wanted} answers", lambda: self.answered >= wanted)

    def __enter__(self):
        self.start()
        self.more()
        return self

    def __exit__(self, *_):
        self.over = True
        self.join()


class Upload:
    """A request in flight for as long as it likes."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=CAP)
        self.socket.sendall(b"POST /upload HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        assert self.socket.recv(4096).startswith(b"HTTP/1.1 100")  # a handler has it

    def finish(self):
        self.socket.sendall(b"body")
        with self.socket, self.socket.makefile("rb") as answer:
            return answer.readline()


class Instance:
    port_of_the_next = 8081

    def __init__(self, test, name, **config):
        self.test, self.name, self.unit = test, name, f"holdfast@{name}"
        self.port = Instance.port_of_the_next
        Instance.port_of_the_next += 1
        self.gate = pathlib.Path(f"/run/gates/{name}")  # of a release that reads a line before it runs
        self.gate.parent.mkdir(exist_ok=True)
        os.mkfifo(self.gate)
        self.release, self.config = RELEASES / name, pathlib.Path(f"/etc/holdfast/{name}.json")
        self.deploy("exec holdfast-demo")
        self.options = {"listen": f":{self.port}", "command": [str(self.release)], "probation": "100ms", "access_log": "off"}
        self.configure(**config)
        test.addCleanup(systemctl, "stop", self.unit)
        test.addCleanup(self.tell_if_failed)

    def configure(self, **options):
        self.options.update(options)
        self.config.write_text(json.dumps(self.options))

    def deploy(self, script):
        new = self.release.with_suffix(".new")
        new.write_text(f"#!/bin/sh\n{script}\n")
        new.chmod(0o755)
        new.rename(self.release)

    def drop_in(self, text, kind="service"):
        folder = SYSTEM / f"{self.unit}.{kind}.d"
        folder.mkdir(exist_ok=True)
        (folder / "test.conf").write_text(text)
        systemctl("daemon-reload")

    def must(self, verb, *words):
        done = systemctl(verb, *words, self.unit)
        self.test.assertEqual(done.returncode, 0, f"systemctl {verb} {self.unit}: {done.stderr}")

    def show(self, key):
        return systemctl("show", "--value", "-p", key, self.unit).stdout.strip()

    def becomes(self, key, value):
        eventually(lambda: f"{key}={value} but {self.show(key)}", lambda: self.show(key) == value)

    def status(self, *words):
        return subprocess.run(["holdfast", "status", "--name", self.name, *words], capture_output=True, text=True, timeout=CAP)

    def get(self):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=CAP)
        client.request("GET", "/")
        body = client.getresponse().read()
        client.close()
        return body

    def refuses(self, port=None):
        try:
            socket.create_connection(("127.0.0.1", port or self.port), timeout=CAP).close()
            return False
        except ConnectionRefusedError:
            return True

    def pid(self):
        return int(self.show("MainPID"))

    def group(self):
        return pathlib.Path("/sys/fs/cgroup" + self.show("ControlGroup"), "cgroup.procs").read_text().split()

    def restarts_after(self, sign):
        killed = self.pid()
        os.kill(killed, sign)
        self.becomes("NRestarts", "1")
        self.becomes("ActiveState", "active")
        self.test.assertNotEqual(self.pid(), killed)

    def tell_if_failed(self):
        outcome = self.test._outcome.result
        if any(case is self.test for case, _ in outcome.failures + outcome.errors):
            log = pathlib.Path(f"/run/log/{self.name}")
            print(systemctl("status", self.unit).stdout, log.read_text() if log.exists() else "no log", sep="\n")
