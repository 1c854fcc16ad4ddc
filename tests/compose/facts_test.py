# SPDX-License-Identifier: Apache-2.0
import unittest

from tests.compose import facts

STATUS = "Name:\tgrapevine\nUid:\t1883\t1884\t1883\t1883\nCapEff:\t00000000000000c0\n"


def cluster(*states, whole=True, ready=True):
    return {"whole": whole, "ready": ready,
            "members": [{"name": f"n{number}", "state": state}
                        for number, state in enumerate(states, 1)]}


class Facts(unittest.TestCase):
    def test_a_port_is_what_follows_the_last_colon(self):
        self.assertEqual(facts.port_of("127.0.0.1:49153\n"), 49153)
        self.assertEqual(facts.port_of("[::1]:1883"), 1883)

    def test_a_cluster_is_whole_with_all_that_are_asked_for(self):
        names = ["n2", "n1"]
        self.assertTrue(facts.is_whole(cluster("alive", "alive"), names))
        self.assertFalse(facts.is_whole(cluster("alive", "dead", whole=False), names))
        self.assertFalse(facts.is_whole(cluster("alive", "alive", ready=False), names))
        self.assertFalse(facts.is_whole(cluster("alive"), names), "who is not known is missing")

    def test_targets_that_prometheus_reaches(self):
        answer = {"data": {"activeTargets": [
            {"labels": {"instance": "n2:9883"}, "health": "up"},
            {"labels": {"instance": "n1:9883"}, "health": "up"},
            {"labels": {"instance": "n3:9883"}, "health": "down"}]}}
        self.assertEqual(facts.targets_up(answer), ["n1:9883", "n2:9883"])

    def test_rules_of_all_groups(self):
        answer = {"data": {"groups": [{"rules": [{"name": "b"}]}, {"rules": [{"name": "a"}]}]}}
        self.assertEqual(facts.rule_names(answer), ["a", "b"])

    def test_who_a_process_is(self):
        self.assertEqual(facts.user_of(STATUS), 1884)
        self.assertEqual(facts.capabilities_of(STATUS), 0xC0)
        with self.assertRaises(KeyError):
            facts.field_of(STATUS, "Cap")

    def test_sizes_are_in_decimal_megabytes_as_docker_has_them(self):
        self.assertEqual(facts.megabytes(123_456_789), 123.5)
