"""A project that takes holdfast as a subdirectory gets no macro of Asio, no warning flag and no test of ours."""
import json
import shutil

from package import CONSUMER, PREFIX, ROOT, check, run

work = PREFIX.parent / "subdirectory"
shutil.rmtree(work, ignore_errors=True)
work.mkdir()
(work / "CMakeLists.txt").write_text(f"""
cmake_minimum_required(VERSION 3.25)
project(embedder LANGUAGES CXX)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
add_subdirectory({ROOT} holdfast)
add_executable(plain {CONSUMER / "plain.cpp"})
target_link_libraries(plain PRIVATE holdfast::worker)
""")
run("cmake", "-G", "Ninja", "-S", work, "-B", work / "build")
commands = {unit["file"]: unit["command"] for unit in json.loads((work / "build/compile_commands.json").read_text())}
command = commands[str(CONSUMER / "plain.cpp")]
check("BOOST_" not in command, command)
check("-W" not in command, command)
check("-std=c++20" in command or "-std=gnu++20" in command, command)
check(not any("/tests/" in file for file in commands if file != str(CONSUMER / "plain.cpp")), "builds our tests")
