# SPDX-License-Identifier: Apache-2.0
"""The profile of defaults: named in the log, by itself or as asked, and options win over it."""

import subprocess

from tests.integration.broker import PROGRAM, BrokerTest


class Profile(BrokerTest):
    def profile_line(self, broker):
        broker.wait_for_log(" info profile ")
        return next(line for line in broker.log().splitlines() if " info profile " in line)

    def test_pi_is_told_with_what_is_in_force(self):
        line = self.profile_line(self.broker("--storage.profile", "pi"))
        for each in ("is=pi", "because=storage.profile", "cache=12582912", "ballast=8388608",
                     "queue_per_session=67108864", "preallocate=false"):
            self.assertIn(each, line)

    def test_an_option_that_is_set_wins(self):
        broker = self.broker("--storage.profile", "pi", "--storage.cache", "20MiB",
                             "--storage.ballast", "1MiB")
        line = self.profile_line(broker)
        for each in ("is=pi", "cache=20971520", "ballast=1048576", "write_buffer=12582912"):
            self.assertIn(each, line)
        self.assertEqual((broker.folder / "store/ballast").stat().st_size, 1 << 20)

    def test_without_a_word_the_machine_decides(self):
        line = self.profile_line(self.broker())
        self.assertRegex(line, r"is=(pi|server) because=.*(memory|store)")

    def test_a_reload_keeps_the_profile_of_the_start(self):
        broker = self.broker(config="""
            [storage]
            profile = "pi"
            [[listeners]]
            port = 0
            """)
        broker.config_file.write_text(broker.config_file.read_text().replace("pi", "server"))
        broker.reload()
        broker.wait_for_log("option=storage.profile before=pi after=server")
        self.assertNotIn("option=storage.cache", broker.log())
        self.assertNotIn("option=limits.queue_bytes_per_session_max", broker.log())

    def test_what_is_printed_can_be_used_as_it_is(self):
        def printed(*arguments):
            return subprocess.run([PROGRAM, "--print-config", *map(str, arguments)], check=True,
                                  capture_output=True, text=True, timeout=30).stdout
        before = printed("--storage.profile", "pi")
        self.assertIn('cache = "12MiB"  # profile pi', before)
        after = printed("-c", self.write("all.toml", before))
        self.assertEqual([line.split("  #")[0] for line in before.splitlines()],
                         [line.split("  #")[0] for line in after.splitlines()])
