"""The house rules, as tests: who may import whom, one door per heavy library, small files, plain words, true docs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cache.settings import PREFIX, Settings

ROOT = Path(__file__).parent.parent
LAYERS = ("gateway", "generator", "cache")  # each may import itself and those to its right

# Training and export scripts run at set-up or by hand; no run-time module may import them.
SCRIPTS = ("generator/demo/", "cache/matching/encoding/export.py", "cache/matching/training/")
LIGHT = tuple(f"generator/demo/{name}.py" for name in ("world", "words", "scenes", "__init__"))

# Where each heavy library may be imported.
DOORS: dict[str, tuple[str, ...]] = {
    "litestar": ("gateway/",),
    "msgspec": ("gateway/http/wire.py", "gateway/http/shapes.py", "cache/matching/vectors/snapshot.py"),
    "jinja2": ("gateway/",),
    "click": ("gateway/",),
    "sqlalchemy": (
        "cache/storage/",
        "generator/queueing/",
        "generator/working/memory_peaks.py",
        "migrations/",
    ),
    "alembic": ("migrations/",),
    "minio": ("cache/storage/bytes/objects.py", "cache/storage/bytes/s3.py"),
    "urllib3": ("cache/storage/bytes/objects.py", "cache/storage/bytes/s3.py"),
    "faiss": ("cache/matching/vectors/graph.py",),
    "onnxruntime": ("cache/matching/encoding/onnx_model.py",),
    "tokenizers": ("cache/matching/encoding/onnx_model.py",),
    "torch": ("generator/diffusion/",),
    "diffusers": ("generator/diffusion/",),
    "transformers": ("generator/diffusion/",),
    "sentence_transformers": (),
    "av": ("generator/film.py",),
    "PIL": ("generator/film.py",),
    "httpx": ("generator/outbound.py", "gateway/commands/running.py"),
    "huggingface_hub": ("generator/model.py",),
    "procrastinate": ("generator/queueing/procrastinate_dispatch.py",),
    "prometheus_client": ("gateway/observed/metrics.py",),
    "opentelemetry": ("gateway/observed/tracing.py",),
}

UNSUPPORTED_PATHS = {
    "/v1/videos/edits",
    "/v1/videos/extensions",
    "/v1/videos/characters",
    "/v1/videos/characters/{id}",
    "/v1/videos/{id}/remix",
}

LONGER = {"cache/storage/tables.py": 400, "gateway/http/wire.py": 400}
FORBIDDEN = set(
    re.findall(r"\w+", "manager handler helper util utils common service engine data info item process context wrapper strategy factory")
)


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def is_script(name: str) -> bool:
    return name.startswith(SCRIPTS) and name not in LIGHT


def words_of(name: str) -> set[str]:
    """of RenderTimes or render_times: render, times"""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def faults(layer: str, path: Path) -> Iterator[str]:
    name = name_of(path)
    for module in imported(path):
        root = module.split(".")[0]
        if root in LAYERS[: LAYERS.index(layer)]:
            yield f"{name} imports {module}, which is above it"
        if root in DOORS and not is_script(name) and not name.startswith(DOORS[root] or ("-",)):
            yield f"{name} imports {module} past its door"
        if not is_script(name) and is_script(source_of(module)):
            yield f"{name} imports the script {module}"


def source_of(module: str) -> str:
    """The file of a dotted name; of a name inside a module, that module's."""
    path = module.replace(".", "/")
    for candidate in (f"{path}.py", f"{path}/__init__.py", f"{path.rpartition('/')[0]}.py"):
        if (ROOT / candidate).is_file():
            return candidate
    return path


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_point_downwards_and_go_through_the_doors(layer: str) -> None:
    assert [fault for path in sources(layer) for fault in faults(layer, path)] == []


def test_the_rule_finds_planted_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.test_house.ROOT", tmp_path)
    (tmp_path / "cache").mkdir()
    planted = tmp_path / "cache" / "bad.py"
    (tmp_path / "cache" / "matching" / "encoding").mkdir(parents=True)
    (tmp_path / "cache" / "matching" / "encoding" / "export.py").touch()
    planted.write_text("import torch\nfrom gateway.app import create_app\nfrom cache.matching.encoding.export import main\n")
    found = " ".join(faults("cache", planted))
    assert "past its door" in found
    assert "above it" in found
    assert "the script" in found


def test_files_are_short() -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in sources(*LAYERS, "migrations")}
    limit = {name: LONGER.get(name, 300) for name in lengths}
    assert {name: length for name, length in lengths.items() if length > limit[name] and "/versions/" not in name} == {}


def test_names_are_nouns_of_the_field() -> None:
    named = []
    for path in sources(*LAYERS):
        named += [(name_of(path), path.stem)]
        named += [(name_of(path), node.name) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]
    assert [(where, name) for where, name in named if FORBIDDEN & words_of(name)] == []


def test_a_gateway_starts_light() -> None:
    heavy = {"torch", "diffusers", "transformers", "sentence_transformers", "faiss", "onnxruntime", "av", "scipy", "sklearn"}
    code = f"import sys, gateway.app; print(sorted({heavy!r} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert loaded.strip() == "[]"


def test_the_settings_table_is_what_the_command_prints() -> None:
    table = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "settings", "--markdown"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    readme = (ROOT / "README.md").read_text()
    assert readme.split("<!-- settings -->\n")[1].split("<!-- /settings -->")[0] == table
    assert {name for name, field in Settings.model_fields.items() if not field.description} == set()


def test_every_route_is_documented() -> None:
    code = "import sys; from gateway.app import create_app; from cache.settings import Settings\n" \
        "for route in create_app(Settings(data_dir=sys.argv[1])).routes: print(route.path)"  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        printed = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    named = {re.sub(r"\{(\w+):\w+\}", "{id}", path) for path in printed.split()}
    readme = (ROOT / "README.md").read_text()
    told = {path for path in named if path.startswith(("/v1", "/health")) and path not in UNSUPPORTED_PATHS}
    assert {path for path in told if path not in readme and path.rsplit("/", 1)[0] not in readme} == set()
    assert len(told) >= 8


def test_every_setting_named_in_the_documents_exists() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    documents = [ROOT / "README.md", ROOT / "compose.yaml", ROOT / "Makefile", *sorted((ROOT / "docs").glob("*.md"))]
    documents.remove(ROOT / "docs" / "design.md")  # it also says what is to come
    named = {word for path in documents if path.exists() for word in re.findall(r"REPRISE_[A-Z_]*[A-Z]", path.read_text())}
    assert named - known == set()


def test_the_layout_in_the_design_is_the_one_there_is() -> None:
    tables = re.findall(r"\| (\w+)/ \| purpose \|\n(.*?)\n\n", (ROOT / "docs" / "design.md").read_text(), re.DOTALL)
    named = set()
    for layer, rows in tables:
        for cell in re.findall(r"^\| ([^|]+) \|", rows, re.MULTILINE):
            first, *others = cell.strip("*").split(", ")
            folder = ROOT / layer / Path(first).parent
            named |= {ROOT / layer / first, *(folder / other for other in others)}
    assert [name_of(path) for path in sorted(named) if not path.exists()] == []
    rooms = {path.parent for path in sources(*LAYERS) if path.name == "__init__.py"}
    assert {name_of(room) for room in rooms - named - {ROOT / layer for layer in LAYERS}} == set()


def test_constraints_pin_every_version() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line)] == []
