"""The Helm chart: rendered by Helm's own code, held to the schemas of Kubernetes and KEDA, and to what our processes read and answer."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import helm_python as helm
import httpx
import kubernetes_validate
import psycopg
import pytest
import yaml

from cache.settings import Settings
from cache.storage.database.database import Database
from gateway.api.health import Health
from gateway.environment import read_settings
from gateway.settings_sources import FILE
from gateway.telemetry.worker_metrics import asked_for_health
from tests.databases import postgres_url
from tests.http.test_worker_health import free_port
from tests.stage import SERVED, made, seeded, set_stage
from tests.test_settings_sources import LINKS

ROOT = Path(__file__).parent.parent.parent
CHART = ROOT / "deploy" / "helm" / "reprise"
Manifest = dict[str, Any]

VERSIONS = ("1.27", "1.37")  # the oldest that Chart.yaml allows, and the newest whose schemas there are
EVERYTHING: Manifest = {
    "secret": {"keys": {"metricsToken": "metrics-token", "upstreamKey": "upstream-key"}},
    "settings": {"max_wrong": 0.01, "near": True, "body_bytes": 2_000_000, "allowed_hosts": ["a.example", "b.example"]},
    "imagePullSecrets": [{"name": "registry"}],
    "gateway": {
        "settings": {"near": False, "model_aliases": {"sora-2": "reprise-demo"}},
        "env": [{"name": "OTEL_SERVICE_NAME", "value": "gateways"}],
        "autoscaling": {"enabled": True},
        "service": {"annotations": {"example.com/a": "b"}},
        "podAnnotations": {"example.com/a": "b"},
        "affinity": {"podAntiAffinity": {}},
    },
    "worker": {
        "settings": {"model": "/models/wan", "speed": {"compile": "off"}},
        "volumes": [{"name": "wan", "persistentVolumeClaim": {"claimName": "wan", "readOnly": True}}],
        "volumeMounts": [{"name": "wan", "mountPath": "/models/wan", "readOnly": True}],
        "models": {"existingClaim": "models"},
        "runtimeClassName": "nvidia",
        "podAnnotations": {"example.com/a": "b"},
        "nodeSelector": {"gpu": "h200"},
        "scaling": {"enabled": True},
    },
    "networkPolicy": {
        "enabled": True,
        "from": [{"namespaceSelector": {"matchLabels": {"edge": "yes"}}}],
        "metricsFrom": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}],
        "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}],
    },
}
BY_PROMETHEUS: Manifest = {
    "worker": {"scaling": {"enabled": True, "trigger": "prometheus", "prometheus": {"serverAddress": "http://prometheus:9090"}}}
}
LITTLE: Manifest = {
    "worker": {"enabled": False},
    "migration": {"enabled": False},
    "gateway": {"disruptionBudget": {"enabled": False}, "settings": {"renderer": "upstream"}},
}


def rendered(values: Manifest | None = None, release: str = "reprise") -> list[Manifest]:
    """All that an installation would hand to the cluster, hooks included."""
    with helm.Chart.load(CHART) as chart:
        chart.validate_schema(values or {})
        files = chart.render(values or {}, name=release, namespace="video")
    texts = [text for name, text in sorted(files.items()) if name.endswith(".yaml")]
    return [one for text in texts for one in yaml.safe_load_all(text) if one]


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    (found,) = [one for one in manifests if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    for one in manifests:
        if one["kind"] in {"Deployment", "Job"}:
            yield one["metadata"]["name"], one["spec"]["template"]["spec"]


def variables(pod: Manifest) -> dict[str, str]:
    names = [one["name"] for one in pod["containers"][0]["env"]]
    assert len(names) == len(set(names)), "the last would win, with a warning"
    return {one["name"]: one["value"] for one in pod["containers"][0]["env"]}


def of_its_schema(one: Manifest) -> None:
    if one["apiVersion"].startswith("keda.sh/"):
        from cloudcoil.models.keda import v1alpha1 as keda  # where it is used: each process that collects tests would wait for it

        # Its models pass over what they do not know; then it would be missing here.
        model = getattr(keda, one["kind"]).model_validate(one)
        assert json.loads(model.model_dump_json(by_alias=True, exclude_unset=True)) == one
    else:
        for version in VERSIONS:
            kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.parametrize("values", [{}, EVERYTHING, BY_PROMETHEUS, LITTLE])
def test_what_is_rendered_is_of_kubernetes_and_keda(values: Manifest) -> None:
    manifests = rendered(values)
    for one in manifests:
        of_its_schema(one)
    kinds = {one["kind"] for one in manifests}
    assert ("ScaledObject" in kinds) == (values in (EVERYTHING, BY_PROMETHEUS))
    assert ("TriggerAuthentication" in kinds) == (values is EVERYTHING)
    assert ("Job" in kinds) == (values is not LITTLE)


def test_helm_has_nothing_to_complain_of() -> None:
    told = helm.lint(str(CHART), {})
    assert told["errors"] == []
    assert [one["error"] for one in told["messages"]] == ["icon is recommended"]


def test_the_chart_is_of_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == project


def test_the_schemas_find_planted_faults() -> None:
    manifests = rendered(EVERYTHING)
    service, scaled = named(manifests, "Service", "reprise"), named(manifests, "ScaledObject", "reprise-worker")
    service["spec"]["prots"] = []
    scaled["spec"]["maxReplicas"] = 2
    for one in (service, scaled):
        with pytest.raises((kubernetes_validate.ValidationError, AssertionError)):
            of_its_schema(one)


# What our processes read


@pytest.mark.parametrize(("values", "release"), [({}, "reprise"), (EVERYTHING, "reprise"), (LITTLE, "films")])
def test_processes_read_the_settings_that_their_pods_give(
    values: Manifest, release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the links of a Service called reprise beside them, too, which `enableServiceLinks: false` leaves out."""
    held = {
        "databaseUrl": "postgresql://reprise:hush@db.example/reprise",
        "storeUrl": "s3://KEY:hush@clips?endpoint=s3.example",
        "signingKeys": "hush-one,hush-two",
        "adminKey": "hush hush hush hush",
        "metricsToken": "hush hush hush more",
        "upstreamKey": "hush",
    }
    monkeypatch.chdir(tmp_path)
    for name, pod in pods(rendered(values, release)):
        with monkeypatch.context() as environment:
            (secrets,) = [volume["secret"]["items"] for volume in pod["volumes"] if volume["name"] == "secrets"]
            folder = tmp_path / name
            folder.mkdir()
            for item in secrets:
                (folder / item["path"]).write_text(held[item["path"]])
            for variable, value in {**LINKS, **variables(pod)}.items():
                environment.setenv(variable, value.replace("/run/secrets/reprise", str(folder)))
            settings = read_settings()
            assert {path.name for path in folder.iterdir()} == {
                Path(value).name for key, value in variables(pod).items() if key.endswith(FILE)
            }
        assert settings.database_url == "postgresql+psycopg://reprise:hush@db.example/reprise"
        assert settings.data_dir == Path("/data")
        if "migrate" in name:
            assert (settings.store_url, settings.admin_key) == ("", ""), "it gets no more than it needs"
            continue
        assert (settings.store_url, settings.signing_keys, settings.host) == (held["storeUrl"], ("hush-one", "hush-two"), "0.0.0.0")
        if values is EVERYTHING:
            assert (settings.max_wrong, settings.body_bytes, settings.allowed_hosts) == (0.01, 2_000_000, ("a.example", "b.example"))
        if name.endswith("-worker"):
            assert (settings.health_port, settings.admin_key, settings.stop_grace_seconds, settings.near) == (8000, "", 120, True)
            assert pod["terminationGracePeriodSeconds"] > settings.stop_grace_seconds + 8, "docs/operations.md says when a worker ends"
            assert settings.metrics_port == (9100 if values is EVERYTHING else 0)
        else:
            assert (settings.port, settings.admin_key) == (8000, held["adminKey"])
            assert settings.renderer == ("upstream" if values is LITTLE else "none")
            assert settings.near is (values is not EVERYTHING), "its own settings are over those of all, false ones too"


