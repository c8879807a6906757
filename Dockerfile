# Two targets: `docker build --target cpu -t reprise:cpu .` and `--target cuda` (for hosts with the NVIDIA container toolkit;
# the CUDA libraries come with PyTorch's wheels). Both run as user 10001 and keep everything under /data.

FROM python:3.11-slim AS base
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /opt/reprise
RUN useradd --uid 10001 --create-home --home-dir /home/reprise reprise \
 && mkdir /data && chown reprise:reprise /data \
 && python -m venv .venv
COPY pyproject.toml constraints.txt install.py README.md LICENSE NOTICE alembic.ini ./
COPY cache cache
COPY generator generator
COPY gateway gateway
COPY migrations migrations

FROM base AS cpu-installed
RUN .venv/bin/python install.py --torch cpu && .venv/bin/reprise prepare

FROM base AS cuda-installed
RUN .venv/bin/python install.py --torch cuda && .venv/bin/reprise prepare

FROM cuda-installed AS cuda
ENV PATH=/opt/reprise/.venv/bin:$PATH REPRISE_DATA_DIR=/data REPRISE_HOST=0.0.0.0 HF_HOME=/data/hub
VOLUME /data
USER 10001
EXPOSE 8000
# Workers finish or hand back what they render; give them longer than REPRISE_STOP_GRACE.
STOPSIGNAL SIGTERM
ENTRYPOINT ["reprise"]
CMD ["serve"]

FROM cpu-installed AS cpu
ENV PATH=/opt/reprise/.venv/bin:$PATH REPRISE_DATA_DIR=/data REPRISE_HOST=0.0.0.0 HF_HOME=/data/hub
VOLUME /data
USER 10001
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["reprise"]
CMD ["serve"]
