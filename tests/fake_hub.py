"""A hub on localhost that huggingface_hub takes for the real one: lists, redirects, ranges, and every way to fail."""

import hashlib
import json
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = 10_000  # bytes from which on a file is in LFS


def tensors(count: int, seed: int = 0) -> bytes:
    """A safetensors file with one tensor of `count` bytes."""
    header = json.dumps({"weight": {"dtype": "U8", "shape": [count], "data_offsets": [0, count]}}).encode()
    body = hashlib.shake_128(b"%d" % seed).digest(count)
    return struct.pack("<Q", len(header)) + header + body


def stable_diffusion(width: int = 768) -> dict[str, bytes]:
    """The files of a Stable Diffusion in diffusers' layout, tiny, and two that nobody should fetch."""
    return {
        "tokenizer/vocab.json": b'{"a": 0}',
        "tokenizer/merges.txt": b"#version: 0.2\n",
        "tokenizer/tokenizer_config.json": b'{"pad_token": "!"}',
        "tokenizer/special_tokens_map.json": b"{}",
        "scheduler/scheduler_config.json": b'{"prediction_type": "epsilon"}',
        "text_encoder/config.json": b'{"hidden_size": 8}',
        "text_encoder/model.fp16.safetensors": tensors(50_000, 1),
        "text_encoder/model.safetensors": tensors(100_000, 2),
        "unet/config.json": json.dumps({"cross_attention_dim": width}).encode(),
        "unet/diffusion_pytorch_model.fp16.safetensors": tensors(3_000_000, 3),
        "unet/diffusion_pytorch_model.bin": b"never fetched",
        "vae/config.json": b'{"latent_channels": 4}',
        "vae/diffusion_pytorch_model.safetensors": tensors(200_000, 4),
        "safety_checker/model.safetensors": tensors(20_000, 5),
    }


def etag(content: bytes) -> str:
    if len(content) >= LARGE:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class Hub:
    """What it holds, how it misbehaves, and what it was asked."""

    repositories: dict[str, dict[str, bytes]]
    endpoint: str = ""
    cuts: list[int] = field(default_factory=list)  # bytes after which each next answer with weights breaks off
    spoilt: int = 0  # so many answers with weights come with a wrong byte
    ranges: bool = True  # else all of a file comes again
    gated: bool = False
    code: int = 0  # the answer to everything
    asked: list[tuple[str, str]] = field(default_factory=list)  # path and Range of each request
    sent: int = 0  # bytes of files

    def fetched(self) -> list[str]:
        """The files that were asked for, in order."""
        return [path.split(f"/{COMMIT}/")[1] for path, _ in self.asked if "/resolve/" in path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *arguments) -> None:
        """Silence."""

    def do_GET(self) -> None:
        hub, path = self.hub, self.path.partition("?")[0]
        hub.asked.append((path, self.headers.get("Range", "")))
        if hub.code:
            return self._answer(hub.code, b"no")
        if path.startswith("/api/models/"):
            repository = path.removeprefix("/api/models/").partition("/revision/")[0]
            if repository not in hub.repositories:
                return self._answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            return self._answer(200, json.dumps(self._listing(repository)).encode())
        if hub.gated:
            return self._answer(403, b"{}", {"X-Error-Code": "GatedRepo"})
        repository, name = path.removeprefix("/cdn").strip("/").split(f"/resolve/{COMMIT}/")
        content = hub.repositories[repository][name]
        if not path.startswith("/cdn/") and len(content) >= LARGE:
            return self._answer(302, b"", {"Location": f"{hub.endpoint}/cdn{path}"})
        return self._file(content)

    def _listing(self, repository: str) -> dict:
        siblings = []
        for name, content in self.hub.repositories[repository].items():
            sibling = {"rfilename": name, "size": len(content), "blobId": etag(content)[:40]}
            if len(content) >= LARGE:
                sibling["lfs"] = {"sha256": etag(content), "size": len(content), "pointerSize": 134}
            siblings.append(sibling)
        return {"id": repository, "sha": COMMIT, "siblings": siblings}

    def _file(self, content: bytes) -> None:
        hub, start = self.hub, 0
        if (wanted := self.headers.get("Range")) and hub.ranges:
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
        if len(content) >= LARGE and hub.spoilt:
            hub.spoilt -= 1
            content = content[:-1] + bytes([content[-1] ^ 1])
        rest = content[start:]
        headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        cut = hub.cuts.pop(0) if hub.cuts and len(content) >= LARGE else None
        self._answer(206 if start else 200, rest, headers, cut)
        hub.sent += len(rest[:cut])
        if cut is not None:
            self.close_connection = True

    def _answer(self, code: int, body: bytes, headers: dict[str, str] | None = None, cut: int | None = None) -> None:
        self.send_response(code)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:cut])


@contextmanager
def serving(repositories: dict[str, dict[str, bytes]]) -> Iterator[Hub]:
    hub = Hub(repositories)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
