"""One g++ command with what pkg-config says, for either library; and asio.hpp refuses the shared one in plain words."""
import os

from package import CONSUMER, C_SERVICE, PLAIN, PREFIX, check, run, serves

work = PREFIX.parent / "pkg_config"
work.mkdir(exist_ok=True)
paths = [path.parent for path in PREFIX.rglob("holdfast-worker.pc")]
environment = {**os.environ, "PKG_CONFIG_PATH": ":".join(map(str, paths))}


def flags(module, *wanted):
    return run("pkg-config", *wanted, module, env=environment).split()


def compile_consumer(source, program, module, **options):
    compiler = ["gcc", "-std=gnu99"] if source.endswith(".c") else ["g++", "-std=c++20"]
    return run(*compiler, CONSUMER / source, "-o", work / program, *flags(module, "--cflags", "--libs"), **options)


holdfast = PREFIX / "bin/holdfast"
compile_consumer("plain.cpp", "plain", "holdfast-worker")
serves(holdfast, work / "plain", PLAIN)
check("holdfast" not in run("ldd", work / "plain"), "holdfast-worker is linked statically")
compile_consumer("c_service.c", "c_service", "holdfast-worker")
serves(holdfast, work / "c_service", C_SERVICE)

compile_consumer("plain.cpp", "plain_shared", "holdfast-worker-shared")
library = {"LD_LIBRARY_PATH": flags("holdfast-worker-shared", "--variable=libdir")[0]}
serves(holdfast, work / "plain_shared", PLAIN, library)
compile_consumer("c_service.c", "c_service_shared", "holdfast-worker-shared")
serves(holdfast, work / "c_service_shared", C_SERVICE, library)

refusal = compile_consumer("coroutine.cpp", "none", "holdfast-worker-shared", fails=True)
check("asio.hpp needs the static library" in refusal, f"the shared library and asio.hpp:\n{refusal}")
old_boost = run("g++", "-std=c++20", "-fsyntax-only", "-DHOLDFAST_WORKER_BOOST_VERSION=107400", CONSUMER / "coroutine.cpp",
                f"-I{PREFIX}/include", fails=True)
check("the version of Boost" in old_boost, f"another Boost:\n{old_boost}")
