"""docker-compose.yml and the Dockerfile, as far as they can be checked without a container engine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
SERVICES = {"api", "worker", "worker-gpu", "services", "beat", "gateway"} | {
    "postgres",
    "valkey",
    "seaweedfs",
    "migrate",
    "publish",
}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return document


def tool(name: str) -> str:
    path = shutil.which(name, path=str(Path(sys.executable).parent))
    assert path is not None, f"{name} is not in the environment"
    return path


def test_compose_file_follows_the_compose_specification() -> None:
    command = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_dockerfile_passes_hadolint() -> None:
    done = subprocess.run([tool("hadolint"), str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_service_is_there_and_waits_for_services_that_exist(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == SERVICES
    for service in compose["services"].values():
        assert set(service.get("depends_on", {})) <= SERVICES
        assert set(service["networks"]) <= set(compose["networks"])


def test_every_setting_named_exists(compose: dict[str, Any]) -> None:
    known = {f"LUCENCY_{name}".upper() for name in Settings.model_fields}
    named = {name for service in compose["services"].values() for name in service.get("environment", {})}
    named |= set(re.findall(r"\b(LUCENCY_[A-Z0-9_]+)=", DOCKERFILE.read_text()))
    assert {name for name in named if name.startswith("LUCENCY_")} <= known


def test_every_build_target_and_copied_path_exists(compose: dict[str, Any]) -> None:
    text = DOCKERFILE.read_text()
    stages = set(re.findall(r" AS (\S+)", text))
    for service in compose["services"].values():
        if "build" in service:
            assert service["build"]["target"] in stages
            assert (ROOT / service["build"]["dockerfile"]).exists()
    for line in re.findall(r"^COPY (?!--from)(.+)$", text, flags=re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source


def test_the_api_image_has_the_web_application_and_nothing_of_this_machines() -> None:
    text = DOCKERFILE.read_text()
    (stage,) = re.findall(r"^FROM base AS api\n(.*?)^FROM ", text, flags=re.MULTILINE | re.DOTALL)
    assert "COPY --from=ui /src/ui/dist /opt/lucency-ui" in stage
    assert "ENV LUCENCY_UI_FOLDER=/opt/lucency-ui" in stage
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    assert rules[0] == "*"
    assert rules.index("!ui") < min(rules.index(made) for made in ("ui/node_modules", "ui/dist", "ui/src/client"))
    copied = {
        source.split("/")[0]
        for line in re.findall(r"^COPY (?!--from)(.+)$", text, flags=re.MULTILINE)
        for source in line.split()[:-1]
    }
    assert {f"!{source}" for source in copied} <= set(rules)


def test_only_the_ways_in_publish_a_port_and_ours_run_hardened(compose: dict[str, Any]) -> None:
    assert [name for name, service in compose["services"].items() if "ports" in service] == ["api", "gateway"]
    assert compose["networks"]["back"] == {"internal": True}
    for name in ("api", "worker", "worker-gpu", "services", "beat", "gateway"):
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
    # A bridge: it reaches the API and nothing behind it.
    assert compose["services"]["gateway"]["networks"] == ["front"]
    final_stages = re.split(r"^FROM ", DOCKERFILE.read_text(), flags=re.MULTILINE)
    for stage in final_stages:
        if re.match(r"base AS ", stage):
            assert "USER 10001" in stage


def test_every_command_of_ours_exists(compose: dict[str, Any]) -> None:
    """`lucency …` commands answer to --help, celery and uvicorn find what they are told to load."""
    for service in compose["services"].values():
        command = service.get("command", [])
        if service.get("image") == "lucency-trainer":
            command = ["lucency", *command]
        if command[:1] == ["lucency"]:
            words = [word for word in command[1:3] if not word.startswith(("-", "/"))]
            done = subprocess.run([tool("lucency"), *words, "--help"], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
    script = "import api.app, worker.app; assert callable(api.app.create_app); assert worker.app.celery.tasks"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
