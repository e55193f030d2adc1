"""An S3 server on loopback for the tests, behind a proxy that fails where a rule says so."""

import functools
import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from stores.location import Location, locate
from tests.support.shared import started_once

Rule = Callable[[str, str, dict[str, str]], str | None]
"""(method, path, headers) -> None, or a fault: 403, 404 and so on; `cut`: half the body; `flip`: a
byte changed; `lost`: done, and 503."""


def no_fault(method: str, path: str, headers: dict[str, str]) -> None:
    """The rule of a network that works."""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def s3_server(folder: Path) -> Iterator[int]:
    """The port of a real S3 server in a process of its own."""
    port = free_port()
    with (folder / "moto.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=log,
            stderr=log,
        )
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:  # on a busy machine; nothing of it is kept
            process.kill()
            process.wait()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the S3 server of the tests did not start")


class Proxy(ThreadingHTTPServer):
    """Passes requests on to the S3 server, and does to them what `rule` says."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = port
        self.rule: Rule = no_fault
        self.requests: list[tuple[str, str]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator["Proxy"]:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield self
        finally:
            self.shutdown()
            self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is killed breaks its connections: that is no error of the proxy."""

    def got(self, ending: str) -> int:
        """How many times an object with such a name was read."""
        return sum(
            method == "GET" and path.partition("?")[0].endswith(ending)
            for method, path in self.requests
        )


_CODES = {
    "400": "ExpiredToken",
    "403": "AccessDenied",
    "404": "NoSuchKey",
    "501": "NotImplemented",
    "503": "ServiceUnavailable",
}


def _error(status: str) -> bytes:
    code = f"<Code>{_CODES[status]}</Code>"
    return f"<Error>{code}<Message>made up for a test</Message></Error>".encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.command, self.path))
        fault = self.server.rule(
            self.command, self.path, {name.lower(): value for name, value in self.headers.items()}
        )
        if fault in _CODES:
            self._answer(int(fault), [], _error(fault))
            return
        link = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=30)
        link.request(
            self.command,
            self.path,
            body,
            {name: value for name, value in self.headers.items() if name.lower() != "expect"},
        )
        answer = link.getresponse()
        data = answer.read()
        headers = [
            (name, value)
            for name, value in answer.getheaders()
            if name.lower() not in {"connection", "transfer-encoding"}
        ]
        link.close()
        if fault == "lost":
            self._answer(503, [], _error("503"))
        elif fault == "flip" and data:
            middle = len(data) // 2
            self._answer(
                answer.status,
                headers,
                data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
            )
        else:
            self._answer(answer.status, headers, data, cut=fault == "cut")

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _pass_on  # noqa: N815  (names that the library looks for)

    def _answer(
        self, status: int, headers: list[tuple[str, str]], data: bytes, cut: bool = False
    ) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if self.command == "HEAD" or name.lower() != "content-length":
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else data[: len(data) // 2] if cut else data)
        if cut:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def settings(url: str, cache: Path) -> dict[str, str]:
    """What a process needs to find the server, and no other."""
    return {
        "AFFECTSTORE_CACHE": str(cache),
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@functools.cache
def _client(endpoint: str) -> Any:
    """The tests' own client of the server, with nothing of ours in it."""
    import boto3

    return boto3.client("s3", endpoint_url=endpoint)


def _place(url: str) -> tuple[Any, str, str]:
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    return _client(os.environ["AWS_ENDPOINT_URL"]), bucket, f"{prefix}/"


def objects(url: str) -> dict[str, bytes]:
    """Everything that the store behind a URL holds, by its path below it."""
    client, bucket, prefix = _place(url)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [found["Key"] for page in pages for found in page.get("Contents", ())]
    return {
        key.removeprefix(prefix): client.get_object(Bucket=bucket, Key=key)["Body"].read()
        for key in keys
    }


def put_object(url: str, file: str, data: bytes) -> None:
    client, bucket, prefix = _place(url)
    client.put_object(Bucket=bucket, Key=prefix + file, Body=data)


def remove_objects(url: str, *files: str) -> None:
    client, bucket, prefix = _place(url)
    for file in files:
        client.delete_object(Bucket=bucket, Key=prefix + file)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """The one S3 server of the tests, behind a proxy of this process."""

    @contextmanager
    def start() -> Iterator[str]:
        with s3_server(tmp_path_factory.mktemp("s3")) as port:
            yield str(port)

    with (
        started_once(tmp_path_factory, "s3", start) as port,
        Proxy(int(port)).running() as proxy,
    ):
        yield proxy


@pytest.fixture
def proxy(server: Proxy) -> Iterator[Proxy]:
    """Between the tests and the server."""
    server.requests.clear()
    yield server
    server.rule = no_fault


@pytest.fixture
def url(proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a new store; with a cache of its own."""
    for name, value in settings(proxy.url, tmp_path / "cache").items():
        monkeypatch.setenv(name, value)
    store = f"s3://made/{secrets.token_hex(6)}/store"
    _place(store)[0].create_bucket(Bucket="made")
    return store


class Elsewhere:
    """Another machine: one with an empty cache."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._monkeypatch, self._count = folder, monkeypatch, 0

    def __call__(self, url: str) -> Location:
        self._count += 1
        self._monkeypatch.setenv("AFFECTSTORE_CACHE", str(self._folder / f"cache-{self._count}"))
        return locate(url)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    return Elsewhere(tmp_path, monkeypatch)
