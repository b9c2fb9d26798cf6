# SPDX-License-Identifier: BSD-3-Clause
"""Programs as a service manager runs them."""

import socket


class Manager:
    """The part of a service manager that takes notifications."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(name)
        self.socket.settimeout(10)

    def take(self):
        return self.socket.recv(1000).decode()
