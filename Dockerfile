# Three targets, e.g. `docker build --target gateway -t reprise:gateway .`
#   gateway  serves; renders nothing and holds no torch: its workers render elsewhere (REPRISE_RENDERER=none)
#   cpu      serves and renders, without a GPU
#   cuda     serves and renders on hosts with the NVIDIA container toolkit; the CUDA libraries come with PyTorch's wheels
# All run as user 10001 or as any other of group 0, from a read-only root: what they write goes under /data and /tmp.
# What others made lies in lower layers than our code, so a change of code sends a few MB.

FROM python:3.11-slim AS base
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 ORT_DISABLE_TELEMETRY=1 \
    PATH=/opt/reprise/.venv/bin:$PATH HOME=/tmp USER=reprise HF_HOME=/data/hub HF_HUB_DISABLE_TELEMETRY=1 \
    REPRISE_DATA_DIR=/data REPRISE_HOST=0.0.0.0 REPRISE_HEALTH_PORT=8000
WORKDIR /opt/reprise
RUN useradd --uid 10001 --gid 0 --no-create-home --home-dir /tmp reprise \
 && mkdir /data && chown 10001:0 /data && chmod 2770 /data \
 && python -m venv .venv
VOLUME /data
EXPOSE 8000
# A worker finishes what it renders, or hands it back: give it longer than REPRISE_STOP_GRACE_SECONDS before it is killed.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 CMD ["python", "-c", \
 "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('REPRISE_PORT', '8000') + '/health/ready', timeout=4)"]
ENTRYPOINT ["reprise"]
CMD ["serve"]
COPY pyproject.toml constraints.txt install.py ./

FROM base AS gateway-packages
RUN python install.py --torch none --only packages

FROM gateway-packages AS cpu-packages
RUN python install.py --torch cpu --only packages

# The encoder as it ships: made anew when the code that exports it changes.
FROM cpu-packages AS encoder
COPY cache/__init__.py cache/
COPY cache/matching/__init__.py cache/matching/
COPY cache/matching/encoding cache/matching/encoding
RUN python -m cache.matching.encoding.exported .venv/share/reprise/encoders

FROM scratch AS code
COPY README.md LICENSE NOTICE alembic.ini /
COPY cache /cache
COPY generator /generator
COPY gateway /gateway
COPY migrations /migrations

FROM gateway-packages AS gateway
ENV REPRISE_RENDERER=none
COPY --from=encoder /opt/reprise/.venv/share/reprise .venv/share/reprise
COPY --from=code / ./
RUN python install.py --only code
USER 10001

FROM cpu-packages AS cpu
COPY --from=encoder /opt/reprise/.venv/share/reprise .venv/share/reprise
COPY --from=code / ./
RUN python install.py --only code
USER 10001

# torch.compile: Triton compiles C, its part for the CPU C++, both against Python's headers, which the base image has.
FROM gateway-packages AS cuda-packages
RUN apt-get update && apt-get install -y --no-install-recommends g++ libc6-dev && rm -rf /var/lib/apt/lists/*
RUN python install.py --torch cuda --only packages

FROM cuda-packages AS cuda
COPY --from=encoder /opt/reprise/.venv/share/reprise .venv/share/reprise
COPY --from=code / ./
RUN python install.py --only code
USER 10001
