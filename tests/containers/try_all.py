"""Builds the images, runs one by itself, then compose.yaml's stack: makes its parts hang, go away and refuse writes (faults.py), kills and
starts each under load, rolls the gateways, asks the doctor.

    python -m tests.containers.try_all [--no-build] [--keep] [--cuda]

`--cuda` builds the target of several GB, too, and makes a clip in it by compiled code, on the CPU: that needs a compiler as Triton does.
Every line says what was seen; the first that is not as promised ends it.
"""

from __future__ import annotations

import sys
import time

import httpx

from tests.containers.faults import all_faults, completed, say
from tests.containers.load import Load
from tests.containers.proxy import changing_gateways
from tests.containers.stack import Stack, build, engine, wait_for

ANY_USER = "123456:0"
NO_GROUP = "123456:123456"  # whom the folders of the image are closed to
LOCKED = ("--read-only", "--tmpfs", "/tmp:noexec", "--cap-drop=ALL", "--security-opt", "no-new-privileges", "--user", ANY_USER)
PORT, ALONE = 8131, 8132
KEY = "a-key-for-containers-alone"


def post(client: httpx.Client, prompt: str) -> str:
    answer = client.post("/v1/videos", json={"prompt": prompt, "quality": "draft"}, headers={"Prefer": "wait=60"}, timeout=90)
    assert answer.status_code == 200, answer.text
    completed(client, answer.json()["id"])
    body = client.get(f"/v1/videos/{answer.json()['id']}").json()
    assert body["status"] == "completed", body
    content = client.get(f"/v1/videos/{body['id']}/content")
    assert content.content[4:8] == b"ftyp", content.status_code
    return str(body["reprise"]["verdict"])


def miss_hit_and_near_hit(client: httpx.Client) -> str:
    seen = [post(client, prompt) for prompt in ("a red ball bounces", "a red ball bounces", "the red ball is bouncing")]
    assert seen == ["miss", "exact", "near"], seen
    return ", ".join(seen)


def alone() -> None:
    """The image by itself: nobody's user, nothing to write but /data and /tmp."""
    name = "reprise-try-alone"
    flags = ("-d", "--name", name, *LOCKED, "-p", f"127.0.0.1:{ALONE}:8000", "-e", f"REPRISE_ADMIN_KEY={KEY}")
    engine("run", *flags, "reprise:cpu")
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{ALONE}", headers={"Authorization": f"Bearer {KEY}"}) as client:
            wait_for("it to be ready", lambda: parts_ready(client))
            say(f"reprise:cpu as {ANY_USER}, read-only root, no capabilities: {miss_hit_and_near_hit(client)}")
        told = engine("exec", name, "reprise", "settings")
        assert "REPRISE_DATA_DIR = /data" in told, told
    finally:
        engine("rm", "-f", "-v", name)
    refused = ("--rm", *LOCKED, "--user", NO_GROUP, "-e", f"REPRISE_ADMIN_KEY={KEY}")
    told = engine("run", *refused, "reprise:cpu", check=False)
    assert len(told.splitlines()) == 1, told
    assert "REPRISE_DATA_DIR" in told, told
    say(f"as {NO_GROUP}, who may not write /data, one line: {told!r}")


def compiled() -> None:
    """The image for CUDA without a GPU, as somebody who may write little; nothing can be run from /tmp, as is docker's way.

    What torch compiles has to lie under /data then.
    """
    name = "reprise-try-cuda"
    flags = ("-d", "--name", name, *LOCKED, "-p", f"127.0.0.1:{ALONE}:8000", "-e", f"REPRISE_ADMIN_KEY={KEY}")
    engine("run", *flags, "-e", 'REPRISE_SPEED={"compile": "static", "vae_norm_fusion": "on"}', "reprise:cuda")
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{ALONE}", headers={"Authorization": f"Bearer {KEY}"}) as client:
            wait_for("it to be ready", lambda: parts_ready(client))
            verdict = post(client, "a red ball bounces")
        log = engine("logs", name)
        assert "not compiled" not in log, log[-4000:]
        kept = engine("exec", name, "sh", "-c", "ls -R /data/*/compiled* /data/compiled* 2>/dev/null | grep -c '[.]so$'", check=False)
        say(f"reprise:cuda without a GPU: {verdict}, by compiled code ({kept} libraries kept under /data); {greeting(log)}")
    finally:
        engine("rm", "-f", "-v", name)


def greeting(log: str) -> str:
    return " / ".join(line for line in log.splitlines() if line and not line.startswith("{"))


def parts_ready(client: httpx.Client) -> bool:
    try:
        return all(part["ready"] for part in client.get("/health/ready").json()["parts"].values())
    except (httpx.HTTPError, ValueError):
        return False


def killed(stack: Stack) -> None:
    with Load(stack.url, stack.key, rate=2.0, patient=True) as load:
        time.sleep(5)
        for service in ("worker-cpu", "s3", "postgres", "gateway"):
            for name in stack.names(service):
                engine("kill", name)
                time.sleep(2)
                engine("start", name)
                say(f"killed and started {name}: its own check was good again after {stack.wait(service):.0f} s")
                time.sleep(5)
    say(f"killed each part under load: posts {dict(load.codes)}; {len(load.ids)} ids")
    ended = load.ended()
    say(f"  all that was asked ended as {dict(ended)}")
    assert set(ended) == {"completed"}, stack.logs("gateway")[-4000:]


def rolled(stack: Stack) -> None:
    with Load(stack.url, stack.key, seed=2) as load:
        time.sleep(5)
        for name in stack.names("gateway"):
            was = stack.address(name)
            engine("stop", "-t", "30", name)
            engine("rm", name)
            others = stack.names("gateway")
            stack.up("gateway")
            stack.wait("gateway")
            (made,) = set(stack.names("gateway")) - set(others)  # docker compose goes on counting
            say(f"made {name} ({was}) anew: {made} ({stack.address(made)})")
            time.sleep(5)
    failed = sum(count for code, count in load.codes.items() if code != "200")
    say(f"rolled the gateways: {failed} of {load.codes.total()} posts failed; {dict(load.codes)}")
    assert failed == 0, stack.logs("proxy")[-4000:]
    ended = load.ended()
    say(f"  all that was asked ended as {dict(ended)}")
    assert set(ended) == {"completed"}, ended


def main() -> None:
    if "--no-build" not in sys.argv:
        say(build("gateway"))
        say(build("cpu"))
    alone()
    if "--cuda" in sys.argv:
        if "--no-build" not in sys.argv:
            say(build("cuda"))
        compiled()
    changing_gateways()
    stack = Stack(PORT)
    try:
        stack.start()
        with httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {stack.key}"}) as client:
            wait_for("every part", lambda: parts_ready(client))
            say("compose.yaml: two gateways, a worker, PostgreSQL, SeaweedFS and nginx are up")
            say(f"through nginx: {miss_hit_and_near_hit(client)}")
            all_faults(stack, client)
        killed(stack)
        rolled(stack)
        say(f"doctor: {stack.reprise('doctor')}")
    finally:
        if "--keep" not in sys.argv:
            stack.close()
    say("all as promised")


if __name__ == "__main__":
    main()
