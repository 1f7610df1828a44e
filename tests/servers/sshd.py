"""A real sshd on loopback that lets one key use git in a folder, also where the tests run as root."""

import getpass
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.parts import require_program
from tests.servers.ports import free_port, wait_for_port

_PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Sshd:
    """One that runs; `key` is the private key that it lets in, `known_hosts` has its own."""

    port: int
    key: Path
    known_hosts: Path

    def url_of(self, path: Path) -> str:
        """Where git finds a repository of this machine."""
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{path}"


def make_key(path: Path, kind: str = "ed25519") -> Path:
    """Make a key pair without a passphrase; returns the private half."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", str(path)], check=True)
    return path


@contextmanager
def running_sshd(folder: Path) -> Iterator[Sshd]:
    """Start one; stopped at the end. Skips where there is none."""
    program = require_program("sshd", "apt-get install -y openssh-server")
    folder.mkdir(mode=0o700)
    host_key, key, port = make_key(folder / "host"), make_key(folder / "deploy"), free_port()
    (folder / "authorized").write_text((folder / "deploy.pub").read_text())
    known_hosts = folder / "known hosts"
    known_hosts.write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    settings = folder / "sshd_config"
    settings.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {host_key}\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/authorized\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        "PermitRootLogin prohibit-password\nLogLevel ERROR\n"
    )
    # sshd wants its folder for privilege separation, which its start script would make.
    with suppress(OSError):
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "-D", "-e", "-f", str(settings)], stdin=subprocess.DEVNULL, stderr=log)
        try:
            wait_for_port(port, process, folder / "log")
            yield Sshd(port, key, known_hosts)
        finally:
            process.terminate()
            process.wait(_PATIENCE_S)
