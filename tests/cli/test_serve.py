"""`bailiwick serve`: where it listens, and where it does not."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bailiwick.audit.report import State
from bailiwick.stores.log_verification import verify_folder
from tests.cli.terminal import Said
from tests.worlds import LOGS, edit, make_world

Terminal = Callable[..., Said]
SCRIPT = "from bailiwick.cli import main; main()"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_world(tmp_path)


@contextmanager
def served(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command in a process of its own, and the address that it prints."""
    command = [sys.executable, "-u", "-c", SCRIPT, "serve", str(folder), "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r" is at (\S+)", line)
            assert found is not None, line
            yield process, found[1]
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_end_and_closes_its_log(folder: Path, number: signal.Signals) -> None:
    with served(folder) as (process, url):
        assert re.fullmatch(r"http://localhost:\d+", url)
        with urllib3.PoolManager(retries=urllib3.Retry(connect=20, backoff_factor=0.05)) as pool:
            answer = pool.request("GET", f"{url}/login")
        assert answer.status == 200
        assert b"Sign in" in answer.data
        process.send_signal(number)
        assert process.wait(20) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert verify_folder(folder / LOGS).state is State.SOUND


def test_behind_a_proxy_it_answers_under_the_proxys_name_alone(folder: Path) -> None:
    public = "https://approvals.acme.example"
    edit(folder, "bailiwick.toml", "[org]", f'[console]\nurl = "{public}"\n\n[org]')
    with served(folder, "--behind-proxy", public) as (process, url):
        assert url == public
        assert process.stdout is not None
        port = process.stdout.readline().split()[-1].rstrip(".")
        with urllib3.PoolManager(retries=urllib3.Retry(connect=20, backoff_factor=0.05)) as pool:
            ours = pool.request("GET", f"http://127.0.0.1:{port}/login", headers={"Host": "approvals.acme.example"})
            other = pool.request(
                "GET",
                f"http://127.0.0.1:{port}/login",
                headers={"X-Forwarded-Host": "approvals.acme.example", "Forwarded": "host=approvals.acme.example"},
            )
        assert ours.status == 200
        assert "max-age" in ours.headers["strict-transport-security"]
        assert "Secure" in ours.headers["set-cookie"]
        assert other.status == 421
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_with_a_certificate_it_speaks_https(folder: Path, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    write_certificate(cert, key)
    edit(folder, "bailiwick.toml", "[org]", '[console]\nurl = "https://localhost"\n\n[org]')
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with served(folder, "--port", str(port), "--tls-cert", str(cert), "--tls-key", str(key)) as (process, url):
        assert url == "https://localhost"
        retries = urllib3.Retry(connect=20, backoff_factor=0.05)
        with urllib3.PoolManager(retries=retries, ca_certs=str(cert)) as pool:
            # A connection that stays open would be waited for when it ends: TLS says goodbye both ways.
            headers = {"Host": "localhost", "Connection": "close"}
            answer = pool.request("GET", f"https://localhost:{port}/login", headers=headers)
            assert answer.status == 200
            assert "__Host-" in answer.headers["set-cookie"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def write_certificate(cert: Path, key: Path) -> None:
    made = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(tz=UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(made.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(made, hashes.SHA256())
    )
    cert.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    key.write_bytes(made.private_bytes(pem, pkcs8, serialization.NoEncryption()))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "0.0.0.0"], "without HTTPS"),
        (["--host", "::"], "without HTTPS"),
        (["--host", "example.com"], "without HTTPS"),
        (["--tls-cert", "CERT"], "a certificate needs its key"),
        (["--tls-cert", "CERT", "--tls-key", "CERT"], "console.url"),
        (["--behind-proxy", "https://approvals.acme.example"], "console.url"),
        (["--behind-proxy", "http://localhost:8420"], "console.url"),
        (["--host", "127.0.0.1", "--port", "70000"], "--port"),
    ],
)
def test_what_does_not_go_together_is_refused(
    terminal: Terminal, folder: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    (tmp_path / "cert.pem").touch()
    named = [str(tmp_path / "cert.pem") if option == "CERT" else option for option in options]
    told = terminal("serve", folder, *named)
    assert (told.code, told.out) == (2, "")
    assert said in told.err


def test_an_address_of_others_is_not_served_without_a_certificate(terminal: Terminal, folder: Path) -> None:
    edit(folder, "bailiwick.toml", "[org]", '[console]\nurl = "https://approvals.acme.example"\n\n[org]')
    told = terminal("serve", folder)
    assert told.code == 2
    assert "--behind-proxy" in told.err


def test_a_used_port_is_said(terminal: Terminal, folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = terminal("serve", folder, "--port", str(port))
    assert (told.code, told.out) == (2, "")
    assert str(port) in told.err
    assert "--port" in told.err


@pytest.mark.parametrize("missing", ["uvicorn", "starlette", "jinja2", "webauthn"])
def test_without_a_package_that_it_needs_it_names_the_extra(folder: Path, missing: str) -> None:
    done = lacking(missing, "serve", str(folder), "--port", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert "needs the extra 'server'" in done.stderr
    assert "Traceback" not in done.stderr


def test_accounts_are_kept_without_the_extra(folder: Path) -> None:
    rules = folder / "administration" / "people.cedar"
    leave = '@id("bob-keeps-accounts") permit (principal == User::"bob", action == Action::"admin.accounts", resource);'
    rules.write_text(f"{rules.read_text(encoding='utf-8')}\n{leave}\n", encoding="utf-8")
    done = lacking("webauthn", "accounts", "list", "--as", "bob", "--dir", str(folder))
    assert (done.returncode, done.stderr) == (0, "")


def lacking(package: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The command in a process in which a package cannot be imported."""
    script = f"import sys; sys.modules[{package!r}] = None; {SCRIPT}"
    return subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, timeout=60)


def test_without_a_project_there_is_nothing_to_serve(terminal: Terminal, tmp_path: Path) -> None:
    assert terminal("serve", tmp_path).code == 2
