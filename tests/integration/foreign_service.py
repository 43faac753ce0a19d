#!/usr/bin/env python3
"""A service for the tests, which does one thing differently for each word of its arguments."""
import os
import select
import signal
import socket
import subprocess
import sys
import threading

words = dict(word.partition("=")[::2] for word in sys.argv[1:])
listener = socket.socket(fileno=int(words.get("fd", 3)))


def notify(text, fds=()):
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.connect("\0" + address[1:])
            socket.send_fds(manager, [text.encode()], list(fds))


def answer(connection):
    with connection:
        connection.recv(4096)
        body = words.get("body", "Hello, world!").encode()
        connection.send(b"HTTP/1.1 " + words.get("status", "200").encode() + b" X\r\nContent-Length: "
                        + str(len(body)).encode() + b"\r\nConnection: close\r\n\r\n" + body)


def serve(sock, wakes=None):
    # An edge for each connection: a socket that somebody shut down, and that holdfast is about to heal,
    # would be ready all the time otherwise.
    waiting = select.epoll()
    waiting.register(sock.fileno(), select.EPOLLIN | select.EPOLLET)
    if wakes:
        waiting.register(wakes.fileno(), select.EPOLLIN | select.EPOLLET)
    while True:
        try:
            connection, _ = sock.accept()
        except OSError:  # nobody is there, or it is shut
            waiting.poll()
        else:
            connection.setblocking(True)
            answer(connection)


def wait_for(fifo):
    """Until somebody opens it for writing."""
    with open(fifo, "rb"):
        pass


def own_port():
    admin = socket.socket()
    admin.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    admin.bind(("127.0.0.1", int(words["port"])))
    admin.listen()
    threading.Thread(target=serve, args=(admin,), daemon=True).start()


def leave(*_):
    if "shutdown" in words:
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    os._exit(int(words.get("exit", 0)))


if "deaf" in words:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
elif "default" not in words:
    signal.signal(signal.SIGTERM, leave)
if "print_env" in words:
    print(*sorted(f"{name}={value}" for name, value in os.environ.items()), sep="\n", file=sys.stderr)
    print("pid", os.getpid(), "fds", *sorted(map(int, os.listdir("/proc/self/fd"))), file=sys.stderr, flush=True)
if "die" in words:
    sys.exit(int(words["die"]))
if "port" in words:
    own_port()
if "store" in words:
    notify("MAINPID=1\nFDSTORE=1\nFDNAME=x", [0])
if "by_child" in words:
    subprocess.run(["systemd-notify", "--ready"], check=True)
elif "by_barrier" in words:
    ours, theirs = os.pipe()
    notify("READY=1")
    notify("BARRIER=1", [theirs])
    os.close(theirs)
    os.read(ours, 1)  # returns when the last copy of the other end is closed
    print("barrier passed", file=sys.stderr, flush=True)
elif "einhorn" in words:
    master = socket.socket(fileno=int(os.environ["EINHORN_SOCK_FD"]))
    master.send(b'{"command":"worker:ping","pid":1}\n')
    master.send(b'{"command":"worker:ack", "pid":%d}\n' % os.getpid())
    signal.signal(signal.SIGUSR2, leave)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
elif "mute" not in words:
    notify("READY=1\nSTATUS=" + words.get("says", "serving"))
if "watchdog" in words:
    notify("WATCHDOG=" + words["watchdog"])
if "feed" in words:
    interval = int(os.environ["WATCHDOG_USEC"]) / 2e6
    signal.signal(signal.SIGALRM, lambda *_: notify("WATCHDOG=1"))
    signal.setitimer(signal.ITIMER_REAL, interval, interval)
if "goes" in words:
    def go():
        try:
            wait_for(words["goes"])
        except FileNotFoundError:  # another worker went
            return
        os.unlink(words["goes"])
        notify("STOPPING=1")
        os.kill(os.getpid(), signal.SIGTERM)
    threading.Thread(target=go, daemon=True).start()
if "shut_at" in words:
    def shut():
        wait_for(words["shut_at"])
        listener.shutdown(socket.SHUT_RDWR)
    threading.Thread(target=shut, daemon=True).start()
# Python calls a handler between two instructions: of a signal that comes just before poll() waits, only this
# byte tells.
wakes, of_signals = socket.socketpair()
of_signals.setblocking(False)
signal.set_wakeup_fd(of_signals.fileno())
serve(listener, wakes)
