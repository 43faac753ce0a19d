"""A server as seen from afar: tests/support/rtt_relay between it and the clients."""

import subprocess

import load


class Relay:
    """While it is open, the server's target is the relay's address."""

    def __init__(self, context, server, rtt):
        self.server, self.near = server, server.target
        argv = ["taskset", "-c", str(load.CLIENT_CPU), str(context.bin_dir / "rtt_relay"),
                "--target", self.near, "--rtt", rtt]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        address = self.process.stdout.readline().strip()
        if not address:
            raise RuntimeError("cannot relay: " + self.process.communicate()[1].strip())
        server.target = address

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.target = self.near
        self.process.kill()
        self.process.wait()
