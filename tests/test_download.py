"""Downloads from a server of the same behaviour as Hugging Face, on this machine."""

from __future__ import annotations

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from silencer_core.errors import SilencerError
from silencer_core.models.download import bytes_to_fetch, describe, fetch, require_space
from silencer_core.models.folder import PARTS
from silencer_core.models_cli import REPOSITORY, app

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NET = bytes(range(256)) * 2000
CHUNK = 2**16  # what the client keeps at once; a cut loses less than that
CONFIG = b'{"sample_size": 64}'


class Hub(ThreadingHTTPServer):
    """Files under the Hub's URLs, with its headers; remembers what it was asked.

    Attributes:
        files: name in the repository to content; large ones go through a redirect, as on the Hub.
        sent: what is sent instead, to damage a transfer.
        limit: bytes after which the connection is cut, once.
        ranges: the Range header of every GET of content.
        resumes: whether a Range is honoured.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"hallo/net.pth": NET, "stable-diffusion-v1-5/unet/config.json": CONFIG}
        self.sent: dict[str, bytes] = {}
        self.limit: int | None = None
        self.ranges: list[str | None] = []
        self.resumes = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        stored = self.path.startswith("/storage/")
        name = re.sub(rf"^/storage/|^/{REPOSITORY}/resolve/[^/]+/", "", self.path)
        content = self.server.files.get(name)
        if content is None:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        large = name.endswith(".pth")
        if large and not stored:
            self.send_response(302)
            # another host, as the Hub's storage is: the client then reads the hash from here
            self.send_header(
                "Location", f"http://localhost:{self.server.server_port}/storage/{name}"
            )
            self.send_header("X-Linked-Size", str(len(content)))
            self.send_header("X-Linked-ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        return self._send(name, content, body)

    def _send(self, name: str, content: bytes, body: bool) -> None:
        asked = self.headers.get("Range") if self.server.resumes else None
        start = int(re.match(r"bytes=(\d+)-", asked)[1]) if asked else 0
        sent = self.server.sent.get(name, content)[start:]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(sent)))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        self.send_header("ETag", f'"{git}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            self.server.ranges.append(asked)
            limit, self.server.limit = self.server.limit, None
            self.wfile.write(sent[:limit])
            self.close_connection = limit is not None


@pytest.fixture
def hub(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", CHUNK)
    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server
        server.shutdown()
        thread.join()


def net(hub: Hub):
    return describe(REPOSITORY, ["hallo/net.pth"], endpoint=hub.url)[0]


def leave_part(hub: Hub, folder: Path, content: bytes) -> Path:
    part = folder / f"hallo/net.pth.{net(hub).digest[:12]}.part"
    part.parent.mkdir()
    part.write_bytes(content)
    return part


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_description_of_a_large_file(hub):
    file = net(hub)
    assert (file.bytes, file.digest) == (len(NET), hashlib.sha256(NET).hexdigest())


def test_description_pins_the_version(hub):
    assert f"/resolve/{COMMIT}/" in net(hub).url


def test_absent_file_is_named(hub):
    with pytest.raises(SilencerError, match=r"hallo/absent\.pth cannot be fetched"):
        describe(REPOSITORY, ["hallo/absent.pth"], endpoint=hub.url)


def test_large_file_arrives(hub, tmp_path):
    assert fetch(net(hub), tmp_path).read_bytes() == NET
    assert files_in(tmp_path) == ["hallo/net.pth"]


def test_small_file_arrives(hub, tmp_path):
    name = "stable-diffusion-v1-5/unet/config.json"
    (file,) = describe(REPOSITORY, [name], endpoint=hub.url)
    assert fetch(file, tmp_path).read_bytes() == CONFIG


def test_cut_connection_is_taken_up_again(hub, tmp_path):
    hub.limit = 100_000
    assert fetch(net(hub), tmp_path).read_bytes() == NET
    assert hub.ranges == [None, f"bytes={CHUNK}-"]


def test_download_of_an_earlier_call_is_continued(hub, tmp_path):
    leave_part(hub, tmp_path, NET[:70_000])
    assert bytes_to_fetch([net(hub)], tmp_path) == len(NET) - 70_000
    assert fetch(net(hub), tmp_path).read_bytes() == NET
    assert hub.ranges == ["bytes=70000-"]


def test_server_that_cannot_resume_sends_all_again(hub, tmp_path):
    leave_part(hub, tmp_path, NET[:70_000])
    hub.resumes = False
    assert fetch(net(hub), tmp_path).read_bytes() == NET


def test_what_arrived_before_the_server_vanished_is_kept(hub, tmp_path):
    part = leave_part(hub, tmp_path, NET[:70_000])
    file = net(hub)
    del hub.files["hallo/net.pth"]
    with pytest.raises(SilencerError, match="the same command goes on"):
        fetch(file, tmp_path)
    assert part.stat().st_size == 70_000


def test_corrupted_file_is_refused_and_deleted(hub, tmp_path):
    hub.sent["hallo/net.pth"] = NET[:-1] + b"?"
    with pytest.raises(SilencerError, match="arrived damaged and was deleted"):
        fetch(net(hub), tmp_path)
    assert files_in(tmp_path) == []


def test_corrupted_small_file_is_refused_and_deleted(hub, tmp_path):
    name = "stable-diffusion-v1-5/unet/config.json"
    hub.sent[name] = CONFIG.replace(b"64", b"65")
    (file,) = describe(REPOSITORY, [name], endpoint=hub.url)
    with pytest.raises(SilencerError, match="arrived damaged and was deleted"):
        fetch(file, tmp_path)
    assert files_in(tmp_path) == []


def test_damaged_rest_of_an_earlier_call_is_deleted(hub, tmp_path):
    leave_part(hub, tmp_path, b"?" * len(NET))
    with pytest.raises(SilencerError, match="arrived damaged"):
        fetch(net(hub), tmp_path)
    assert files_in(tmp_path) == []


def test_file_that_is_there_is_not_fetched_again(hub, tmp_path):
    fetch(net(hub), tmp_path)
    fetch(net(hub), tmp_path)
    assert hub.ranges == [None]


def test_another_file_of_that_name_is_kept(hub, tmp_path):
    (tmp_path / "hallo").mkdir()
    (tmp_path / "hallo/net.pth").write_text("mine")
    with pytest.raises(SilencerError, match="is not the published file"):
        fetch(net(hub), tmp_path)
    assert (tmp_path / "hallo/net.pth").read_text() == "mine"


def test_full_disk_is_told_beforehand(tmp_path):
    with pytest.raises(SilencerError, match="are needed"):
        require_space(tmp_path / "not" / "yet", 10**18)


def run(*arguments: object, answer: str = ""):
    runner = CliRunner(env={"COLUMNS": "250"})
    return runner.invoke(app, [str(each) for each in arguments], input=answer)


def test_command_fetches_the_part_asked_for(hub, tmp_path):
    result = run("download", tmp_path / "new", "--only", "net", "--yes")
    assert result.exit_code == 0, result.output
    assert files_in(tmp_path / "new") == ["hallo/net.pth"]


def test_command_shows_licence_and_size_before_asking(hub, tmp_path):
    result = run("download", tmp_path, "--only", "net,unet", answer="n\n")
    before = result.output.partition("Fetch ")[0]
    assert "OpenRAIL-M" in before
    assert "512.0 kB" in before


def test_command_fetches_nothing_when_refused(hub, tmp_path):
    assert run("download", tmp_path, "--only", "net", answer="n\n").exit_code == 1
    assert files_in(tmp_path) == []


def test_command_leaves_parts_alone_that_are_there(hub, tmp_path):
    run("download", tmp_path, "--only", "net", "--yes")
    result = run("download", tmp_path, "--only", "net")
    assert "nothing is missing" in result.output


def test_command_names_the_parts(tmp_path):
    result = run("download", tmp_path, "--only", "nett")
    assert result.exit_code == 2
    assert all(part.name in result.output for part in PARTS)