def test_values_are_refused_where_they_would_do_nothing_or_harm() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    secret = {name for name, field in Settings.model_fields.items() if not field.repr} | {"database_url", "store_url"}
    by_chart = {"data_dir", "host", "port", "health_port", "metrics_port", "stop_grace_seconds"}
    assert set(schema["$defs"]["settings"]["propertyNames"]["enum"]) == set(Settings.model_fields) - secret - by_chart
    keys = {
        re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", name)
        for name in schema["properties"]["secret"]["properties"]["keys"]["properties"]
    }
    assert keys == secret, "every secret can be given as a file"
    with helm.Chart.load(CHART) as chart:
        wrong: list[Manifest] = [
            {"settings": {"admin_key": "a secret in plain sight"}},
            {"settings": {"max_wrongs": 0.01}},
            {"gateway": {"replica": 3}},
            {"worker": {"gpus": "one"}},
        ]
        for values in wrong:
            with pytest.raises(helm.HelmError):
                chart.validate_schema(values)
        default = chart.values
    assert set(default) == set(schema["properties"]) - {"global"}, "every value is in values.yaml"
    assert default["secret"]["keys"].keys() == schema["properties"]["secret"]["properties"]["keys"]["properties"].keys()


# What our processes answer


async def test_probes_ask_for_what_is_answered() -> None:
    manifests = rendered(EVERYTHING)
    routes = {path for route in Health({}).routes() for path in route.paths}
    asked = {}
    for name in ("reprise", "reprise-worker"):
        (container,) = named(manifests, "Deployment", name)["spec"]["template"]["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        probes = [container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
        assert {ports[probe["port"]] for probe in probes} == {8000}
        asked[name] = {probe["path"] for probe in probes}
    assert asked["reprise"] == routes
    with asked_for_health(Health({}), Settings(health_port=free_port())) as port:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            assert {path: (await client.get(path)).status_code for path in asked["reprise-worker"]} == dict.fromkeys(routes, 200)


def test_what_selects_finds_its_pods_and_no_others() -> None:
    manifests = rendered(EVERYTHING)
    labels = {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"] for one in manifests if one["kind"] in {"Deployment", "Job"}
    }
    selectors = {
        "reprise": [
            named(manifests, "Service", "reprise")["spec"]["selector"],
            named(manifests, "PodDisruptionBudget", "reprise")["spec"]["selector"]["matchLabels"],
            named(manifests, "NetworkPolicy", "reprise-gateway")["spec"]["podSelector"]["matchLabels"],
            named(manifests, "Deployment", "reprise")["spec"]["selector"]["matchLabels"],
        ],
        "reprise-worker": [
            named(manifests, "NetworkPolicy", "reprise-worker")["spec"]["podSelector"]["matchLabels"],
            named(manifests, "Deployment", "reprise-worker")["spec"]["selector"]["matchLabels"],
        ],
    }
    for owner, found in selectors.items():
        for selector in found:
            assert [name for name, has in labels.items() if selector.items() <= has.items()] == [owner]
    for kind, target in (("HorizontalPodAutoscaler", "reprise"), ("ScaledObject", "reprise-worker")):
        assert named(manifests, kind, target)["spec"]["scaleTargetRef"]["name"] == target
        assert "replicas" not in named(manifests, "Deployment", target)["spec"], "who scales says how many"
    assert {named(rendered({}, "films"), "Service", "films-reprise")["metadata"]["name"]} == {"films-reprise"}


def test_pods_are_locked_up() -> None:
    for _, pod in pods(rendered(EVERYTHING)):
        assert (pod["enableServiceLinks"], pod["automountServiceAccountToken"]) == (False, False)
        assert pod["securityContext"]["runAsNonRoot"] is True
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
        mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert mounted.keys() >= {"/tmp", "/data", "/run/secrets/reprise"}
        assert set(mounted.values()) == {volume["name"] for volume in pod["volumes"]}


def test_a_gpu_is_asked_for_where_one_is_wanted() -> None:
    def limits(values: Manifest) -> Manifest:
        (container,) = named(rendered(values), "Deployment", "reprise-worker")["spec"]["template"]["spec"]["containers"]
        return cast(Manifest, container["resources"]["limits"])

    assert limits({})["nvidia.com/gpu"] == 1
    assert limits({})["memory"] == "48Gi"
    assert "nvidia.com/gpu" not in limits({"worker": {"gpus": 0}})


# What KEDA asks


async def test_the_queue_is_as_long_as_keda_finds_it(tmp_path: Path) -> None:
    """By the very query, over the very URL of the Secret, as its PostgreSQL scaler asks: one number."""
    manifests = rendered(EVERYTHING)
    (trigger,) = named(manifests, "ScaledObject", "reprise-worker")["spec"]["triggers"]
    (secret,) = named(manifests, "TriggerAuthentication", "reprise-queue")["spec"]["secretTargetRef"]
    assert (secret["parameter"], secret["key"]) == ("connection", "database-url")
    assert trigger["authenticationRef"]["name"] == "reprise-queue"
    async with postgres_url() as url:
        database = Database(url)
        stage = set_stage(database, tmp_path)

        def counted() -> int:
            with psycopg.connect(url.replace("+psycopg", "")) as connection:
                row = connection.execute(trigger["metadata"]["query"]).fetchone()
            assert row is not None and len(row) == 1
            return int(row[0])

        try:
            assert counted() == 0
            for number in range(3):
                await stage.job_for(seeded("a red ball", number))
            assert counted() == 3
            (leased,) = await stage.leases.lease("w", SERVED.revision)
            assert counted() == 3, "one that is being rendered still needs its worker"
            await stage.leases.finish(leased, made())
            assert counted() == 2
        finally:
            await database.close()
