"""YAML text to a graph of nodes, within bounds that hold whatever the text is.

Size, depth and the nodes that aliases stand for are counted on the stream of events, before anything is built of it.
"""

import math
import re
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import SafeConstructor
from yaml.reader import Reader

from collectors.regular_files import read_regular
from harness.errors import UserError

MOST_BYTES = 2**20
MOST_DEPTH = 50
MOST_NODES = 100_000
MOST_DIGITS = 100
"""Characters of a number or a date."""

MOST_CHARACTERS = 10_000
"""Of any text."""

MOST_INTEGER = 2**63 - 1

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

TAG = "tag:yaml.org,2002:"
SCALARS = {
    f"{TAG}bool": "true or false",
    f"{TAG}float": "number",
    f"{TAG}int": "integer",
    f"{TAG}timestamp": "date or time",
}
"""Tags whose texts may be unfit, and what they should be."""

ALLOWED = {*SCALARS, *(f"{TAG}{name}" for name in ("map", "merge", "null", "seq", "str"))}
SHOWN_CHARACTERS = 60


def root_node(path: Path) -> yaml.Node | None:
    """The node that a file of one YAML document holds, None where it is empty; every value in it can be built.

    Raises UserError with file and line where the file cannot be read, is no UTF-8, is not YAML, is beyond the bounds,
    names a key twice, or holds a tag or a value that no field has.
    """
    text = _text(path)
    try:
        _check_bounds(path, text)
        root: yaml.Node | None = Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{path}:{line}: not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path}:1: not valid YAML: {' '.join(str(error).split())}") from None
    if root is not None:
        _check_node(path, root, ())
    return root


def build(path: Path, root: yaml.Node | None) -> Any:
    """The value of a node that `root_node` gave.

    Raises UserError with file and line where a merge key names what cannot be merged.
    """
    if root is None:
        return None
    try:
        return SafeConstructor().construct_document(root)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{path}:{line}: not valid YAML: {error.problem}") from None


def value_of(where: str, text: str) -> Any:
    """The value that a text of YAML is, on its own and not in a file; `where` begins what is said of a mistake.

    Raises UserError where it is not YAML, or holds a tag or a value that no field has.
    """
    try:
        root: yaml.Node | None = Loader(text).get_single_node()
    except (yaml.YAMLError, ValueError, RecursionError):
        raise UserError(f"{where}: {short(text.strip())!r} is no value as YAML writes it") from None
    if root is None:
        return None
    _check_node(where, root, ())
    return SafeConstructor().construct_document(root)


def _text(path: Path) -> str:
    try:
        content = read_regular(path, MOST_BYTES)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(f"{path}:{line}: cannot be read: not UTF-8 ({error.reason}); save it as UTF-8") from None
    if found := Reader.NON_PRINTABLE.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise UserError(
            f"{path}:{line}: not valid YAML: the character U+{ord(found.group()):04X} is not allowed; save it as UTF-8"
        )
    return text


def _check_bounds(path: Path, text: str) -> None:
    """Count nodes and depth; an alias counts as all that its anchor holds."""
    anchors: dict[str, tuple[int, int]] = {}
    open_: list[_Counted] = [_Counted(None)]
    nodes = 1
    for event in yaml.parse(text, Loader=Loader):
        if isinstance(event, yaml.ScalarEvent):
            if event.anchor is not None:
                anchors[event.anchor] = 1, 0
            open_[-1].add(1, 0)
            nodes += 1
        elif isinstance(event, yaml.CollectionStartEvent):
            open_.append(_Counted(event.anchor))
            nodes += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            done = open_.pop()
            if done.anchor is not None:
                anchors[done.anchor] = done.nodes, done.height
            open_[-1].add(done.nodes, done.height)
        elif isinstance(event, yaml.AliasEvent):
            standing_for = anchors.get(event.anchor or "", (1, 0))
            open_[-1].add(*standing_for)
            nodes += standing_for[0]
        else:
            continue
        if len(open_) - 1 + open_[-1].height > MOST_DEPTH:
            raise UserError(
                f"{_at(path, event)}: nested more than {MOST_DEPTH} levels deep, which no file of scenarios/ needs"
            )
        if nodes > MOST_NODES:
            raise UserError(f"{_at(path, event)}: more than {MOST_NODES} values with those that aliases stand for")


def _at(place: Path | str, found: yaml.Event | yaml.Node) -> str:
    """The line of a file; a text on its own has none."""
    if isinstance(place, str):
        return place
    return f"{place}:{found.start_mark.line + 1 if found.start_mark else 1}"


class _Counted:
    """A list or mapping that is being read: the nodes in it, itself included, and the levels below it."""

    def __init__(self, anchor: str | None) -> None:
        self.anchor = anchor
        self.nodes = 1
        self.height = 0

    def add(self, nodes: int, height: int) -> None:
        """Count a node in it."""
        self.nodes += nodes
        self.height = max(self.height, height + 1)


def _check_node(path: Path | str, node: yaml.Node, around: tuple[yaml.Node, ...], name: str = "") -> None:
    """Raise UserError for what cannot be a value, of the field `name` where it is of one."""
    if node in around:
        raise UserError(f"{_at(path, node)}: not valid here: the anchor is used inside itself")
    if node.tag not in ALLOWED:
        tag = node.tag.replace(TAG, "!!")
        raise UserError(
            f"{_where(path, node, name)}: the tag {short(tag)} is not used here; write the value without a tag"
        )
    if isinstance(node, yaml.ScalarNode):
        if node.tag in SCALARS or len(node.value) > MOST_CHARACTERS:
            _check_scalar(_where(path, node, name), node)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, child in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise UserError(f"{_at(path, key)}: the name of a field must be plain text")
            if key.value in seen:
                raise UserError(f"{_at(path, key)}: {short(key.value)}: given twice, remove one")
            seen.add(key.value)
            _check_node(path, key, (*around, node))
            _check_node(path, child, (*around, node), key.value)
    else:
        for child in node.value:
            _check_node(path, child, (*around, node))


def _where(path: Path | str, node: yaml.Node, name: str) -> str:
    return f"{_at(path, node)}: {short(name)}" if name else _at(path, node)


def _check_scalar(where: str, node: yaml.ScalarNode) -> None:
    if len(node.value) > MOST_CHARACTERS:
        raise UserError(f"{where}: a text of {len(node.value)} characters, of which {MOST_CHARACTERS} are allowed")
    kind = SCALARS.get(node.tag)
    if kind is None:
        return
    if len(node.value) > MOST_DIGITS:
        raise UserError(f"{where}: no {kind} has {len(node.value)} characters: {short(node.value)}")
    try:
        value = SafeConstructor().construct_object(node)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise UserError(f"{where}: {short(node.value)} is no {kind}") from None
    if isinstance(value, int) and abs(value) > MOST_INTEGER:
        raise UserError(f"{where}: {short(node.value)} is beyond 64 bits")
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{where}: must be a finite number, not {node.value}")


def short(text: str) -> str:
    """A text of a file as a message shows it: on one line, cut where it is long."""
    line = re.sub(r"\s+", " ", text)
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}..."
