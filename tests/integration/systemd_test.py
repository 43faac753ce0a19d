#!/usr/bin/env python3
"""The shipped units, word for word, under a real systemd: what docs/systemd.md promises of them.

systemd_test.py HOLDFAST HOLDFAST-DEMO [TEST...]; skipped (77) where no systemd of one's own can run (systemd_machine.py).
"""
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

import systemd_machine
from systemd_instance import CAP, RELEASES, SYSTEM, Instance, Load, Upload, eventually, systemctl

RUN = pathlib.Path("/run/holdfast")
PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/systemd.md"
USERS_DROP_IN = PAGE.read_text().partition("/user.conf\n")[2].partition("```")[0]


class SystemdTest(unittest.TestCase):
    def test_enable_now_is_all_it_needs_and_returns_when_it_serves(self):
        web = Instance(self, "web")
        web.deploy(f"read line < {web.gate}; exec holdfast-demo")
        enable = subprocess.Popen(["systemctl", "enable", "--now", web.unit], stderr=subprocess.DEVNULL)
        with web.gate.open("w") as gate:  # when somebody reads it
            self.assertEqual((web.show("ActiveState"), enable.poll()), ("activating", None))
            gate.write("go\n")
        self.assertEqual(enable.wait(CAP), 0)
        self.assertEqual(web.get(), b"Hello, world!")
        self.assertEqual(web.show("ActiveState"), "active")
        self.assertEqual(pathlib.Path(f"/proc/{web.pid()}/comm").read_text(), "holdfast\n")
        self.assertIn('Status: "generation 1 serves"', systemctl("status", web.unit).stdout)
        self.assertEqual(len(web.group()), 2, "the supervisor and its worker")

    def test_reload_returns_when_the_new_version_serves_and_nobody_notices(self):
        web = Instance(self, "reload", workers=2)
        web.must("start")
        pid = web.pid()
        with Load(web.port) as load:
            for generation in (2, 3):
                web.must("reload")
                self.assertEqual(web.show("StatusText"), f"generation {generation} serves")
                self.assertEqual((web.show("ActiveState"), web.pid()), ("active", pid))
            load.more()
        self.assertEqual((load.refused, load.failed), (0, []))

    def test_a_bad_deploy_fails_the_reload_and_the_old_version_serves_on(self):
        web = Instance(self, "bad")
        web.must("start")
        pid, good = web.pid(), web.config.read_text()
        with Load(web.port) as load:
            for verdict, break_it in (("10", lambda: web.deploy("exit 3")), ("6", lambda: web.config.write_text("{"))):
                break_it()
                self.assertEqual(systemctl("reload", web.unit).returncode, 1)
                self.assertIn(f"status={verdict}", web.show("ExecReload"))
                self.assertEqual(web.show("ReloadResult"), "exit-code")
                self.assertIn("failed: ", web.show("StatusText"))
                self.assertEqual((web.show("ActiveState"), web.pid()), ("active", pid))
            load.more()
            web.config.write_text(good)
            web.deploy("exec holdfast-demo")
            web.must("reload")
        self.assertEqual((load.refused, load.failed), (0, []))
        self.assertEqual(web.show("ReloadResult"), "success")

    def test_a_reload_of_any_origin_is_seen_as_reloading_then_active(self):
        web = Instance(self, "seen")
        web.must("start")
        web.deploy(f"read line < {web.gate}; exec holdfast-demo")
        for generation, order in enumerate((("reload", "--no-block"), ("kill", "--signal=HUP", "--kill-who=main")), 2):
            web.must(*order)
            web.becomes("ActiveState", "reloading")
            web.becomes("StatusText", f"starting generation {generation}")
            web.gate.write_text("go\n")
            web.becomes("ActiveState", "active")
            self.assertEqual(web.show("StatusText"), f"generation {generation} serves")

    def test_stop_asks_the_supervisor_alone_and_may_take_longer_than_the_unit_gives_it(self):
        web = Instance(self, "stop", workers=2, lame_duck="3s")
        web.drop_in("[Service]\nTimeoutStopSec=2\n")
        web.must("start")
        with Load(web.port) as load:
            upload = Upload(web.port)
            web.must("stop", "--no-block")
            eventually(lambda: web.show("StatusText"), lambda: "stopping" in web.show("StatusText"))
            self.assertEqual(web.show("ActiveState"), "deactivating")
            load.more()  # workers that had a TERM of their own would not take them
            load.until("a refusal", lambda: load.refused > 0)
            self.assertIn(b" 200 ", upload.finish())
            web.becomes("ActiveState", "inactive")
        self.assertEqual((load.failed, web.show("Result")), ([], "success"))

    def test_a_stop_in_the_middle_of_a_reload_stops_and_leaves_the_reload_failed(self):
        web = Instance(self, "both")
        web.must("start")
        web.deploy(f"read line < {web.gate}; exec holdfast-demo")
        with Load(web.port) as load:
            web.must("reload", "--no-block")
            web.becomes("StatusText", "starting generation 2")
            web.must("stop")
        self.assertEqual((load.failed, web.show("ExecMainStatus"), web.show("ActiveState")), ([], "0", "failed"))
        web.deploy("exec holdfast-demo")
        web.must("start")

    def test_a_reload_may_take_longer_than_the_unit_gives_it(self):
        web = Instance(self, "slow")
        web.drop_in("[Service]\nTimeoutStartSec=3\nWatchdogSec=3\n")  # asks for more time at half of that
        web.must("start")
        web.deploy(f"read line < {web.gate}; exec holdfast-demo")
        begun = time.monotonic()
        web.must("reload", "--no-block")
        web.becomes("ActiveState", "reloading")
        while time.monotonic() < begun + 3.5:
            self.assertEqual(web.show("ActiveState"), "reloading")
        web.gate.write_text("go\n")
        web.becomes("ActiveState", "active")
        self.assertEqual((web.show("ReloadResult"), web.show("StatusText")), ("success", "generation 2 serves"))

    def test_without_a_store_a_crash_is_a_restart_that_serves(self):
        web = Instance(self, "crash")
        web.must("start")
        before = web.group()
        web.restarts_after(signal.SIGKILL)
        self.assertEqual(web.get(), b"Hello, world!")
        self.assertEqual((len(web.group()), set(web.group()) & set(before)), (2, set()))

    def test_a_unit_of_another_user_takes_nothing_from_those_of_root(self):
        web, theirs = Instance(self, "root"), Instance(self, "theirs")
        web.must("start")
        temporary = pathlib.Path("/run/tmp")  # /tmp is the host's, and that of other tests
        temporary.mkdir()
        temporary.chmod(0o1777)
        theirs.drop_in(f"[Service]\nUser=nobody\nEnvironment=TMPDIR={temporary}\n")
        theirs.must("start")
        for path in (RUN, RUN / "root.sock", RUN / "root.lock"):
            self.assertEqual(path.owner(), "root", path)
        self.assertEqual(web.status().returncode, 0)
        theirs.must("reload")
        theirs.must("stop")
        theirs.drop_in(USERS_DROP_IN.replace("User=shop", "User=nobody"))
        theirs.must("start")
        theirs.must("reload")
        self.assertEqual(theirs.status("--control", "/run/holdfast-theirs/holdfast/theirs.sock").returncode, 0)

    def test_a_worker_killed_for_want_of_memory_is_not_the_end_of_the_others(self):
        web = Instance(self, "memory")
        web.must("start")
        self.assertEqual(web.show("OOMPolicy"), "continue")  # a kill by the kernel needs the controller, which v1 may have

    def test_with_fdstore_no_client_is_refused_over_a_restart_and_a_crash(self):
        web = Instance(self, "stored", workers=2, fdstore=True)
        web.must("start")
        with Load(web.port) as load:
            web.must("restart")
            self.assertEqual(web.show("NFileDescriptorStore"), "1")
            load.more()
            self.assertEqual((load.refused, load.failed), (0, []))
            web.restarts_after(signal.SIGKILL)
            load.more()
        self.assertEqual(load.refused, 0)
        web.must("stop")
        self.assertTrue(web.refuses(), "the store goes when the unit stops for good")

    def test_the_store_has_what_the_serving_generation_listens_on(self):
        web, further = Instance(self, "store", fdstore=True), 9001
        web.must("start")
        for order in ("reload", "restart"):
            web.configure(listen=[f":{web.port}", f"further=:{further}"])
            web.must("reload")
            web.becomes("NFileDescriptorStore", "2")
            self.assertFalse(web.refuses(further))
            web.configure(listen=[f":{web.port}"])
            web.must(order)
            web.becomes("NFileDescriptorStore", "1")
            eventually(lambda: f"{further} still accepts", lambda: web.refuses(further))
        self.assertEqual(web.get(), b"Hello, world!")

    def test_with_a_socket_unit_the_first_client_starts_it_and_none_is_refused(self):
        web = Instance(self, "socket", workers=2)
        web.drop_in(f"[Socket]\nListenStream=\nListenStream={web.port}\n", "socket")
        self.addCleanup(systemctl, "stop", f"{web.unit}.socket")
        self.assertEqual(systemctl("start", f"{web.unit}.socket").returncode, 0)
        self.assertEqual(web.show("ActiveState"), "inactive")
        self.assertEqual(web.get(), b"Hello, world!")
        with Load(web.port) as load:
            web.must("restart")
            load.more()
            self.assertEqual((load.refused, load.failed), (0, []))
            web.restarts_after(signal.SIGKILL)
            load.more()
            web.must("stop")
            load.more()
        self.assertEqual(load.refused, 0)

    def test_a_supervisor_that_hangs_is_ended_by_the_watchdog_and_started_again(self):
        web = Instance(self, "hung")
        web.drop_in("[Service]\nWatchdogSec=3\nLimitCORE=0\n")
        web.must("start")
        web.restarts_after(signal.SIGSTOP)
        self.assertEqual(web.get(), b"Hello, world!")

    def test_a_mistake_in_the_configuration_is_not_tried_again(self):
        web = Instance(self, "mistake")
        web.config.write_text("{")
        self.assertNotEqual(systemctl("start", web.unit).returncode, 0)
        self.assertEqual((web.show("ActiveState"), web.show("ExecMainStatus"), web.show("NRestarts")), ("failed", "6", "0"))

    def test_with_the_drop_in_for_notify_reload_systemd_reloads_by_itself(self):
        version = int(systemctl("--version").stdout.split()[1])
        if version < 253:
            self.skipTest(f"systemd {version} has no Type=notify-reload")
        web = Instance(self, "notify")
        web.drop_in((systemd_machine.UNITS / "notify-reload.conf").read_text())
        web.must("start")
        web.must("reload")
        self.assertEqual(web.show("StatusText"), "generation 2 serves")


def on_the_machine(*wanted):
    RELEASES.mkdir()
    folder = SYSTEM / "holdfast@.service.d"
    folder.mkdir()
    (folder / "log.conf").write_text("[Service]\nStandardOutput=null\nStandardError=append:/run/log/%i\n")
    systemctl("daemon-reload")
    loader = unittest.defaultTestLoader
    tests = loader.loadTestsFromNames(wanted, SystemdTest) if wanted else loader.loadTestsFromTestCase(SystemdTest)
    return int(not unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(tests).wasSuccessful())


if __name__ == "__main__":
    if sys.argv[1] == "--machine":
        systemd_machine.enter(sys.argv[2:], on_the_machine)
        sys.exit(1)
    try:
        sys.exit(systemd_machine.run(__file__, list(map(os.path.abspath, sys.argv[1:3])), *sys.argv[3:]))
    except systemd_machine.Unavailable as cause:
        print(f"skipped: {cause}")
        sys.exit(77)
