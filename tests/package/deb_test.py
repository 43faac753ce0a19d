"""The Debian packages install, run and go without a trace, in a throw-away copy of this machine's root.

The copy is an overlay in a mount namespace of its own: nothing is installed on the machine.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

from package import BUILD, CONSUMER, PLAIN, ROOT, check, run, serves, skip, version

PACKAGES = ["holdfast", "libholdfast-worker0", "libholdfast-worker-dev"]
# What dpkg, ldconfig and the test itself keep.
OWN = ("var/lib/dpkg/", "var/log/", "var/cache/", "etc/ld.so.cache", "tmp/", "run/", "root/", "proc/", "dev/")

MAKE_ROOT = """
set -e
cd "$1"
mount -t tmpfs none . && mkdir changes scratch root
mount -t overlay overlay -o lowerdir=/,upperdir=changes,workdir=scratch root
for place in /proc /dev /tmp "$2" "$3"; do mount --rbind "$place" "root$place"; done
chroot root python3 "$4" inside
find changes ! -type d -printf '%P\\n' > "$5"
"""


def inside():
    debs = [str(path) for path in sorted((BUILD / "packages").glob("*.deb"))]
    run("dpkg", "--install", *debs)
    check(run("holdfast", "--version") == f"holdfast {version()}\n", "holdfast --version")
    check(run("holdfast-metrics", "--version") == f"holdfast-metrics {version()}\n", "holdfast-metrics --version")
    for page in ("man1/holdfast.1", "man5/holdfast.conf.5", "man7/holdfast-protocol.7"):
        check(page in run("dpkg", "--listfiles", "holdfast"), f"{page} is not in the package")
    with tempfile.TemporaryDirectory() as folder:
        for module in ("holdfast-worker", "holdfast-worker-shared"):
            program = pathlib.Path(folder) / module
            flags = run("pkg-config", "--cflags", "--libs", module).split()
            run("g++", "-std=c++20", CONSUMER / "plain.cpp", "-o", program, *flags)
            serves("/usr/bin/holdfast", program, PLAIN)
    run("dpkg", "--purge", *PACKAGES)
    print("installed, ran, removed:", " ".join(pathlib.Path(deb).name for deb in debs))


def outside():
    run("cpack", "--config", BUILD / "CPackConfig.cmake", cwd=BUILD)
    debs = {path.name.split("_")[0]: path for path in (BUILD / "packages").glob("*.deb")}
    check(sorted(debs) == sorted(PACKAGES), f"packages: {sorted(debs)}")
    needs = {name: run("dpkg-deb", "--field", deb, "Depends") for name, deb in debs.items()}
    check("libstdc++6" in needs["holdfast"] and "libholdfast" not in needs["holdfast"], f"needs {needs['holdfast']}")
    check("libstdc++6" in needs["libholdfast-worker0"] and "libssl3" in needs["libholdfast-worker0"],
          f"needs {needs['libholdfast-worker0']}")
    check(f"libholdfast-worker0 (= {version()})" in needs["libholdfast-worker-dev"], "-dev needs its library")

    if os.geteuid() != 0:
        skip("not root: the packages were built, not installed")
    with tempfile.TemporaryDirectory() as folder:
        left = pathlib.Path(folder) / "left"
        mount_point = pathlib.Path(folder) / "root"
        mount_point.mkdir()
        trial = subprocess.run(["unshare", "--mount", "sh", "-c",
                                'cd "$1" && mount -t tmpfs none . && mkdir a b c && '
                                "mount -t overlay overlay -o lowerdir=/,upperdir=a,workdir=b c", "sh", mount_point],
                               capture_output=True, check=False)
        if trial.returncode != 0:
            skip("no overlay mounts here: the packages were built, not installed")
        print(run("unshare", "--mount", "sh", "-c", MAKE_ROOT, "sh", mount_point, ROOT, BUILD, __file__, left), end="")
        traces = [name for name in left.read_text().splitlines() if not name.startswith(OWN)]
        check(not traces, f"left behind: {traces}")


if __name__ == "__main__":
    inside() if sys.argv[1:] == ["inside"] else outside()
