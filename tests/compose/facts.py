# SPDX-License-Identifier: Apache-2.0
"""What the answers of the engine, of a broker and of Prometheus say. Pure."""


def port_of(address):
    """Of "127.0.0.1:49153", as `compose port` prints it."""
    return int(address.strip().rsplit(":", 1)[1])


def megabytes(count):
    return round(count / 1e6, 1)


def alive_members(status):
    """Names in `grapevine cluster status --json`."""
    return sorted(each["name"] for each in status["members"] if each["state"] == "alive")


def is_whole(status, names):
    return status["whole"] and status["ready"] and alive_members(status) == sorted(names)


def targets_up(answer):
    """Instances that Prometheus reaches, of its answer to /api/v1/targets."""
    return sorted(each["labels"]["instance"] for each in answer["data"]["activeTargets"]
                  if each["health"] == "up")


def rule_names(answer):
    """Of /api/v1/rules."""
    return sorted(rule["name"] for group in answer["data"]["groups"] for rule in group["rules"])


def capabilities_of(process_status):
    """The effective ones, as a number, of /proc/N/status."""
    return int(field_of(process_status, "CapEff"), 16)


def user_of(process_status):
    """The effective user id, of the same."""
    return int(field_of(process_status, "Uid").split()[1])


def field_of(process_status, name):
    for line in process_status.splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return value.strip()
    raise KeyError(name)
