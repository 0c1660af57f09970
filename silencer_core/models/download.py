"""Files from a model repository on Hugging Face: resumed where they broke off, and verified.

Nothing here runs by itself: `silencer models download` calls it, after asking.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from silencer_core.errors import SilencerError

_BLOCK = 4 * 2**20


@dataclasses.dataclass(frozen=True)
class RemoteFile:
    """A file as the server describes it.

    Attributes:
        name: its path in the repository.
        url: of exactly this version.
        bytes: its size.
        digest: what the server names as its hash: SHA-256 (64 digits) for large files, Git's blob
            SHA-1 (40 digits) for small ones.
    """

    name: str
    url: str
    bytes: int
    digest: str


def describe(
    repository: str, names: Iterable[str], endpoint: str | None = None
) -> list[RemoteFile]:
    """Asks the server about files, without fetching them.

    Args:
        repository: such as "fudan-generative-ai/hallo".
        names: paths inside it.
        endpoint: another server than huggingface.co; the variable HF_ENDPOINT does the same.

    Raises:
        SilencerError: if the server cannot be reached or has no such file.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    endpoint = endpoint or os.environ.get("HF_ENDPOINT")
    files = []
    for name in names:
        url = hf_hub_url(repository, name, endpoint=endpoint)
        try:
            found = get_hf_file_metadata(url)
        except Exception as error:  # the HTTP library and its errors differ between versions
            raise SilencerError(_failed(url, error)) from error
        if found.size is None or not found.etag:
            raise SilencerError(f"{url}: the server names neither size nor hash of this file.")
        if found.commit_hash:
            url = hf_hub_url(repository, name, revision=found.commit_hash, endpoint=endpoint)
        files.append(RemoteFile(name, url, found.size, found.etag))
    return files


def fetch(file: RemoteFile, folder: str | Path) -> Path:
    """Brings `file` to its place under `folder`, with a progress bar on stderr.

    What arrives is kept beside as `*.part` until it is complete, so that a later call goes on
    from there, and gets its name only when size and hash are those that the server gave. A file
    that is there already is verified and kept.

    Returns:
        The path of the file.

    Raises:
        SilencerError: if the connection fails (what has arrived stays for the next call), the
            hash differs (what has arrived is deleted), or another file has the name already.
    """
    target = Path(folder) / file.name
    if target.exists():
        if target.stat().st_size == file.bytes and _digest(target, file.digest) == file.digest:
            return target
        raise SilencerError(
            f"{target} exists and is not the published file ({target.stat().st_size} bytes, "
            f"published are {file.bytes}). Move or delete it, then download again."
        )
    part = _part(target, file)
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        _receive(file, part)
        found = _digest(part, file.digest)
    except OSError as error:
        raise SilencerError(f"{target} cannot be written: {error.strerror or error}.") from error
    if part.stat().st_size != file.bytes or found != file.digest:
        size = part.stat().st_size
        part.unlink()
        raise SilencerError(
            f"{file.url} arrived damaged and was deleted: expected {file.bytes} bytes with hash "
            f"{file.digest}, found {size} bytes with {found}. Download it again."
        )
    part.replace(target)
    return target


def bytes_to_fetch(files: Iterable[RemoteFile], folder: str | Path) -> int:
    """What is left to transfer, finished and partly finished files taken off."""
    left = 0
    for file in files:
        target = Path(folder) / file.name
        part = _part(target, file)
        if not target.exists():
            left += file.bytes - (part.stat().st_size if part.exists() else 0)
    return left


def require_space(folder: str | Path, wanted: int) -> None:
    """Raises a SilencerError unless the disk of `folder`, which need not exist, has room."""
    existing = next(
        path for path in [Path(folder), *Path(folder).absolute().parents] if path.exists()
    )
    free = shutil.disk_usage(existing).free
    if wanted > free:
        raise SilencerError(
            f"{folder}: {wanted / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free on this "
            "disk. Choose another folder or make room."
        )


def _receive(file: RemoteFile, part: Path) -> None:
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    have = part.stat().st_size if part.exists() else 0
    if have >= file.bytes:
        return
    with part.open("ab") as stream:
        try:
            http_get(
                file.url,
                stream,
                resume_size=have,
                headers={**build_hf_headers(), "Accept-Encoding": "identity"},
                expected_size=file.bytes,
                displayed_filename=file.name,
            )
        except Exception as error:  # as above
            raise SilencerError(
                f"{_failed(file.url, error)} What has arrived is kept; the same command goes on "
                "from there."
            ) from error


def _part(target: Path, file: RemoteFile) -> Path:
    return target.with_name(f"{target.name}.{file.digest[:12]}.part")


def _digest(path: Path, like: str) -> str:
    """The hash of a file in the kind of `like`."""
    if len(like) == 64:
        digest = hashlib.sha256()
    else:
        digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _failed(url: str, error: Exception) -> str:
    text = str(error).partition("\n")[0].rstrip(".") or type(error).__name__
    return f"{url} cannot be fetched: {text}."
