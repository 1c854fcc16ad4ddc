# SPDX-License-Identifier: Apache-2.0
"""--check-config and a start agree: what one refuses, the other refuses."""

import subprocess

from tests.integration.broker import PROGRAM, BrokerTest
from tests.integration.certificates import Authority


class Check(BrokerTest):
    def setUp(self):
        super().setUp()
        self.store = self.folder / "store"

    def run_program(self, *arguments):
        return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True,
                              timeout=30, cwd=self.folder)

    def config(self, text):
        whole = text if "[storage]" in text else f'{text}[storage]\nfolder = "{self.store}"\n'
        return self.write("grapevine.toml", f"{whole}[admin]\nport = 0\n")

    def check(self, text, *flags):
        return self.run_program("-c", self.config(text), "--check-config", *flags)

    def refused(self, text, *expected):
        """What a check of `text` says; a start fails as well."""
        done = self.check(text)
        self.assertEqual(done.returncode, 1, done.stdout)
        for each in expected:
            self.assertIn(each, done.stderr)
        start = self.run_program("-c", self.folder / "grapevine.toml", "--listeners.0.port", "0")
        self.assertEqual(start.returncode, 1)

    def tls(self, certificate, key, *more):
        return "\n".join(["[[listeners]]", "port = 0", f'tls_certificate = "{certificate}"',
                          f'tls_key = "{key}"', *more, ""])

    def test_certificates_and_keys(self):
        authority = Authority(self.folder, "authority")
        certificate, key = authority.sign("localhost")
        other_key = authority.sign("other")[1]
        nonsense = self.write("nonsense.pem", "no PEM\n")
        self.assertEqual(self.check(self.tls(certificate, key)).stderr, "")
        self.refused(self.tls(nonsense, nonsense), "nonsense.pem: holds no certificate",
                     "nonsense.pem: holds no private key")
        self.refused(self.tls(certificate, other_key), "other.key: is not the key of")
        self.refused(self.tls(certificate, key, f'tls_client_ca = "{key}"'),
                     "localhost.key: holds no certificate")

    def test_access_files(self):
        rules = self.write("acl", "nonsense here\n")
        self.refused(f'[auth]\nacl_file = "{rules}"\n', "acl:1", "is not a keyword")
        self.refused(f'[auth]\npassword_file = "{self.folder}"\n', f"{self.folder}: ")

    def test_every_problem_is_told_whatever_else_is_wrong(self):
        rules = self.write("acl", "nonsense here\n")
        done = self.check(f'[mqtt]\nqos_max = 9\n[auth]\nacl_file = "{rules}"\n')
        self.assertIn("qos_max", done.stderr)
        self.assertIn("acl:1", done.stderr)

    def test_plain_passwords_are_a_warning(self):
        users = self.write("passwords", "alice:secret\n")
        done = self.check(f'[auth]\npassword_file = "{users}"\n')
        self.assertEqual(done.returncode, 0)
        self.assertIn("warning: " + str(users) + ":1: ", done.stderr)
        self.assertIn("grapevine passwd -U", done.stderr)
        self.assertNotIn("secret", done.stderr)

    def test_a_check_makes_no_files(self):
        log = self.folder / "log"
        done = self.check(f'[log]\ndestination = "{log}"\n')
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertFalse(log.exists() or self.store.exists())

    def test_the_folder_of_the_store(self):
        file = self.write("file", "")
        for folder in (file, file / "store"):
            self.refused(f'[storage]\nfolder = "{folder}"\n', "grapevine.toml:2: storage.folder: ",
                         "Not a directory", "name a folder that")
        off = self.check(f'[storage]\nfolder = "{file}"\nenabled = false\n')
        self.assertEqual((off.returncode, off.stderr), (0, ""))

    def test_a_check_beside_a_broker(self):
        broker = self.broker(config="[[listeners]]\nport = 0\n")
        done = self.run_program("-c", broker.config_file, "--storage.folder",
                                broker.folder / "store", "--check-config")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_the_log(self):
        self.refused(f'[log]\ndestination = "{self.folder}"\n',
                     f"grapevine.toml:2: log.destination: {self.folder} is a folder",
                     "give the path of a file, such as")
