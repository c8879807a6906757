"""nginx with deploy/nginx.conf by itself, before gateways whose addresses change each second (changing.py)."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tests.containers.faults import say
from tests.containers.stack import ROOT, engine

IMAGE = "docker.io/library/nginx:1.28-alpine"  # as in compose.yaml
POSTS = 500
INSIDE = "/changing.py"


def changing_gateways() -> None:
    """No post fails that no gateway was sent, and none is sent twice, also where its gateway broke it off."""
    gateways, proxy = "reprise-try-changing", "reprise-try-changing-proxy"
    with tempfile.TemporaryDirectory() as folder:
        names = Path(folder, "resolv.conf")
        names.write_text("nameserver 127.0.0.10\n", encoding="ascii")
        mounts = {
            names: "/etc/resolv.conf",
            ROOT / "deploy/nginx.conf": "/etc/nginx/templates/default.conf.template",
            ROOT / "deploy/first_resolver.envsh": "/docker-entrypoint.d/16-first-resolver.envsh",
        }
        volumes = [f"--volume={here}:{there}:ro" for here, there in mounts.items()]
        script = f"--volume={Path(__file__).with_name('changing.py')}:{INSIDE}:ro"
        try:
            engine("run", "-d", "--name", gateways, "--network", "none", "--user", "0", script, "--entrypoint", "python",
                   "reprise:gateway", INSIDE, str(POSTS))  # fmt: skip
            engine(
                "run",
                "-d",
                "--name",
                proxy,
                "--network",
                f"container:{gateways}",
                *volumes,
                "-e",
                "NGINX_ENTRYPOINT_LOCAL_RESOLVERS=1",
                IMAGE,
            )
            engine("wait", gateways)
            told, log = engine("logs", gateways), engine("logs", proxy)
        finally:
            for name in (proxy, gateways):  # the second is the first's network
                engine("rm", "-f", "-v", name, check=False)
    seen = json.loads(told.splitlines()[-1])
    causes = {cause: log.count(cause) for cause in ("timed out", "Connection refused", "no live upstreams", "prematurely closed")}
    say(f"nginx before addresses that change each second: posts {seen['answers']}; of gateways that broke off {seen['broken']}; "
        f"posts by how often a gateway had them {seen['times seen']}; its log {causes}")  # fmt: skip
    assert seen["answers"] == {"200": POSTS}, told
    assert set(seen["broken"]) == {"502"}, told
    assert set(seen["times seen"]) == {"1"}, told
    assert causes["timed out"] and causes["no live upstreams"], log[-4000:]
