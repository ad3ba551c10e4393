"""The floor under TCP with CURVE: the same bytes between two processes with nothing but ZeroMQ.

python -m tests.bench.raw BYTES prints the seconds from asking to the last byte in one array.
"""

import json
import subprocess
import sys
import time

import numpy as np
import zmq

from backend.protocol import CHUNK_BYTES


def receive(size: int) -> float:
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.curve_server = True
    public, socket.curve_secretkey = zmq.curve_keypair()
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    command = [sys.executable, "-m", "tests.bench.raw", "--send", str(port), public.decode(), str(size)]
    sender = subprocess.Popen(command)
    socket.recv()  # it is there
    target, filled = np.empty(size, np.uint8), 0
    began = time.perf_counter()
    socket.send(b"go")
    while filled < size:
        chunk = socket.recv(copy=False).buffer
        target[filled : filled + len(chunk)] = chunk
        filled += len(chunk)
    seconds = time.perf_counter() - began
    sender.wait()
    context.destroy(linger=0)
    return seconds


def send(port: str, key: str, size: int) -> None:
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.curve_serverkey = key.encode()
    socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
    socket.connect(f"tcp://127.0.0.1:{port}")
    data = memoryview(np.random.default_rng(0).bytes(size))
    socket.send(b"here")
    socket.recv()
    for start in range(0, size, CHUNK_BYTES):
        socket.send(data[start : start + CHUNK_BYTES], copy=False)
    socket.close(linger=10_000)
    context.term()


if __name__ == "__main__":
    if sys.argv[1] == "--send":
        send(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        print(json.dumps({"seconds": receive(int(sys.argv[1]))}))
