"""One DEALER socket: frames out and in, never blocking. The wire and nothing else."""

import zmq

from ..seam import protocol


class Link:
    """A connection that is being made, or made. `heard` grows with every message that arrives."""

    def __init__(self, context: zmq.Context, connection: protocol.Connection):
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
        if connection.server_key:
            self._socket.curve_serverkey = connection.server_key.encode()
            self._socket.curve_publickey = connection.client_public.encode()
            self._socket.curve_secretkey = connection.client_secret.encode()
        self._socket.connect(connection.endpoint)

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
