"""What docs/operations.md says to put on a server, as the tools that read it there see it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tenants.foundation.web import BODY_BYTES_MAX

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
UNITS = ("clearinghouse.service", "clearinghouse-worker@.service")


def tool(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_takes_the_units_and_rates_them_safe(tmp_path: Path, unit: str) -> None:
    analyze = tool("systemd-analyze")
    # Only the program itself is missing here.
    here = (DEPLOY / unit).read_text().replace("/opt/clearinghouse/.venv/bin/clearinghouse", "/bin/true")
    named = tmp_path / unit.replace("@", "@1")
    named.write_text(here)

    verified = subprocess.run([analyze, "verify", named], capture_output=True, text=True, check=False)
    words = [analyze, "security", "--offline=true", "--threshold=20", named]
    rated = subprocess.run(words, capture_output=True, text=True, check=False)

    complaints = [line for line in verified.stderr.splitlines() if named.name in line]
    assert (verified.returncode, complaints) == (0, []), verified.stderr
    assert rated.returncode == 0, rated.stdout[-300:]


def test_nginx_takes_its_configuration_and_leaves_it_to_the_program_to_refuse_large_bodies(tmp_path: Path) -> None:
    nginx = tool("nginx")
    site = (DEPLOY / "nginx.conf").read_text()
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subject = ["-keyout", key, "-out", certificate, "-days", "1", "-subj", "/CN=points.example.com"]
    subprocess.run([*words, *subject], capture_output=True, check=True)
    site = site.replace("/etc/nginx/tls/points.example.com.pem", str(certificate))
    site = site.replace("/etc/nginx/tls/points.example.com.key", str(key))
    (tmp_path / "site.conf").write_text(site)
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log stderr;\nevents {{}}\nhttp {{ include {tmp_path}/site.conf; }}\n"
    )

    tested = subprocess.run(
        [nginx, "-t", "-c", tmp_path / "nginx.conf", "-p", tmp_path], capture_output=True, text=True, check=False
    )

    assert tested.returncode == 0, tested.stderr
    assert "warn" not in tested.stderr
    assert f"client_max_body_size {BODY_BYTES_MAX // 1024 // 1024 + 1}m;" in site


def test_postgresql_knows_every_setting_that_is_named(owner: Engine) -> None:
    names = re.findall(r"^(\w+) =", (DEPLOY / "postgresql.conf").read_text(), re.MULTILINE)

    with owner.connect() as connection:
        known = set(connection.scalars(text("SELECT name FROM pg_settings")))

    assert len(names) > 10
    assert set(names) <= known


def test_every_variable_of_the_environment_is_one_that_the_program_reads() -> None:
    names = re.findall(r"^([A-Z_]+)=", (DEPLOY / "environment").read_text(), re.MULTILINE)
    sources = "".join(path.read_text() for path in (ROOT / "tenants").rglob("*.py"))

    assert len(names) >= 4
    assert [name for name in names if f'"{name}"' not in sources] == []
