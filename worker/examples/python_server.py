#!/usr/bin/env python3
"""A service in Python, standard library only, that holdfast reloads without a client noticing:

    holdfast run --protocol systemd --listen :8080 -- python3 python_server.py

It takes its listeners from systemd's variables, says READY=1 when it is prepared, and leaves at TERM:
no new connections, the requests under way to their end, exit code 0.
"""
import http.server
import os
import signal
import socket
import threading


def notify(message):
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
            manager.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
            manager.send(message.encode())


def given_listener():
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or int(os.environ.get("LISTEN_FDS", 0)) < 1:
        raise SystemExit("python_server: no listener in LISTEN_FDS")
    return socket.socket(fileno=3)


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


server = Server(given_listener())
# shutdown() waits for the loop of this very thread, so another one has to call it.
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
notify("READY=1\nSTATUS=serving")
server.serve_forever(poll_interval=0.05)
notify("STOPPING=1")
server.server_close()
