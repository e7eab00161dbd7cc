"""What is done to a chat template's syntax tree before it is compiled.

Jinja's sandbox guards attributes and calls at run time, but loops, ``~``, slices and written-out
lists compile to plain Python. So they are rewritten to calls of the sandbox:

    for x in items         for x in metered(items)        each turn is paid for
    a ~ b                  joined(a, b)                    a text of that length must fit
    a[1:]                  sliced(a, 1, none, none)        work is paid for
    [a, b] {a: b}          built([a, b])                   what is shared counts each time

Statements that read other files or hide loops (include, import, extends, block, recursive) are
refused when the template is read. ``{% generation %}`` marks what the assistant says; here it writes
``opened`` and ``closed`` of the sandbox around its body, which are empty unless someone wants to see them.
"""

from __future__ import annotations

from jinja2 import nodes
from jinja2.exceptions import TemplateSyntaxError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.visitor import NodeTransformer

_REFUSED = (
    nodes.Include,
    nodes.Import,
    nodes.FromImport,
    nodes.Extends,
    nodes.Block,
    nodes.ScopedEvalContextModifier,
)
_OPERATIONS = (nodes.Getattr, nodes.Getitem, nodes.Call, nodes.Filter, nodes.Test, nodes.BinExpr)


class Generation(Extension):
    """The block that marks what the assistant says, as Hugging Face templates write it."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Read the block: its body in a scope of its own, between two marks."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        marks = (nodes.Output([nodes.EnvironmentAttribute(end)]) for end in ("opened", "closed"))
        opened, closed = (mark.set_lineno(line) for mark in marks)
        return [opened, nodes.Scope(body).set_lineno(line), closed]


def has_marks(tree: nodes.Template) -> bool:
    """Say whether a parsed template holds ``{% generation %}``."""
    return any(node.name == "opened" for node in tree.find_all(nodes.EnvironmentAttribute))


def literals(tree: nodes.Template) -> list[str]:
    """Return every text that a parsed template can write of its own, before any rewriting."""
    texts = [node.data for node in tree.find_all(nodes.TemplateData)]
    return texts + [node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str)]


def rewrite_for_budget(tree: nodes.Template, tracing: bool) -> nodes.Template:
    """Return the tree with everything that repeats or grows turned into calls of the sandbox.

    ``tracing``: outermost loops also say which item's turn it is. Raises TemplateSyntaxError for a
    statement that a chat template may not use.
    """
    for node in tree.find_all(_REFUSED):
        word = type(node).__name__.lower()
        raise TemplateSyntaxError(f"{word} is not allowed in a chat template", node.lineno)
    for node in tree.find_all(nodes.For):
        if node.recursive:
            raise TemplateSyntaxError("recursive loops are not allowed in a chat template", node.lineno)
    return _Rewriter(tracing).visit(tree)


def _call(name: str, *args: nodes.Expr) -> nodes.Call:
    call = nodes.Call(nodes.EnvironmentAttribute(name), list(args), [], None, None)
    return call.set_lineno(args[0].lineno)


class _Rewriter(NodeTransformer):
    def __init__(self, tracing: bool) -> None:
        self._tracing, self._depth = tracing, 0

    def visit_For(self, node: nodes.For) -> list[nodes.Node] | nodes.For:
        self._depth += 1
        node = self.generic_visit(node)
        self._depth -= 1
        node.iter = _call("metered", node.iter)
        if not self._tracing or self._depth or not isinstance(node.target, nodes.Name):
            return node
        here = _call("at", nodes.Name(node.target.name, "load", lineno=node.lineno))
        gone = _call("at", nodes.Const(None, lineno=node.lineno))
        node.body.insert(0, nodes.Output([here]).set_lineno(node.lineno))
        return [node, nodes.Output([gone]).set_lineno(node.lineno)]

    def visit_Concat(self, node: nodes.Concat) -> nodes.Call:
        return _call("joined", *self.generic_visit(node).nodes)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Expr:
        node = self.generic_visit(node)
        if not isinstance(node.arg, nodes.Slice):
            return node
        none = nodes.Const(None, lineno=node.lineno)
        part = node.arg
        return _call("sliced", node.node, part.start or none, part.stop or none, part.step or none)

    def _build(self, node: nodes.Expr) -> nodes.Expr:
        node = self.generic_visit(node)
        fixed = getattr(node, "ctx", "load") == "store" or not any(
            isinstance(inner, (nodes.Name, *_OPERATIONS)) for inner in node.find_all(nodes.Expr)
        )
        return node if fixed else _call("built", node)

    visit_List = visit_Tuple = visit_Dict = _build
