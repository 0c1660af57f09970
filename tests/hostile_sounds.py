"""Recordings of every odd kind, made here: name, content, and what reading them must give."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import av
import numpy as np
import soundfile

RATE, SAMPLES = 16_000, 8_000
REFUSED = ""


@dataclass(frozen=True)
class Case:
    """A file, and how many seconds it gives, or words of the refusal."""

    name: str
    content: bytes
    expected: float | str


def tone(samples: int = SAMPLES, channels: int = 1) -> np.ndarray:
    wave = 0.5 * np.sin(np.arange(samples) * 0.3)
    return np.repeat(wave[:, None], channels, axis=1).astype(np.float32)


def saved(wave: np.ndarray, kind: str = "WAV", subtype: str | None = None, rate: int = RATE):
    file = io.BytesIO()
    soundfile.write(file, wave, rate, format=kind, subtype=subtype)
    return file.getvalue()


def wav(data: bytes, rate=RATE, channels=1, bits=16, kind=1, claimed=None, riff=None) -> bytes:
    """A WAV from its parts."""
    block = max(1, channels * bits // 8)
    block_field, speed = min(block, 65_535), (rate * block) % 2**32
    head = struct.pack("<HHIIHH", kind, channels, rate, speed, block_field, bits)
    claimed = len(data) if claimed is None else claimed
    riff = 36 + len(data) if riff is None else riff
    return (
        b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt " + struct.pack("<I", 16) + head
        + b"data" + struct.pack("<I", claimed) + data
    )  # fmt: skip


def film(sound: bool, picture: bool, kind: str = "mp4") -> bytes:
    """Half a second of video, of sound, or of both."""
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        tracks = []
        if picture:
            track = container.add_stream("mpeg4", rate=25)
            track.width = track.height = 64
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))
            tracks.append((track, [frame] * 12))
        if sound:
            track = container.add_stream("aac", rate=RATE)
            wave = av.AudioFrame.from_ndarray(tone().T.copy(), format="fltp", layout="mono")
            wave.rate = RATE
            tracks.append((track, [wave]))
        for track, frames in tracks:
            for frame in [*frames, None]:
                container.mux(track.encode(frame))
    return file.getvalue()


def whole_files() -> dict[str, bytes]:
    return {
        "wav": saved(tone()),
        "flac": saved(tone(), "FLAC"),
        "ogg": saved(tone(), "OGG"),
        "aiff": saved(tone(), "AIFF"),
        "mp3": saved(tone(), "MP3"),
        "mp4": film(sound=True, picture=True),
        "mov": film(sound=True, picture=False, kind="mov"),
        "mkv": film(sound=True, picture=True, kind="matroska"),
    }


def kinds() -> Iterator[Case]:
    for kind, content in whole_files().items():
        for suffix in (kind, "wav", "mp3", "txt", "raw", "png"):
            yield Case(f"{kind}_named.{suffix}", content, 0.5)
    for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"):
        for channels in (1, 2, 6, 8):
            content = saved(tone(channels=channels), subtype=subtype)
            yield Case(f"{subtype}_{channels}.wav".lower(), content, 0.5)
    for channels in (16, 64, 256):
        yield Case(f"{channels}_channels.wav", saved(tone(800, channels)), 0.05)
    for rate in (1000, 4000, 7999, 44_100, 96_000, 192_000, 384_000):
        yield Case(f"rate_{rate}.wav", saved(tone(rate // 10), rate=rate), 0.1)


def waves() -> Iterator[Case]:
    yield Case("silent.wav", saved(tone() * 0), 0.5)
    yield Case("clipped.wav", saved(np.sign(tone())), 0.5)
    yield Case("far_too_loud.wav", saved(tone() * 1e30, subtype="FLOAT"), 0.5)
    yield Case("all_direct_current.wav", saved(tone() * 0 + 1), 0.5)
    yield Case("nearly_nothing.wav", saved(tone() * 1e-38, subtype="FLOAT"), 0.5)
    for name, value in (("nan", np.nan), ("inf", np.inf), ("minus_inf", -np.inf)):
        for subtype in ("FLOAT", "DOUBLE"):
            for channels in (1, 2):
                wave = tone(channels=channels)
                wave[5, 0] = value
                content = saved(wave, subtype=subtype)
                yield Case(f"{name}_{subtype}_{channels}.wav".lower(), content, "not finite")
        yield Case(f"all_{name}.wav", saved(tone() * 0 + value, subtype="FLOAT"), "not finite")
    yield Case("none.wav", saved(tone(0)), "no samples")
    for samples in (1, 2, 639):
        yield Case(f"{samples}_samples.wav", saved(tone(samples)), "one video frame")
        yield Case(f"{samples}_samples.flac", saved(tone(samples), "FLAC"), "one video frame")
    yield Case("one_frame.wav", saved(tone(640)), 0.04)


def heads() -> Iterator[Case]:
    """WAVs whose heads lie."""
    data = bytes(2 * SAMPLES)
    for rate in (0, 1, 10, 999, 1_000_001, 2**31 - 1, 2**31, 2**32 - 1):
        yield Case(f"claims_rate_{rate}.wav", wav(data, rate=rate), REFUSED)
    for channels in (0, 1025, 65_535):
        yield Case(f"claims_{channels}_channels.wav", wav(data, channels=channels), REFUSED)
    for bits in (0, 40, 65_535):
        yield Case(f"claims_{bits}_bits.wav", wav(data, bits=bits), REFUSED)
    for kind in (0, 2, 0xFFFE, 0xFFFF, 0x7777):
        yield Case(f"coding_{kind}.wav", wav(data, kind=kind), REFUSED)
    for claimed in (len(data) + 1, 2**31, 2**32 - 1):
        yield Case(f"claims_{claimed}_bytes.wav", wav(data, claimed=claimed), 0.5)
    for riff in (0, 1, 2**32 - 1):
        yield Case(f"riff_of_{riff}_bytes.wav", wav(data, riff=riff), 0.5)
    yield Case("hours.wav", wav(bytes(2000 * 4000), rate=1000), "at most 60 minutes")
    yield Case("hours.flac", saved(tone(4000 * 1000) * 0, "FLAC", rate=1000), "at most 60 minutes")
    flac = bytearray(saved(tone(), "FLAC"))
    flac[21] |= 0x0F  # the number of samples: 36 bits that end at byte 26
    flac[22:26] = b"\xff" * 4
    yield Case("claims_weeks.flac", bytes(flac), "at most 60 minutes")


def others() -> Iterator[Case]:
    contents = {
        "empty": b"",
        "zeros": bytes(5000),
        "ones": b"\xff" * 5000,
        "text": b"hello " * 500,
        "html": b"<!DOCTYPE html><html></html>",
        "png": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "jpeg": b"\xff\xd8\xff\xe0" + bytes(100),
        "pdf": b"%PDF-1.7",
        "zip": b"PK\x03\x04" + bytes(100),
        "pickle": b"\x80\x04\x95\x1f\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
        "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "midi": b"MThd\0\0\0\x06\0\0\0\x01\0\x60MTrk\0\0\0\x04\0\xff\x2f\0",
        "only_riff": b"RIFF",
        "only_a_wav_head": b"RIFF\x24\0\0\0WAVEfmt ",
        "only_flac": b"fLaC",
        "only_ogg": b"OggS",
        "only_id3": b"ID3\x04\0\0\0\0\0\0",
        "id3_that_never_ends": b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + bytes(100),
        "only_mp4": b"\0\0\0\x18ftypisom\0\0\0\0isomiso2",
        "only_webm": b"\x1a\x45\xdf\xa3",
        "mp4_box_without_end": b"\0\0\0\x18ftypisom\0\0\0\0isomiso2\0\0\0\0moov",
        "playlist_m3u8": b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n",
        "playlist_m3u8_network": b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
        "playlist_pls": b"[playlist]\nFile1=/etc/passwd\n",
        "ffconcat": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        "session_description": b"v=0\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n",
        "ffmetadata": b";FFMETADATA1\ntitle=x\n",
        "subtitles": b"1\n00:00:00,000 --> 00:00:01,000\nhello\n",
        "dash": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
        "imf": b'<?xml version="1.0"?><CompositionPlaylist/>',
    }
    for name, content in contents.items():
        for suffix in ("wav", "mp4"):
            yield Case(f"{name}.{suffix}", content, REFUSED)
    for seed in range(12):
        yield Case(f"random_{seed}.wav", random.Random(seed).randbytes(3000), REFUSED)
    yield Case("film_without_sound.mp4", film(sound=False, picture=True), "holds no sound")
    yield Case("sound_without_film.mp4", film(sound=True, picture=False), 0.5)
    for kind, content in whole_files().items():
        for share in (0.002, 0.01):
            cut = content[: max(1, int(len(content) * share))]
            yield Case(f"cut_at_{share}.{kind}", cut, REFUSED)


def cases() -> list[Case]:
    return [case for group in (kinds, waves, heads, others) for case in group()]
