"""The sdist and the wheel: what is in them, and that the wheel works in an empty environment."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import asyncio, importlib.metadata, sys
from pyradsec.constants import PacketType
from pyradsec.dictionary import Dictionary
from pyradsec.radsec.client import RadSecClient
from pyradsec.radsec.server import RadSecServer
from pyradsec.server import RemoteHost

class Server(RadSecServer):
    async def handle_access_request(self, packet):
        return packet.create_reply(Reply_Message="Hello " + packet["User-Name"][0])
    async def handle_accounting(self, packet):
        return packet.create_reply()

async def main():
    dictionary = Dictionary.default()
    assert dictionary.attrindex["Mikrotik-Rate-Limit"] == (14988, 8)
    server = Server("127.0.0.1", 0, {"127.0.0.1": RemoteHost("127.0.0.1", b"radsec", "here")}, dictionary)
    async with server, RadSecClient(port=server.addresses[0][1], dict=dictionary) as client:
        reply = await client.send_packet(client.create_auth_packet(User_Name="bob"))
        assert reply.code == PacketType.AccessAccept, client.last_error
        assert reply["Reply-Message"] == ["Hello bob"]

asyncio.run(main())
assert importlib.metadata.requires("pyradsec") == [
    line for line in importlib.metadata.requires("pyradsec") if "extra ==" in line
], "nothing is required at run time"
print("works")
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sdist, and the wheel that was built from it."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(out), str(ROOT)], check=True, capture_output=True, timeout=300
    )
    return out


def test_the_sdist_holds_what_a_build_needs(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    for name in ("setup.py", "pyproject.toml", "README.md", "src/net/engine.h", "src/py/module.c"):
        assert name in names
    assert {f"dict/{path.name}" for path in (ROOT / "dict").glob("dictionary*")} <= names


def test_the_wheel_holds_stubs_marker_and_dictionaries(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in ("pyradsec/py.typed", "pyradsec/_core.pyi"):
        assert name in names
    shipped = {f"pyradsec/_dict/{path.name}" for path in (ROOT / "dict").glob("dictionary*")}
    assert len(shipped) > 200
    assert {name for name in names if name.startswith("pyradsec/_dict/dictionary")} == shipped
    assert any(name.startswith("pyradsec/_core.") and name.endswith(".so") for name in names)
    assert not any(name.startswith(("tests", "src", "certs")) for name in names)


def test_the_wheel_works_in_an_empty_environment(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv/bin/python")
    pip = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-index",
        "--no-deps",
        str(wheel),
    ]
    subprocess.run(pip, check=True, timeout=120)
    (tmp_path / "certs").symlink_to(ROOT / "certs")  # where the constructors' defaults look
    done = subprocess.run([python, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "works\n"), done.stderr


@pytest.mark.parametrize("variables", [{"CFLAGS": "-fno-lto"}, {"LDFLAGS": "-fno-lto"}], ids=["CFLAGS", "LDFLAGS"])
def test_a_build_where_link_time_optimisation_is_off(tmp_path: Path, variables: dict[str, str]) -> None:
    """Packagers turn it off with flags of their own. gcc then still makes objects, of which the linker makes a module
    with nothing in it."""
    where = ["--build-base", str(tmp_path / "base"), "--build-lib", str(tmp_path)]
    variables = {**os.environ, **variables}
    command = [sys.executable, "setup.py", "build", *where]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300, env=variables)
    done = subprocess.run(
        [sys.executable, "-c", "import pyradsec._core; print(pyradsec._core.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))


def test_user_code_passes_mypy_strict(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    sample = ROOT / "tests/typing/sample.py"
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(sample)],
        cwd=tmp_path,
        env={"MYPYPATH": "", "PYTHONPATH": str(site), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
