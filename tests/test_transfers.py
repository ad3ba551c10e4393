"""Uploads and downloads as state machines, without a socket: any order of loss and return gives each byte once."""

import random

import numpy as np
import pytest
import xxhash

from backend import protocol
from blender_addon.client.transfers import Broken, Download, LocalLog, Upload

JOB = "0" * 32


class Gateway:
    """The other end of an upload: it keeps what comes in order, and says how much it holds."""

    def __init__(self, held=b""):
        self.held = bytearray(held)

    def put(self, put, chunk):
        if put.offset == len(self.held):
            self.held += chunk
        return protocol.Have(blob=put.blob, offset=len(self.held), complete=len(self.held) == put.size)


def chunks(seq, record, size=protocol.CHUNK_BYTES):
    digest = xxhash.xxh3_64_intdigest(record) & protocol.DIGEST_MASK
    for offset in range(0, len(record), size):
        yield (
            protocol.Chunk(stream=1, job=JOB, seq=seq, offset=offset, total=len(record), digest=digest),
            memoryview(record)[offset : offset + size],
        )


def records(count, size, seed=3):
    rng = np.random.default_rng(seed)
    return [rng.bytes(size + 17 * k) for k in range(count)]


@pytest.mark.parametrize("already", [0, 300_000, 999_999])
def test_an_upload_goes_on_from_what_the_gateway_holds(already):
    data = np.random.default_rng(0).bytes(1_000_000)
    upload, gateway, sent = Upload(data), Gateway(data[:already]), 0
    while not upload.complete:
        put, chunk = upload.next()
        upload.sent(len(chunk))
        sent += len(chunk)
        upload.heard(gateway.put(put, chunk))
    assert bytes(gateway.held) == data
    assert upload.blob == xxhash.xxh3_128_hexdigest(data)
    assert sent <= len(data) - already + protocol.CHUNK_BYTES  # the question costs one chunk


def test_an_upload_keeps_one_window_on_its_way():
    upload = Upload(bytes(20 * 1024 * 1024))
    put, chunk = upload.next()
    upload.sent(len(chunk))
    assert upload.next() is None  # until the gateway has said what it holds
    upload.heard(protocol.Have(blob=put.blob, offset=len(chunk)))
    under_way = 0
    while (step := upload.next()) is not None:
        upload.sent(len(step[1]))
        under_way += len(step[1])
    assert under_way == protocol.WINDOW_BYTES


def test_records_come_whole_and_in_order():
    sent = records(5, 600_000)
    download, taken = Download(0), []
    for seq, record in enumerate(sent):
        for chunk, payload in chunks(seq, record):
            download.add(chunk, payload)
        while (whole := download.take()) is not None:
            taken.append(whole)
    assert [seq for seq, _ in taken] == list(range(5))
    assert [bytes(record) for _, record in taken] == sent


def test_whatever_is_lost_or_sent_twice_each_record_is_handed_on_once():
    sent, rng = records(6, 200_000), random.Random(9)
    download, taken = Download(0), []
    while download.next_seq < len(sent):
        download.restart()
        start = rng.randint(0, download.next_seq)  # the gateway may begin before what is asked, never after
        stream = [step for seq in range(start, len(sent)) for step in chunks(seq, sent[seq], 70_000)]
        for chunk, payload in stream[: rng.randint(1, len(stream))]:
            download.add(chunk, payload)
        while (whole := download.take()) is not None:
            taken.append(whole)
    assert [seq for seq, _ in taken] == list(range(6))
    assert [bytes(record) for _, record in taken] == sent


def test_a_damaged_record_is_never_handed_on():
    download = Download(0)
    record = records(1, 1000)[0]
    ((chunk, payload),) = chunks(0, record)
    bad = bytearray(payload)
    bad[500] ^= 1
    with pytest.raises(Broken, match="damaged"):
        download.add(chunk, memoryview(bad))
    assert download.take() is None


@pytest.mark.parametrize("mapped", [0, 1 << 40])
def test_a_log_on_this_machine_gives_the_same_records(tmp_path, monkeypatch, mapped):
    """As a map and as copies, also while the log grows."""
    monkeypatch.setattr(LocalLog, "MAPPED", mapped)
    sent = records(6, 100_000)
    log, download, position = LocalLog(tmp_path / "records.log"), Download(0), 0
    for seq, record in enumerate(sent):
        with (tmp_path / "records.log").open("ab") as file:
            file.write(bytes(24) + record)
        position += 24
        digest = xxhash.xxh3_64_intdigest(record) & protocol.DIGEST_MASK
        located = protocol.Located(stream=1, job=JOB, seq=seq, position=position, total=len(record), digest=digest)
        download.place(located, log.read(located.position, located.total))
        position += len(record)
    log.close()
    assert [bytes(download.take()[1]) for _ in sent] == sent
    with pytest.raises(Broken, match="out of turn"):
        download.place(protocol.Located(stream=1, job=JOB, seq=9, position=0, total=1, digest=0), np.zeros(1, np.uint8))


def test_a_damaged_log_is_noticed(tmp_path):
    path = tmp_path / "records.log"
    path.write_bytes(b"abcdef")
    located = protocol.Located(stream=1, job=JOB, seq=0, position=2, total=4, digest=1)
    log = LocalLog(path)
    with pytest.raises(Broken, match="damaged"):
        Download(0).place(located, log.read(2, 4))
    with pytest.raises(Broken, match="ends at byte 6"):
        log.read(3, 4)
    log.close()


def test_a_missing_chunk_is_noticed():
    download = Download(0)
    first, _, third = chunks(0, records(1, 700_000)[0])
    download.add(*first)
    with pytest.raises(Broken, match="out of turn"):
        download.add(*third)


def test_credit_follows_use_not_arrival():
    download = Download(0)
    for seq, record in enumerate(records(12, 700_000)):
        for step in chunks(seq, record):
            download.add(*step)
    assert download.grant() is None  # 8 MB have arrived and none was used: nothing more may come
    while download.take() is not None:
        pass
    assert download.grant() >= 2 * protocol.WINDOW_BYTES - protocol.CHUNK_BYTES
    assert download.grant() is None


def test_a_record_larger_than_the_window_still_arrives():
    record = bytes(3 * protocol.WINDOW_BYTES)
    download, granted, received = Download(0), protocol.WINDOW_BYTES, 0
    for chunk, payload in chunks(0, record):
        received += len(payload)
        assert received <= granted, "the gateway would have had to wait for ever"
        download.add(chunk, payload)
        granted = download.grant() or granted
    assert len(download.take()[1]) == len(record)


def test_a_gap_skips_previews():
    download = Download(2)
    download.skip(protocol.Gap(stream=1, first=2, last=4))
    record = b"x" * 100
    for step in chunks(5, record):
        download.add(*step)
    assert download.take()[0] == 5
