"""What the tests of this folder share: paths, running commands, and a service under the installed supervisor."""
import contextlib
import json
import os
import pathlib
import queue
import signal
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONSUMER = ROOT / "tests" / "consumer"
BUILD = pathlib.Path(os.environ["HOLDFAST_TEST_BUILD"])
PREFIX = pathlib.Path(os.environ["HOLDFAST_TEST_PREFIX"])
SKIPPED = 77
PATIENCE = 30  # seconds


def skip(reason):
    print("skipped:", reason)
    sys.exit(SKIPPED)


def check(holds, what):
    if not holds:
        sys.exit(f"FAILED: {what}")


def run(*command, fails=False, **options):
    """Its output; an exit status that was not expected ends the test."""
    done = subprocess.run([str(part) for part in command], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, **options)
    if (done.returncode != 0) != fails:
        sys.exit(f"FAILED: {' '.join(map(str, command))}\nexit status {done.returncode}\n{done.stdout}")
    return done.stdout


def version():
    text = (ROOT / "worker/include/holdfast/version.h").read_text()
    return ".".join(line.split()[2] for line in text.splitlines()
                    if line.startswith(("#define HOLDFAST_VERSION_M", "#define HOLDFAST_VERSION_PATCH")))


class Service:
    """A program under `holdfast run`. Events are read as they come, so that nothing is waited for by sleeping."""

    def __init__(self, holdfast, program, environment=None):
        self.process = subprocess.Popen(
            [str(holdfast), "run", "--name", f"package-{os.getpid()}", "--listen", "127.0.0.1:0", "--access-log", "off",
             "--", str(program)],
            stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})})
        self.seen = []
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stderr:
            self.lines.put(line)
        self.lines.put(None)

    def wait(self, event):
        while True:
            try:
                line = self.lines.get(timeout=PATIENCE)
            except queue.Empty:
                line = None
            if line is None:
                sys.exit(f"FAILED: no event {event} after\n{''.join(self.seen)}")
            self.seen.append(line)
            with contextlib.suppress(json.JSONDecodeError):
                fields = json.loads(line)
                if fields["event"] == event:
                    return fields

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


PLAIN = f"plain {version()} generation {{}}"
COROUTINE = f"coroutine {version()} generation {{}}"
C_SERVICE = f"c {version()} generation {{}}"
HELLO = "Hello from generation {}"


def serves(holdfast, program, expected, environment=None):
    """Answers curl, reloads on HUP, stops on TERM. `expected` is the answer, {} in it the generation."""
    service = Service(holdfast, program, environment)
    try:
        url = "http://" + service.wait("started")["listeners"][0]["address"] + "/"
        service.wait("serving")
        for generation in (1, 2):
            if generation == 2:
                service.process.send_signal(signal.SIGHUP)
                service.wait("reload_done")
            answer = run("curl", "--silent", "--show-error", "--fail", "--max-time", PATIENCE, url)
            check(answer == expected.format(generation) + "\n", f"{program} answered {answer!r}")
        check(service.end() == 0, f"{program} under holdfast ended with {service.process.returncode}")
    finally:
        service.process.kill()
    print(f"{program.name}: answered, reloaded, stopped")
