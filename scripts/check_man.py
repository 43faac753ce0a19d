#!/usr/bin/env python3
"""The man pages, as a test: no option or command is missing or made up, and two formatters have nothing to say.

usage: check_man.py HOLDFAST [--write]

The lists of options in holdfast(1) and of keys in holdfast.conf(5) are made from `holdfast run --help-all`; --write
makes them anew.
"""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAN = ROOT / "docs/man"
PAGES = ["holdfast.1", "holdfast.conf.5", "holdfast-protocol.7"]
BEGIN, END = '.\\" made by scripts/check_man.py --write\n', '.\\" end of what is made\n'
OPTION = re.compile(r"^  (?:-\w,)?--([a-z-]+)(?: (\S+))?(?: {2,}(\S.*))?$")


def help_of(holdfast, *command):
    ask = "--help-all" if command == ("run",) else "--help"  # the latter leaves out what few need
    return subprocess.run([holdfast, *command, ask], check=True, capture_output=True, text=True).stdout


def options_of(text):
    """(name, type, help), in the order of the help."""
    found = []
    for line in text.splitlines():
        match = OPTION.match(line)
        if match:
            found.append([match[1], match[2] or "", match[3] or ""])
        elif found and line.startswith(" " * 30):
            found[-1][2] = (found[-1][2] + " " + line.strip()).strip()
    return [option for option in found if option[0] not in ("help", "help-all")]


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return "\\&" + text if text.startswith(".") else text


def entry(name, value, text):
    tag = f".B {roff(name)}" if not value else f".BI {roff(name)} \" {roff(value)}\""
    return f".TP\n{tag}\n{roff(text)}\n"


def made(options, page):
    if page == "holdfast.1":
        return "".join(entry(f"--{name}", value, text) for name, value, text in options)
    keys = [("command", "[...]", "What workers run: an array, no shell")]
    keys += [(name.replace("-", "_"), value or "true|false", text) for name, value, text in options if name != "config"]
    return "".join(entry(*key) for key in keys)


def with_made(text, content):
    head, rest = text.split(BEGIN)
    return head + BEGIN + content + END + rest.split(END)[1]


def faults(holdfast):
    commands = re.findall(r"^  ([a-z-]+) {2,}", help_of(holdfast).split("Subcommands:")[1], re.M)
    options = options_of(help_of(holdfast, "run"))
    if len(commands) < 5 or len(options) < 20:
        yield f"the help of {holdfast} was not understood: {len(commands)} commands, {len(options)} options"
    for page in ("holdfast.1", "holdfast.conf.5"):
        text = (MAN / page).read_text()
        if text != with_made(text, made(options, page)):
            yield f"{page}: its list is not that of holdfast run --help-all: run scripts/check_man.py {holdfast} --write"
    plain = (MAN / "holdfast.1").read_text().replace("\\-", "-")
    for command in commands:
        section = re.search(rf"^\.SS holdfast {command}$(.*?)^\.S[SH]", plain, re.M | re.S)
        if not section:
            yield f"holdfast.1: no section about holdfast {command}"
        elif command not in ("run", "check"):
            for name, _, _ in options_of(help_of(holdfast, command)):
                if f"--{name}" not in section[1] and name not in ("control", "name", "timeout", "json"):
                    yield f"holdfast.1: holdfast {command} --{name} is missing"
    protocol = (MAN / "holdfast-protocol.7").read_text().replace("\\-", "-")
    for golden in (ROOT / "tests/golden/control").glob("*.json"):
        message = re.search(r'"type":"([^"]+)"', golden.read_text())[1]
        if not re.search(rf"^\.B {re.escape(message)}(\s|$)", protocol, re.M):
            yield f"holdfast-protocol.7: the message {message} is missing"
    for page in PAGES:
        yield from lint(MAN / page)


def lint(page):
    checks = [["mandoc", "-T", "lint", "-W", "warning", str(page)],
              ["groff", "-man", "-ww", "-z", "-Tutf8", str(page)]]
    for check in checks:
        if shutil.which(check[0]):
            done = subprocess.run(check, capture_output=True, text=True, check=False)
            said = (done.stdout + done.stderr).strip()
            if said or done.returncode:
                yield f"{page.name}: {check[0]} says:\n{said}"
        else:
            print(f"{check[0]} is not installed: {page.name} was not read by it")


def main():
    holdfast = sys.argv[1]
    if sys.argv[2:] == ["--write"]:
        options = options_of(help_of(holdfast, "run"))
        for page in ("holdfast.1", "holdfast.conf.5"):
            (MAN / page).write_text(with_made((MAN / page).read_text(), made(options, page)))
    found = list(faults(holdfast))
    print("\n".join(found) or f"{len(PAGES)} man pages say what holdfast says")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
