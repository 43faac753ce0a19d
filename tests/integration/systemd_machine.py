"""A machine whose PID 1 is systemd, in namespaces of its own: pids, mounts, control groups, network, names.

run(script, programs) starts the calling script again on that machine, with the programs in /usr/bin, and gives its
exit code. The end of PID 1 is the end of
every process, mount and address there; the control group is removed from outside. Raises Unavailable where the
kernel, the container around us or a missing program does not let it be.
"""
import ctypes
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

SYSTEMD = "/lib/systemd/systemd"
UNITS = pathlib.Path(__file__).resolve().parents[2] / "scripts/systemd"
CLONE_NEWNS = 0x20000
PR_SET_PDEATHSIG = 1
DEADLINE = 150
BOOT_DEADLINE = 60
# What our units ask for, without the rest of an operating system.
STUBS = ("sysinit.target", "basic.target", "network.target", "sockets.target", "multi-user.target", "shutdown.target")
# What the machine says through a pipe: that it is one, and then an exit code or why there is none.
ENTERED = "entered "
UNAVAILABLE = "unavailable "
libc = ctypes.CDLL(None, use_errno=True)


class Unavailable(Exception):
    pass


def mount(*words):
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Unavailable(f"mount {' '.join(map(str, words))}: {done.stderr.strip()}")


def end(number, _):
    signal.signal(number, signal.SIG_IGN)  # timeout(1) sends two
    sys.exit(1)  # by way of what cleans up


def remove_group(group):
    if not group.exists():
        return
    with open(group / "cgroup.events") as events:
        changed = select.poll()
        changed.register(events, select.POLLPRI)
        # The kernel may still take the namespace down.
        while "populated 1" in events.read() and changed.poll(20_000):
            events.seek(0)
    for folder, _, _ in os.walk(group, topdown=False):
        os.rmdir(folder)


def run(script, programs, *arguments):
    if os.getuid() != 0:
        raise Unavailable("a systemd of one's own needs root")
    for program in (SYSTEMD, "systemctl", "unshare", "mount"):
        if shutil.which(program) is None:
            raise Unavailable(f"no {program}")
    signal.signal(signal.SIGTERM, end)
    # For the view on the control groups alone, wherever the host has them or not: private, so gone with us.
    if libc.unshare(CLONE_NEWNS) != 0:
        raise Unavailable(f"unshare: {os.strerror(ctypes.get_errno())}")
    mount("--make-rprivate", "/")
    with tempfile.TemporaryDirectory(prefix="holdfast-systemd-") as work:
        groups = pathlib.Path(work, "groups")
        groups.mkdir()
        mount("-t", "cgroup2", "cgroup2", groups)
        for left in groups.glob("holdfast-systemd-*"):  # by a run that was killed
            if not pathlib.Path("/proc", left.name.rpartition("-")[2]).exists():
                remove_group(left)
        group = groups / f"holdfast-systemd-{os.getpid()}"
        try:
            try:
                group.mkdir()
                subprocess.run(["true"], preexec_fn=lambda: join(group), check=True)
            except (OSError, subprocess.SubprocessError) as cause:
                raise Unavailable(f"a control group: {cause}") from cause
            return watch(group, [script, "--machine", ",".join(programs), *arguments])
        finally:
            try:
                remove_group(group)
            finally:
                subprocess.run(["umount", groups], check=True)


def join(group):
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    (group / "cgroup.procs").write_text("0")


def watch(group, words):
    mine, theirs = os.pipe()
    unshare = subprocess.Popen(["unshare", "--mount", "--pid", "--cgroup", "--net", "--uts", "--ipc", "--fork", "--kill-child",
                                "--mount-proc", "--", sys.executable, *words, str(theirs)],
                               preexec_fn=lambda: join(group), pass_fds=[theirs])
    os.close(theirs)
    said, deadline = "", time.monotonic() + DEADLINE
    try:
        while not said.endswith("\n"):
            if not select.select([mine], [], [], max(0, deadline - time.monotonic()))[0]:
                print(f"not done after {DEADLINE} s")
                break
            piece = os.read(mine, 4096).decode()
            if not piece:
                break
            said += piece
    finally:
        unshare.kill()
        unshare.wait()
        os.close(mine)
    if not said.startswith(ENTERED):
        raise Unavailable("unshare(1) failed, as it says above")
    answer = said.removeprefix(ENTERED).strip()
    if answer.startswith(UNAVAILABLE):
        raise Unavailable(answer.removeprefix(UNAVAILABLE))
    return int(answer or 1)


def enter(arguments, body):
    """On the new machine: this process becomes systemd, and a child of it runs body(...) -> exit code."""
    programs, *rest, pipe = arguments
    pipe = int(pipe)
    os.set_inheritable(pipe, False)
    os.write(pipe, ENTERED.encode())
    try:
        furnish(programs.split(","))
    except Unavailable as cause:
        os.write(pipe, f"{UNAVAILABLE}{cause}\n".encode())
        return
    booted = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    booted.bind("/run/booted")
    if os.fork() == 0:
        code = 1
        try:
            wait_for_boot(booted)
            code = body(*rest)
        except Unavailable as cause:
            code = f"{UNAVAILABLE}{cause}"
        finally:
            sys.stdout.flush()
            os.write(pipe, f"{code}\n".encode())
            os._exit(0)
    os.execve(SYSTEMD, [SYSTEMD, "--system", "--unit=multi-user.target", "--show-status=0"],
              {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "container": "holdfast-test", "NOTIFY_SOCKET": "/run/booted",
               "SYSTEMD_UNIT_PATH": "/etc/systemd/system:/run/units"})


def wait_for_boot(booted):
    booted.settimeout(BOOT_DEADLINE)
    try:
        while b"READY=1" not in booted.recv(4096):
            pass
    except TimeoutError:
        raise Unavailable(f"{SYSTEMD} as PID 1 was not ready within {BOOT_DEADLINE} s") from None
    finally:
        booted.close()  # PID 1 would wait for who listens and does not read


def furnish(programs):
    """/run and /etc are ours to write, /usr/bin has our programs, and nothing of the host's can be changed."""
    mount("-t", "tmpfs", "tmpfs", "/run")
    subprocess.run(["umount", "--recursive", "/sys/fs/cgroup"], capture_output=True)
    mount("-t", "cgroup2", "cgroup2", "/sys/fs/cgroup")
    mount("--bind", "-o", "ro", "/proc/sys", "/proc/sys")
    mount("--bind", "/dev/null", "/dev/console")
    for name in ("etc", "work", "bin", "units", "log"):
        pathlib.Path("/run", name).mkdir()
    mount("-t", "overlay", "-o", "lowerdir=/etc,upperdir=/run/etc,workdir=/run/work", "overlay", "/etc")
    mount("-t", "tmpfs", "tmpfs", "/etc/systemd")
    names = [pathlib.Path(program).name for program in programs]
    for name in names:
        pathlib.Path("/run/bin", name).touch()
    mount("-t", "overlay", "-o", "lowerdir=/run/bin:/usr/bin", "overlay", "/usr/bin")
    for name, program in zip(names, programs):
        mount("--bind", program, f"/usr/bin/{name}")  # other users may not enter the folder that it is in
    pathlib.Path("/etc/holdfast").mkdir()
    pathlib.Path("/etc/systemd/system").mkdir()
    for name in STUBS:
        pathlib.Path("/run/units", name).write_text("[Unit]\nDefaultDependencies=no\n")
    for unit in UNITS.glob("holdfast@.*"):
        shutil.copy(unit, "/run/units")
