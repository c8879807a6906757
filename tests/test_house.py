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
from gateway.settings_sources import CONFIG, FILE

ROOT = Path(__file__).parent.parent
LAYERS = ("gateway", "generator", "cache")  # each may import itself and those to its right

# Within gateway/: the answer to a request knows no HTTP; what runs beside it may use it; all else is the edge and may use both.
FLOORS = {"gateway.answering": {"gateway.answering"}, "gateway.precompute": {"gateway.answering", "gateway.precompute"},
          "gateway.upkeep": {"gateway.answering", "gateway.upkeep"}}  # fmt: skip

# Training and export scripts run at set-up or by hand; no run-time module may import them.
SCRIPTS = ("cache/matching/encoding/export.py", "training/")

# Where each heavy library may be imported.
DOORS: dict[str, tuple[str, ...]] = {
    "litestar": ("gateway/",),
    "msgspec": (
        "gateway/http/wire.py",
        "gateway/http/shapes.py",
        "gateway/http/detail_shapes.py",
        "gateway/http/server_shapes.py",
        "gateway/http/user_shapes.py",
        "gateway/http/texts.py",
        "cache/matching/vectors/snapshot.py",
    ),
    "jinja2": ("gateway/",),
    "click": ("gateway/",),
    "sqlalchemy": (
        "cache/storage/",
        "generator/queue/",
        "generator/worker/memory_peaks.py",
        "migrations/",
    ),
    "alembic": ("migrations/",),
    "minio": ("cache/storage/bytes/objects.py", "cache/storage/bytes/s3.py"),
    "urllib3": ("cache/storage/bytes/objects.py", "cache/storage/bytes/s3.py"),
    "faiss": ("cache/matching/vectors/graph.py",),
    "onnxruntime": ("cache/matching/encoding/onnx_model.py",),
    "tokenizers": ("cache/matching/encoding/onnx_model.py",),
    "emoji": ("cache/matching/reading/pictures.py",),
    "opencc": ("cache/matching/reading/chinese.py",),
    "rjieba": ("cache/matching/rules/chinese/segments.py",),
    "spellchecker": ("cache/matching/reading/vocabulary.py",),
    "torch": ("generator/diffusion/",),
    "diffusers": ("generator/diffusion/",),
    "transformers": ("generator/diffusion/",),
    "sentence_transformers": (),
    "av": ("generator/video_encoding.py",),
    "PIL": ("generator/video_encoding.py", "cache/picture.py"),
    "httpx": ("generator/outbound.py", "gateway/commands/running.py", "gateway/webhooks/calls.py"),
    "standardwebhooks": ("gateway/webhooks/signing.py",),
    "huggingface_hub": ("generator/hub.py",),
    "procrastinate": ("generator/queue/procrastinate_dispatch.py",),
    "prometheus_client": ("gateway/telemetry/metrics.py",),
    "opentelemetry": ("gateway/telemetry/tracing.py",),
}

UNSUPPORTED_PATHS = {
    "/v1/videos/edits",
    "/v1/videos/extensions",
    "/v1/videos/characters",
    "/v1/videos/characters/{id}",
    "/v1/videos/{id}/remix",
}

FORBIDDEN = set(
    re.findall(r"\w+", "manager handler helper util utils common service engine data info item process context wrapper strategy factory")
)


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def is_script(name: str) -> bool:
    return name.startswith(SCRIPTS)


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
        room = ".".join(name.split("/")[:2])
        if root == "gateway" and room in FLOORS and not module.startswith(tuple(FLOORS[room])):
            yield f"{name} imports {module}, which lies on a floor above it"
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
    (tmp_path / "gateway" / "answering").mkdir(parents=True)
    climbing = tmp_path / "gateway" / "answering" / "bad.py"
    climbing.write_text("from gateway.answering.ask import Caller\nfrom gateway.http.reply import Reply\n")
    assert len(list(faults("gateway", climbing))) == 2
    assert all("gateway.http.reply" in fault for fault in faults("gateway", climbing))
    found = " ".join(faults("cache", planted))
    assert "past its door" in found
    assert "above it" in found
    assert "the script" in found


