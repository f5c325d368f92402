"""Stands for systemd: prints each datagram that a service sends to NOTIFY_SOCKET as a line of JSON."""
import json, socket, sys

notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(sys.argv[1])
print(json.dumps("listening"), flush=True)
while True:
    # A descriptor that comes along (BARRIER=1) is closed by the kernel, which is what its sender waits for.
    text = notify.recv(65536).decode()
    print(json.dumps(dict(line.split("=", 1) for line in text.split("\n") if line)), flush=True)
