"""A CMake project elsewhere finds the installed library, builds against it, and its services run."""
import os
import shutil

from package import CONSUMER, COROUTINE, C_SERVICE, HELLO, PLAIN, PREFIX, ROOT, check, run, serves


def build(source, name, *options):
    work = PREFIX.parent / name
    shutil.rmtree(work, ignore_errors=True)
    run("cmake", "-S", source, "-B", work, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={PREFIX}", *options)
    run("cmake", "--build", work, "--parallel", os.cpu_count())
    check(f"holdfast_DIR:PATH={PREFIX}" in (work / "CMakeCache.txt").read_text(), "another holdfast was found")
    return work


holdfast = PREFIX / "bin/holdfast"
work = build(CONSUMER, "consumer", f"-DHOLDFAST_INCLUDE_DIR={PREFIX / 'include'}")
serves(holdfast, work / "plain", PLAIN)
serves(holdfast, work / "plain_shared", PLAIN)
serves(holdfast, work / "coroutine", COROUTINE)
serves(holdfast, work / "coroutine_separate", COROUTINE)
serves(holdfast, work / "c_service", C_SERVICE)
check("libholdfast_worker.so.0" in run("readelf", "--dynamic", work / "plain_shared"), "plain_shared is not shared")

# The project that docs/packaging.md shows, with the program that README.md shows.
hello = PREFIX.parent / "hello_source"
shutil.rmtree(hello, ignore_errors=True)
hello.mkdir()
shutil.copy(CONSUMER / "hello/CMakeLists.txt", hello)
shutil.copy(ROOT / "worker/examples/hello.cpp", hello / "main.cpp")
serves(holdfast, build(hello, "hello") / "myservice", HELLO)
