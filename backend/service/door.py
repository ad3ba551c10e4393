"""The gateway's one socket: bound, guarded, and bound anew when somebody stuffs it."""

import errno
import time
from pathlib import Path

import zmq

from backend import protocol
from backend.service import security

REBIND_SECONDS = 1.0
_OPTIONS = (
    (zmq.LINGER, 0),
    (zmq.ROUTER_MANDATORY, 1),  # without it a message to a full pipe is lost without a word
    (zmq.SNDHWM, 64),
    (zmq.RCVHWM, 64),
    (zmq.MAXMSGSIZE, protocol.FRAME_BYTES),
    (zmq.HANDSHAKE_IVL, 5000),
    (zmq.HEARTBEAT_IVL, 2000),
    (zmq.HEARTBEAT_TIMEOUT, 6000),
    (zmq.HEARTBEAT_TTL, 6000),
)


class Full(Exception):
    """The peer does not read fast enough; try again later."""


class Gone(Exception):
    """There is no such peer any more."""


class Door:
    def __init__(self, context: zmq.Context, endpoint: str, keys: security.Keys | None):
        """Listen. Raises security.Closed."""
        self._context, self._keys = context, keys
        self._guard = None if keys is None else security.guard(context, keys)
        self.socket = self._socket()
        try:
            self.socket.bind(endpoint)
        except zmq.ZMQError as error:
            raise security.Closed(f"Nobody can listen at {endpoint} ({error}): choose another --endpoint") from None
        self.endpoint = self.socket.last_endpoint.decode()

    def receive(self) -> tuple[bytes, list] | None:
        """A peer's routing id and its frames; None while there is nothing."""
        try:
            route, *frames = self.socket.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return None
        return route.bytes, [frame.buffer for frame in frames]

    def send(self, route: bytes, answer: protocol.Answer, payload: bytes | None = None) -> None:
        """Raises Full and Gone. The payload is not copied, so it must never change."""
        try:
            # below 64 KiB a copy is faster than keeping the buffer alive until it has left
            self.socket.send_multipart([route, *protocol.encode(answer, payload)], zmq.NOBLOCK, copy=payload is None)
        except zmq.Again:
            raise Full from None
        except zmq.ZMQError as error:
            if error.errno != errno.EHOSTUNREACH:
                raise
            raise Gone from None

    def rebind(self) -> None:
        """Let go of everybody and of all that the socket holds, then listen again at the same place."""
        self.socket.unbind(self.endpoint)
        self.socket.close(linger=0)
        ends = time.monotonic() + REBIND_SECONDS  # a TCP port is free only when libzmq's thread has let go of it
        self.socket = self._socket()
        while True:
            try:
                self.socket.bind(self.endpoint)
                return
            except zmq.ZMQError:
                if time.monotonic() > ends:
                    raise
                time.sleep(0.02)

    def close(self) -> None:
        self.socket.close(linger=0)
        if self.endpoint.startswith("ipc://"):
            Path(self.endpoint.removeprefix("ipc://")).unlink(missing_ok=True)
        if self._guard is not None:
            self._guard.stop()

    def _socket(self) -> zmq.Socket:
        socket = self._context.socket(zmq.ROUTER)
        for option, value in _OPTIONS:
            socket.setsockopt(option, value)
        if self._keys is not None:
            socket.curve_server = True
            socket.curve_secretkey = self._keys.server_secret.encode()
            socket.curve_publickey = self._keys.server_public.encode()
            socket.zap_domain = security.ZAP_DOMAIN
        return socket
