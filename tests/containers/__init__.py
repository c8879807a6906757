"""The images and compose.yaml, run for real: `make test-containers`. Not in the ordinary run: it needs podman, buildah and minutes."""
