"""The reason codes that stand in source code, found without running it."""

import ast
import re

CODE = re.compile(r"[a-z][a-z0-9]*\.[a-z][a-z_]*")


def codes_in(path):
    """Texts like ``json.invalid`` in a module, but for names of modules that it imports."""
    tree = ast.parse(path.read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    imported = {id(part) for call in calls if _imports(call) for part in call.args}
    texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in imported)
    return {node.value for node in texts if isinstance(node.value, str) and CODE.fullmatch(node.value)}


def _imports(call):
    return isinstance(call.func, ast.Attribute) and call.func.attr == "import_module"
