# SPDX-License-Identifier: Apache-2.0
"""A DNS server of a test, and a world in which the system asks it."""

import ctypes
import os
import pathlib
import socket
import struct
import subprocess
import threading

CLONE_NEWNS = 0x20000
CLONE_NEWNET = 0x40000000
A, SRV = 1, 33
NO_ERROR, SERVFAIL, NXDOMAIN = 0, 2, 3


def labels(name):
    return b"".join(bytes([len(each)]) + each.encode() for each in name.split(".") if each) + b"\0"


def srv(host, port):
    return SRV, struct.pack("!HHH", 10, 5, port) + labels(host)


def address(text):
    return A, socket.inet_aton(text)


class DnsServer:
    """Answers what `rows` has, by name: a list of rows, or one of the codes; None: silence. Names
    that are not there get NXDOMAIN. May be changed while it runs."""

    def __init__(self, where=("127.0.0.1", 53)):
        self.rows = {}
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(where)
        threading.Thread(target=self.serve, daemon=True).start()

    def close(self):
        self.socket.close()

    def serve(self):
        while True:
            try:
                question, asker = self.socket.recvfrom(4096)
                answer = self.answer(question)
                if answer is not None:
                    self.socket.sendto(answer, asker)
            except OSError:
                return

    def answer(self, question):
        at, parts = 12, []
        while question[at]:
            parts.append(question[at + 1:at + 1 + question[at]].decode().lower())
            at += 1 + question[at]
        kind = struct.unpack("!H", question[at + 1:at + 3])[0]
        name = ".".join(parts)
        self.asked.append((name, kind))
        found = self.rows.get(name, NXDOMAIN)
        if found is None:
            return None
        code, rows = (found, []) if isinstance(found, int) else (NO_ERROR, found)
        rows = [each for each in rows if each[0] == kind]
        answer = question[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(rows), 0, 0)
        answer += question[12:at + 5]
        for row_kind, data in rows:
            answer += b"\xc0\x0c" + struct.pack("!HHIH", row_kind, 1, 1, len(data)) + data
        return answer


def own_world(folder):
    """Gives this process a network and mounts of its own, where the system asks 127.0.0.1 for names.
    They go with the process. Returns why that is not possible, or nothing."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or libc.unshare(CLONE_NEWNS | CLONE_NEWNET) != 0:
        return "namespaces can be made by root alone: " + os.strerror(ctypes.get_errno())
    files = {"/etc/resolv.conf": "nameserver 127.0.0.1\noptions timeout:5 attempts:5\n",
             "/etc/nsswitch.conf": "hosts: files dns\n"}
    for command in (["ip", "link", "set", "lo", "up"], ["mount", "--make-rprivate", "/"]):
        subprocess.run(command, check=True)
    for path, text in files.items():
        ours = pathlib.Path(folder) / pathlib.Path(path).name
        ours.write_text(text)
        if pathlib.Path(path).exists():
            subprocess.run(["mount", "--bind", ours, os.path.realpath(path)], check=True)
    return None
