"""`bailiwick serve`: the console, where people see what waits for them and answer it."""

from __future__ import annotations

import ipaddress
import signal
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import click

from bailiwick.cli.output import FOLDER, JSON_OPTION, console, print_json, shown
from bailiwick.errors import MissingExtra, UsageError
from bailiwick.project import Guard, find_project
from bailiwick.project.load import load_settings
from bailiwick.project.notifying import notifying

__all__ = ["listening", "serve"]

MAX_CONNECTIONS = 256
"""Open at the same time; more are told to come back."""

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@FOLDER
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8420, show_default=True, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("--tls-cert", type=_FILE, help="Certificate (PEM, with its chain) for HTTPS.")
@click.option("--tls-key", type=_FILE, help="Its private key (PEM).")
@click.option(
    "--behind-proxy",
    "public",
    metavar="ORIGIN",
    help="A proxy keeps HTTPS, and this is what people type. Forwarded headers are not read.",
)
@JSON_OPTION
def serve(
    folder: Path | None,
    host: str,
    port: int,
    tls_cert: Path | None,
    tls_key: Path | None,
    public: str | None,
    *,
    as_json: bool,
) -> None:
    """Serve the console of a project: what waits for a person, and the person's answer.

    It listens on this machine alone, unless it has a certificate or stands behind a proxy that has one, and answers
    under one name alone: console.url of bailiwick.toml. It also sends what [channels] ask for. Ctrl-C or SIGTERM end
    it, once the answers under way are given.
    Exit code 2: it could not begin.
    """
    run = _server()
    path = find_project(folder)
    url = load_settings(path).console.url
    tls = _both(tls_cert, tls_key)
    _check(url, host, public, tls=tls)
    with closing(listening(host, port)) as listener, Guard.open(path) as guard:
        at = listener.getsockname()[1]
        origin = url if tls or public is not None else f"http://localhost:{at}"
        if as_json:
            print_json({"url": origin, "host": host, "port": at})
        else:
            console().print(f"The console of {shown(str(path))} is at [bold]{shown(origin)}[/]", soft_wrap=True)
        if public is not None and not as_json:
            console().print(f"Behind the proxy it listens on {shown(host)}, port {at}.")
        with notifying(guard):
            run(guard, listener, origin, tls_cert, tls_key)


def _server() -> Callable[[Guard, socket.socket, str, Path | None, Path | None], None]:
    """What serves. Raises MissingExtra."""
    try:
        import uvicorn

        from bailiwick.server.app import console_of
    except ImportError as error:
        raise MissingExtra(feature="the console", extra="server") from error

    def run(guard: Guard, listener: socket.socket, origin: str, tls_cert: Path | None, tls_key: Path | None) -> None:
        config = uvicorn.Config(
            console_of(guard, origin=origin),
            ssl_certfile=tls_cert,
            ssl_keyfile=tls_key,
            http="h11",
            ws="none",
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            access_log=False,
            log_level="warning",
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=3,
        )
        # Where uvicorn ends for a signal it raises that signal once more: by then there is a guard left to close.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        uvicorn.Server(config).run(sockets=[listener])

    return run


def _both(tls_cert: Path | None, tls_key: Path | None) -> bool:
    if (tls_cert is None) != (tls_key is None):
        raise UsageError("a certificate needs its key, and a key its certificate", hint="give --tls-cert and --tls-key")
    return tls_cert is not None


def _check(url: str, host: str, public: str | None, *, tls: bool) -> None:
    """Raises UsageError unless what people type, where this listens and who keeps HTTPS go together."""
    if public is not None and tls:
        raise UsageError(
            "behind a proxy it is the proxy that has the certificate", hint="leave --tls-cert and --tls-key"
        )
    if public is not None and (public != url or not url.startswith("https://")):
        raise UsageError(
            f"the proxy is said to be {public!r}, and console.url is {url!r}",
            hint='write what people type, with https://, into bailiwick.toml: [console] url = "https://…"',
        )
    if tls and not url.startswith("https://"):
        raise UsageError(
            f"there is a certificate, and console.url is {url!r}",
            hint='write what people type into bailiwick.toml: [console] url = "https://…"',
        )
    if tls or public is not None:
        return
    if not _loopback(host):
        raise UsageError(
            f"without HTTPS the console does not listen on {host}, where others could read along",
            hint="give --tls-cert and --tls-key, or put a proxy before it and say --behind-proxy https://ITS-NAME",
        )
    if urlsplit(url).hostname != "localhost":
        raise UsageError(
            f"console.url is {url!r}, and without a certificate this is localhost alone",
            hint="give --tls-cert and --tls-key, or --behind-proxy with that address",
        )


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises UsageError if it cannot."""
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        made = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(f"there is no address {host}: {error.strerror}", hint="see --host") from error
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(128)
    except OSError as error:
        made.close()
        raise UsageError(
            f"cannot listen on {host}, port {port}: {error.strerror}",
            hint="another program may have it: choose one with --port, or 0 for any free one",
        ) from error
    return made
