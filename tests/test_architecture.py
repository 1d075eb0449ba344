"""The architecture, checked: who may import whom, what is pure, which doors there are, how long things may be.

LAYERS is the reading order: a module may import only from rows above its own, or from its own package. A module
that stands in no row fails, so the table never falls behind the code.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILE_LINES_MAX = 420
FUNCTION_LINES_MAX = 60

LAYERS: list[set[str]] = [
    {"events.outcome", "events.refusal", "events.ids", "events.retry", "events.when"},
    {"events.catalogue", "events.positions"},
    {"events.envelope", "events.codec", "events.breaker", "events.wording", "events.content"},
    {"events.shown", "events.news"},
    {"events.delivery", "events.application", "events.endpoint", "events.event_type", "events.admin"},
    {"events.message", "events.world"},
    {"events.append", "events.decide", "events.leaf"},
    {"events.fold", "events.past", "events.log", "events.merkle"},
    {"events.tile", "events.checkpoint", "events.answering", "events.cloudevent"},
    {"events.bodies", "events.rows", "events.session"},
    {"events.receipt", "events.postgres", "events.replay", "events.tlog"},
    {"events.views", "events.history", "events.log_views"},
    {"events.board_views", "events.as_of_views"},
    {
        "daemon.clock",
        "daemon.entropy",
        "daemon.naming",
        "daemon.lane",
        "daemon.payloads",
        "daemon.sealing",
        "daemon.signing",
    },
    {
        "daemon.throttle",
        "daemon.supervisor",
        "daemon.settings",
        "daemon.postgres",
        "daemon.transport",
        "daemon.signer",
    },
    {"daemon.target", "daemon.batch", "daemon.logs", "daemon.sharing"},
    {"daemon.decider", "daemon.alarms", "daemon.untried"},
    {"daemon.recorder"},
    {"daemon.expunging"},
    {"daemon.acting"},
    {"daemon.dispatcher", "daemon.ownership", "daemon.desk", "daemon.notary"},
    {"daemon.feeder", "daemon.following", "daemon.vitals", "daemon.retention"},
    {"daemon.handover", "daemon.hearing"},
    {"daemon.live"},
    {"daemon.metrics", "daemon.api"},
    {"daemon.audit"},
    {"daemon.storage"},
    {"daemon.assembly"},
    {"daemon.crew"},
    {"tui.lines", "tui.fields", "tui.frames", "tui.matching", "tui.curl", "tui.taste"},
    {"tui.standing"},
    {"tui.charts", "tui.wording", "tui.summary", "tui.sse", "tui.tally", "tui.client", "tui.themes", "tui.saving"},
    {"tui.board", "tui.pages", "tui.source", "tui.feed", "tui.widgets", "tui.journey"},
    {"tui.trust", "tui.gauges", "tui.recording", "tui.console", "tui.acts", "tui.story"},
    {"tui.tape"},
    {"tui.then", "tui.travel"},
    {"tui.screens"},
    {"tui.app", "tui.web"},
    {"daemon.cli"},
]
PURE = {
    "events.outcome", "events.refusal", "events.ids", "events.retry", "events.catalogue", "events.envelope",
    "events.codec", "events.breaker", "events.wording", "events.delivery", "events.application",
    "events.endpoint", "events.event_type", "events.admin", "events.message", "events.world", "events.append",
    "events.decide", "events.fold", "events.log", "events.leaf", "events.merkle", "events.tile", "events.checkpoint",
    "events.receipt", "events.content", "events.cloudevent", "events.when", "events.past",
    "events.positions", "events.shown", "events.news",
    "daemon.live.frames", "daemon.live.group", "daemon.live.tail", "daemon.live.tally",
    "daemon.lane", "daemon.payloads", "daemon.signing", "daemon.throttle", "daemon.target",
    "daemon.transport.destination", "daemon.transport.guard",
    "tui.lines", "tui.fields", "tui.frames", "tui.charts", "tui.matching", "tui.curl", "tui.wording", "tui.summary",
    "tui.sse", "tui.tally", "tui.board", "tui.pages", "tui.trust", "tui.gauges", "tui.acts", "tui.standing",
    "tui.journey", "tui.story",
}  # fmt: skip
IMPURE = {
    "asyncio", "aiohttp", "asyncpg", "structlog", "textual", "os", "socket", "time", "secrets", "subprocess",
    "pathlib", "ssl", "threading",
}  # fmt: skip
DOORS = {  # what may be named only in one place → where
    "asyncio.create_task": {"daemon.supervisor"},
    "asyncio.ensure_future": set(),
    "datetime.now": {"daemon.clock"},
    "os.environ": {"daemon.settings"},
    "os.getenv": set(),
    "create_connection": {"daemon.transport.dialer"},
    "ClientSession": {"tui.client"},
    "select log.append(": {"events.postgres"},
}


def modules() -> dict[str, Path]:
    found = {}
    for package in ("events", "daemon", "tui"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


MODULES = modules()
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}


def rank(module: str) -> int:
    for number, row in enumerate(LAYERS):
        if any(module == name or module.startswith(f"{name}.") for name in row):
            return number
    raise AssertionError(f"{module} stands in no layer: add it to LAYERS")


def row_name(module: str) -> str:
    return next(name for name in LAYERS[rank(module)] if module == name or module.startswith(f"{name}."))


def imports(module: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            named = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else str(node.module) for name in named}
    return found


CODE = [name for name in MODULES if name not in {"events", "daemon", "tui"}]


@pytest.mark.parametrize("module", CODE)
def test_imports_go_down_only(module: str) -> None:
    for name in imports(module) & MODULES.keys():
        if name in {"events", "daemon", "tui"} or row_name(name) == row_name(module):
            continue
        assert rank(name) < rank(module), f"{module} imports {name}, which stands in its own row or below"


@pytest.mark.parametrize("module", list(MODULES))
def test_packages_keep_to_themselves(module: str) -> None:
    package = module.partition(".")[0]
    others = {name.partition(".")[0] for name in imports(module)}
    forbidden = {"events": {"daemon", "tui"}, "daemon": {"tui"}, "tui": {"daemon"}}[package]
    if module == "daemon.cli.console":  # the one command that starts the console
        forbidden = set()
    assert not others & forbidden
    assert "tests" not in others
    assert "benchmarks" not in others


@pytest.mark.parametrize("module", sorted(PURE))
def test_pure_modules_import_no_io(module: str) -> None:
    named = imports(module)
    assert not {name.partition(".")[0] for name in named} & IMPURE
    assert not {name for name in named & MODULES.keys() if name not in PURE and name not in {"events", "daemon"}}


@pytest.mark.parametrize("door", list(DOORS))
def test_there_is_one_door_each(door: str) -> None:
    users = {module for module, path in MODULES.items() if door in _code(path)}
    assert users <= DOORS[door], f"{door} is for {DOORS[door] or 'nobody'}"


def _code(path: Path) -> str:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):  # documentation may name what code may not
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node
        ):
            node.body[0] = ast.Pass()
    return ast.unparse(tree)


@pytest.mark.parametrize("module", list(MODULES))
def test_files_and_functions_stay_small(module: str) -> None:
    text = MODULES[module].read_text()
    assert text.count("\n") <= FILE_LINES_MAX
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= FUNCTION_LINES_MAX, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("module", list(MODULES))
def test_every_module_says_what_it_is_for(module: str) -> None:
    assert ast.get_docstring(TREES[module])


def test_every_module_is_used() -> None:
    used = {name for module in MODULES for name in imports(module)}
    # The fold of a whole log is what the crash tests hold the tables against; auditing will build on it.
    entries = {"events", "daemon", "tui", "daemon.cli", "daemon.cli.__main__", "events.fold"}
    assert {name for name in MODULES if name not in used | entries} <= {
        name for name in MODULES if any(other.startswith(f"{name}.") for other in used)
    }


VERIFY_PARTS = {"bodies_check", "findings", "kept", "snapshot", "state_check", "tree_check"}
TESTED_TOGETHER = {  # parts of one thing, tested as that thing
    "tests/daemon/audit/test_verify.py": VERIFY_PARTS,
    "tests/daemon/audit/test_rebuild.py": {"shadow"},
}


def test_every_module_has_its_tests() -> None:
    tested = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    covered_elsewhere = {"__init__", "assembly", "log", "desk"}  # by tests/system, tests/contracts
    for path, parts in TESTED_TOGETHER.items():
        assert (ROOT / path).exists()
        covered_elsewhere |= parts
    missing = [
        module
        for module, path in MODULES.items()
        if path.stem not in covered_elsewhere
        and not module.startswith("daemon.cli")  # by tests/system, as processes
        and not module.startswith("daemon.postgres.")  # its small parts together, in test_parts.py
        and f"test_{path.stem}.py" not in tested
    ]
    assert missing == []
