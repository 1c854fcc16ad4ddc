# SPDX-License-Identifier: Apache-2.0
"""TLS: certificates of server and client, versions, and those who come without."""

from ssl import SSLError, TLSVersion

from tests.integration.broker import BrokerTest
from tests.integration.certificates import Authority
from tests.integration.clients import Subscriber, publish, run_pub
from tests.integration.paho_client import PahoClient
from tests.integration.wire import Wire, packet, text


class Tls(BrokerTest):
    def setUp(self):
        super().setUp()
        self.authority = Authority(self.folder, "authority")
        self.stranger = Authority(self.folder, "stranger")
        self.server_files = self.authority.sign("localhost")

    def tls_broker(self, *lines):
        certificate, key = self.server_files
        return self.broker(config="\n".join([
            "[[listeners]]", 'name = "tls"', "port = 0", f'tls_certificate = "{certificate}"',
            f'tls_key = "{key}"', *lines]))

    def trusting(self, authority, files=None):
        words = ["--cafile", str(authority.certificate)]
        return words + (["--cert", str(files[0]), "--key", str(files[1])] if files else [])

    def paho(self, port, version):
        # mosquitto's --tls-version is only a lower limit.
        return PahoClient(self, port, authority=self.authority.certificate, tls_version=version)

    def test_hello_in_both_versions(self):
        port = self.tls_broker().port
        subscriber = Subscriber(self, port, "-t", "t", *self.trusting(self.authority))
        for version in (TLSVersion.TLSv1_2, TLSVersion.TLSv1_3):
            self.paho(port, version).publish("t", version.name)
            self.assertEqual(subscriber.next(), version.name)

    def test_a_large_payload_at_each_quality(self):
        port = self.tls_broker().port
        payload = "".join(f"{number:09} " for number in range(200_000))
        file = self.write("payload", payload)
        subscriber = Subscriber(self, port, "-t", "t", "-q", "2", *self.trusting(self.authority))
        for quality in range(3):
            done = run_pub(port, "-t", "t", "-q", quality, "-f", file,
                           *self.trusting(self.authority))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue(subscriber.next() == payload)

    def test_a_client_refuses_a_server_of_another_authority(self):
        port = self.tls_broker().port
        done = run_pub(port, "-t", "t", "-m", "x", *self.trusting(self.stranger))
        self.assertNotEqual(done.returncode, 0)
        publish(port, "t", "x", *self.trusting(self.authority))

    def test_an_old_version_is_refused_where_a_new_one_is_asked_for(self):
        port = self.tls_broker('tls_min_version = "1.3"').port
        with self.assertRaises(SSLError):
            self.paho(port, TLSVersion.TLSv1_2)
        self.paho(port, TLSVersion.TLSv1_3).publish("t", "x", 1)

    def test_only_clients_with_a_certificate_of_the_authority(self):
        port = self.tls_broker(f'tls_client_ca = "{self.authority.certificate}"',
                               "require_client_certificate = true").port
        without = run_pub(port, "-t", "t", "-m", "x", "-q", "1", *self.trusting(self.authority))
        self.assertNotEqual(without.returncode, 0)
        wrong = run_pub(port, "-t", "t", "-m", "x", "-q", "1",
                        *self.trusting(self.authority, self.stranger.sign("mallory")))
        self.assertNotEqual(wrong.returncode, 0)
        publish(port, "t", "x", "-q", "1",
                *self.trusting(self.authority, self.authority.sign("alice")))

    def test_the_name_in_the_certificate_is_the_username(self):
        rules = self.write("acl", "user alice\ntopic readwrite alice/#\n")
        port = self.tls_broker(f'tls_client_ca = "{self.authority.certificate}"',
                               "require_client_certificate = true",
                               "use_identity_as_username = true",
                               "[auth]", f'acl_file = "{rules}"').port
        alice = self.trusting(self.authority, self.authority.sign("alice"))
        bob = self.trusting(self.authority, self.authority.sign("bob"))
        subscriber = Subscriber(self, port, "-v", "-t", "alice/#", *alice)
        publish(port, "alice/x", "from bob", "-q", "1", *bob)
        publish(port, "alice/x", "from alice", "-q", "1", *alice)
        self.assertEqual(subscriber.next(), "alice/x from alice")

    def test_plain_mqtt_on_the_tls_port_is_named_in_the_log(self):
        broker = self.tls_broker("[log]", 'level = "trace"')
        with Wire(broker.port) as lost:
            lost.send(packet(0x10, text("MQTT") + b"\4\2\0\0" + text("lost")))
            lost.receive()
        broker.wait_for_log("plain MQTT")
        publish(broker.port, "t", "x", *self.trusting(self.authority))

    def test_a_new_certificate_is_taken_on_reload(self):
        broker = self.tls_broker()
        publish(broker.port, "t", "x", *self.trusting(self.authority))
        fresh_certificate, fresh_key = self.stranger.sign("localhost")
        for path, fresh in zip(self.server_files, (fresh_certificate, fresh_key)):
            path.write_bytes(fresh.read_bytes())
        broker.reload()
        publish(broker.port, "t", "x", *self.trusting(self.stranger))
        old = run_pub(broker.port, "-t", "t", "-m", "x", *self.trusting(self.authority))
        self.assertNotEqual(old.returncode, 0)