def test_files_are_short() -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in sources(*LAYERS, "migrations")}
    assert {name: length for name, length in lengths.items() if length > 300 and "/versions/" not in name} == {}


def test_names_are_nouns_of_the_field() -> None:
    named = []
    for path in sources(*LAYERS):
        named += [(name_of(path), path.stem)]
        named += [(name_of(path), node.name) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]
    assert [(where, name) for where, name in named if FORBIDDEN & words_of(name)] == []


def test_docstrings_name_the_thing_first() -> None:
    """A noun or a verb, not a question that the reader has to turn round."""
    question = re.compile(r"(What|Who|Whom|Whose|Whether|Of|Which|How|Where|When|Why)\b")
    found = []
    for path in sources(*LAYERS, "training"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                told = ast.get_docstring(node)
                found += [f"{name_of(path)}: {told.splitlines()[0]}"] if told and question.match(told) else []
    assert found == []


def test_a_public_name_stands_once() -> None:
    """One word, one meaning: classes, functions, type aliases and type variables of run-time modules."""
    places: dict[str, list[str]] = {}
    for path in sources(*LAYERS):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                named = [] if node.name.startswith("_") else [node.name]
            elif isinstance(node, ast.Assign):
                named = [
                    target.id for target in node.targets if isinstance(target, ast.Name) and re.fullmatch(r"[A-Z]\w*[a-z]\w*", target.id)
                ]
            else:
                continue
            for name in named:
                places.setdefault(name, []).append(name_of(path))
    assert {name: where for name, where in places.items() if len(where) > 1 and len(name) > 1} == {}


def test_the_answer_knows_no_http() -> None:
    modules = [name_of(path)[:-3].replace("/", ".") for room in FLOORS for path in sources(room.replace(".", "/"))]
    code = f"import sys, importlib; [importlib.import_module(name) for name in {modules!r}]; print('litestar' in sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert loaded.strip() == "False"


def test_a_gateway_starts_light() -> None:
    heavy = {"torch", "diffusers", "transformers", "sentence_transformers", "faiss", "onnxruntime", "av", "scipy", "sklearn"}
    code = f"import sys, gateway.app; print(sorted({heavy!r} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert loaded.strip() == "[]"


def test_the_settings_tables_are_what_the_command_prints() -> None:
    def printed(*more: str) -> str:
        command = [sys.executable, "-m", "gateway.cli", "settings", "--markdown", *more]
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout

    readme = (ROOT / "README.md").read_text()
    assert readme.split("<!-- settings -->\n")[1].split("<!-- /settings -->")[0] == printed("--common")
    whole = printed()
    assert (ROOT / "docs" / "settings.md").read_text() == whole
    rows = re.findall(rf"^\| `{PREFIX}(\w+)` \|", whole, re.MULTILINE)
    assert rows == [name.upper() for name in Settings.model_fields], "each once, and in a group"
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
    """In code, templates and comments, too: whoever reads a name will set it."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {CONFIG, "REPRISE_SERVICE_HOST"}
    named: dict[str, set[str]] = {}
    for path in [*documents(), *sources(*LAYERS), *(ROOT / "gateway").rglob("*.html")]:
        for word in re.findall(r"REPRISE_[A-Z_]*[A-Z]\b", path.read_text()):
            named.setdefault(word, set()).add(name_of(path))
    assert {word: places for word, places in named.items() if word.removesuffix(FILE) not in known} == {}


def documents() -> list[Path]:
    tops = ("README.md", "CHANGELOG.md", "compose.yaml", "Dockerfile", "Makefile", "generator/demo/README.md")
    return [*(ROOT / name for name in tops), *sorted((ROOT / "docs").rglob("*.md"))]


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
