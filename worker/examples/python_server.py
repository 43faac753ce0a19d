#!/usr/bin/env python3
"""A service in Python, standard library only, that holdfast reloads without a client noticing:

    holdfast run --protocol systemd --listen :8080 -- python3 python_server.py

It finds its listener, says that it is prepared, and when it is asked to leave takes no new connections,
brings the requests under way to their end and exits with 0. It knows the words of three protocols for that
(--protocol systemd, start_server, einhorn); a service needs one.
"""
import http.server
import json
import os
import signal
import socket


def given_listener():
    if os.environ.get("LISTEN_PID") == str(os.getpid()):
        return socket.socket(fileno=3)  # the first of LISTEN_FDS
    if "SERVER_STARTER_PORT" in os.environ:
        first = os.environ["SERVER_STARTER_PORT"].split(";")[0]
        return socket.socket(fileno=int(first.rpartition("=")[2]))
    if os.environ.get("EINHORN_MASTER_PID") == str(os.getppid()):
        return socket.socket(fileno=int(os.environ["EINHORN_FD_0"]))
    raise SystemExit("python_server: nobody gave me a listener")


def say_ready():
    if "NOTIFY_SOCKET" in os.environ:
        address = os.environ["NOTIFY_SOCKET"]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.connect("\0" + address[1:] if address.startswith("@") else address)
            manager.send(b"READY=1\nSTATUS=serving")
    if "EINHORN_SOCK_PATH" in os.environ:
        with socket.socket(socket.AF_UNIX) as master:
            master.connect(os.environ["EINHORN_SOCK_PATH"])
            master.send(json.dumps({"command": "worker:ack", "pid": os.getpid()}).encode() + b"\n")


class Handler(http.server.BaseHTTPRequestHandler):
    timeout = 10  # a client that sends nothing must not hold up the drain

    def do_GET(self):
        body = b"Hello, world!"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False  # server_close() waits for the requests under way

    def __init__(self, listener):
        super().__init__(listener.getsockname(), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener  # listens already; nobody but holdfast may shut it down


leaving = False


def leave(*_):
    global leaving
    leaving = True  # and no more: a handler may run in the middle of anything


signal.signal(signal.SIGTERM, leave)
signal.signal(signal.SIGUSR2, leave)  # einhorn's
server = Server(given_listener())
server.timeout = 0.05
say_ready()
while not leaving:
    server.handle_request()  # in a thread of its own; returns after the timeout when nobody comes
server.server_close()
