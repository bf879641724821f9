"""Reaching anything over a network, or over a socket that only looks like none."""

from __future__ import annotations

from tests.redteam.attack import HARMLESS, Attack

ATTACKS = [
    Attack(
        "connects to a server on the host's loopback address, by IPv4 and IPv6",
        """
        import socket
        from kit import attempt, honest
        def solve(questions, bait):
            for host in ("127.0.0.1", "localhost", "::1", "0.0.0.0"):
                attempt(host, lambda: socket.create_connection((host, bait["port"]), 0.5))
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "connects to the host's own addresses and its gateway",
        """
        import socket
        from kit import attempt, honest
        def solve(questions, bait):
            for host in bait["addresses"].split() + ["172.17.0.1", "10.0.2.2", "192.168.1.1"]:
                for port in (bait["port"], 22, 80):
                    attempt(host, lambda: socket.create_connection((host, port), 0.1))
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "asks for a name: resolver, UDP and TCP to port 53, multicast",
        """
        import socket
        from kit import attempt, honest
        def solve(questions, bait):
            query = b"\\x12\\x34\\x01\\0\\0\\x01\\0\\0\\0\\0\\0\\0\\7example\\3com\\0\\0\\1\\0\\1"
            attempt("getaddrinfo", lambda: socket.getaddrinfo("example.com", 80))
            for host in ("127.0.0.53", "8.8.8.8", "1.1.1.1", "224.0.0.251"):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                    udp.settimeout(0.1)
                    def ask():
                        udp.sendto(query, (host, 53))
                        return udp.recv(512)
                    attempt(host, ask)
                attempt(host, lambda: socket.create_connection((host, 53), 0.1))
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "asks the cloud's metadata service for credentials",
        """
        import urllib.request
        from kit import attempt, honest
        def solve(questions, bait):
            for url in ("http://169.254.169.254/latest/meta-data/iam/security-credentials/",
                        "http://[fd00:ec2::254]/latest/meta-data/",
                        "http://metadata.google.internal/computeMetadata/v1/",
                        "http://169.254.170.2/v2/credentials", "http://100.100.100.200/latest/"):
                request = urllib.request.Request(url, headers={"Metadata-Flavor": "Google"})
                attempt(url, lambda: urllib.request.urlopen(request, timeout=0.1).read())
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "talks to the daemons of the host: Docker, containerd, D-Bus, X11, ssh-agent",
        """
        import glob, os, socket
        from kit import attempt, honest
        def solve(questions, bait):
            paths = {"/var/run/docker.sock", "/run/docker.sock", "/run/podman/podman.sock",
                     "/run/containerd/containerd.sock", "/run/dbus/system_bus_socket",
                     "/run/systemd/private", "/tmp/.X11-unix/X0", bait["socket"]}
            paths |= set(glob.glob("/tmp/ssh-*/agent.*") + glob.glob("/run/user/*/bus"))
            for path in paths:
                with socket.socket(socket.AF_UNIX) as end:
                    attempt(path, lambda: end.connect(path))
            for port in (2375, 2376):
                attempt(str(port), lambda: socket.create_connection(("127.0.0.1", port), 0.1))
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "connects to an abstract socket of the host, which has no file",
        """
        import socket
        from kit import attempt, honest
        def solve(questions, bait):
            for name in (bait["abstract"], "/tmp/.X11-unix/X0", "/containerd-shim/x"):
                with socket.socket(socket.AF_UNIX) as end:
                    attempt(name, lambda: end.connect("\\0" + name))
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "opens sockets that no network namespace holds: vsock, netlink, packet, Bluetooth, AF_ALG",
        """
        import socket
        from kit import attempt, honest
        def solve(questions, bait):
            for family in (16, 17, 29, 31, 38, 39, 40, 41, 44):
                for kind in (socket.SOCK_RAW, socket.SOCK_STREAM, socket.SOCK_DGRAM,
                             socket.SOCK_SEQPACKET):
                    attempt(f"family {family}", lambda: socket.socket(family, kind))
            attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "gives itself an interface, an address and a route",
        """
        import fcntl, socket, struct
        from kit import attempt, honest
        def solve(questions, bait):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
                up = struct.pack("16sh14x", b"lo", 0x1043)
                attempt("up", lambda: fcntl.ioctl(end, 0x8914, up))
                address = struct.pack("16sH2x4s8x", b"lo", socket.AF_INET, bytes([10, 0, 0, 1]))
                attempt("address", lambda: fcntl.ioctl(end, 0x8916, address))
                attempt("bridge", lambda: fcntl.ioctl(end, 0x89A0, b"red0\\0"))
            attempt("tun", lambda: open("/dev/net/tun", "rb"))
            return honest(questions)
        """,
        HARMLESS,
    ),
]
