"""One DEALER socket: frames out and in, never blocking. The wire and nothing else."""

import re
import struct

import zmq
from zmq.utils import z85

from ..seam import protocol

ADDRESS = re.compile(r"tcp://(\[[0-9a-fA-F:.%\w]+\]|[^\s:/\[\]*]+):(\d{1,5})")
KEY_LENGTH = 40


def remote(endpoint: str, server_key: str, client_public: str, client_secret: str) -> protocol.Connection:
    """A gateway on another machine. Raises ValueError, saying what to type, for an address or a key that is none."""
    address = ADDRESS.fullmatch(endpoint)
    if address is None or not 0 < int(address[2]) < 65536:
        typed = endpoint.removeprefix("tcp://")
        raise ValueError(f'"{typed}" is no address: type host and port, for example 192.168.1.20:5577')
    for key in (server_key, client_public, client_secret):
        if len(key) != KEY_LENGTH:
            raise ValueError("A key of the remote backend is missing or cut: copy all three from it again")
        try:
            z85.decode(key)
        except (ValueError, KeyError, struct.error):  # not ASCII, not a letter of Z85, more than four bytes hold
            raise ValueError("A key of the remote backend was mistyped: copy all three from it again") from None
    return protocol.Connection(protocol.PROTOCOL, "0" * 32, 0, endpoint, server_key, client_public, client_secret)


class Link:
    """A connection that is being made, or made."""

    def __init__(self, context: zmq.Context, connection: protocol.Connection):
        """Raises zmq.ZMQError for an address or a key that libzmq does not take."""
        self.connection = connection
        self._socket = context.socket(zmq.DEALER)
        for option, value in (
            (zmq.LINGER, 0),
            (zmq.IMMEDIATE, 1),  # nothing is queued for a gateway that is away: it may be another one that returns
            (zmq.RECONNECT_IVL, 100),
            (zmq.RECONNECT_IVL_MAX, 5000),
            (zmq.HANDSHAKE_IVL, 5000),
            (zmq.HEARTBEAT_IVL, 2000),
            (zmq.HEARTBEAT_TIMEOUT, 6000),
            (zmq.HEARTBEAT_TTL, 6000),
            (zmq.MAXMSGSIZE, protocol.FRAME_BYTES),
            (zmq.SNDHWM, 64),
            (zmq.RCVHWM, 64),
        ):
            self._socket.setsockopt(option, value)
        try:
            if connection.server_key:
                self._socket.curve_serverkey = connection.server_key.encode()
                self._socket.curve_publickey = connection.client_public.encode()
                self._socket.curve_secretkey = connection.client_secret.encode()
            self._socket.connect(connection.endpoint)
        except zmq.ZMQError:
            self.close()
            raise

    def send(self, call: protocol.Call, payload: memoryview | None = None) -> bool:
        """False where the message cannot leave now: nobody is there, or the pipe is full."""
        try:
            # A payload is a slice of a blob that is never written to, so it need not be copied.
            self._socket.send_multipart(protocol.encode(call, payload), zmq.NOBLOCK, copy=payload is None)
        except zmq.Again:
            return False
        return True

    def receive(self) -> tuple[protocol.Answers, memoryview | None] | None:
        """The next message, or None. Raises protocol.BadMessage for one that makes no sense."""
        try:
            frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return None
        return protocol.decode_answer([frame.buffer for frame in frames])

    def rest(self, seconds: float) -> None:
        """Sleep until something arrives, at most so long."""
        self._socket.poll(round(seconds * 1000))

    def close(self) -> None:
        self._socket.close(linger=0)
