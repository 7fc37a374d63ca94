"""No template lets a value become markup, whichever value it is and wherever it is written."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError, meta, nodes

from unlearn.report import html as report
from unlearn.templates import Templates
from unlearn.ui.html import templates as page

#: Out of an attribute in either kind of quotes, out of an element, and a handler where quotes are missing.
EVIL = "\"'><script>alert(1)</script><style> onload=alert(1) "
#: Filters that need more than a word, ours and Jinja's; what they give is hostile too.
WRITTEN = ("colour", "count_in_words", "data_uri", "percent", "tenths", "format", "sum", "first", "list", "urlencode")
TEMPLATES = {
    path: environment
    for environment, module in ((page._templates, page), (report._templates, report))
    for path in sorted(Path(module.__file__).parent.glob("*.html.j2"))
}


class Hostile(str):
    """A value that is markup itself, and so is all that is in it and all that can be asked of it."""

    __slots__ = ("holds",)

    def __new__(cls, *, holds: bool = True) -> Hostile:
        value = super().__new__(cls, EVIL)
        value.holds = holds
        return value

    def __getattribute__(self, name: str) -> Any:
        return object.__getattribute__(self, name) if name.startswith("__") or name == "holds" else self

    def __call__(self, *_: object, **__: object) -> Hostile:
        return self

    def __getitem__(self, _: object) -> Hostile:
        return self

    def __iter__(self) -> Iterator[Hostile]:
        return iter((self, self)) if self.holds else iter(())

    def __bool__(self) -> bool:
        return self.holds

    def __len__(self) -> int:
        return 2 if self.holds else 0

    def __lt__(self, _: object) -> bool:
        return self.holds

    __gt__ = __lt__

    def __format__(self, _: str) -> str:
        return EVIL

    def __add__(self, _: object) -> Hostile:
        return self

    __radd__ = __sub__ = __rsub__ = __truediv__ = __add__


class Reader(HTMLParser):
    """Collects the elements and attributes that a browser would see, and the text outside of style sheets."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [name for name, _ in attrs]


@pytest.fixture(params=TEMPLATES, ids=lambda path: f"{path.parent.name}/{path.name}")
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


def rendered(path: Path, *, holds: bool, among: bool) -> str:
    """A template and its macros with nothing but hostile values; what it asks of them ``holds``, or does not."""
    ours, value = TEMPLATES[path], Hostile(holds=holds)
    environment = Templates(path.parent)
    environment.filters = ours.filters | {name: lambda *_, **__: value for name in WRITTEN if name in ours.filters}
    environment.tests = ours.tests | {name: lambda *_: among for name in ("among", "nan", "none")}
    tree = environment.parse(path.read_text(encoding="utf-8"))
    beside = (environment.parse(other.read_text(encoding="utf-8")) for other in path.parent.glob("*.html.j2"))
    names = set[str]().union(*map(meta.find_undeclared_variables, beside))  # a template may include another
    values = dict.fromkeys(names, value)
    text = environment.get_template(path.name).render(values)
    exported = environment.get_template(path.name).make_module(values)
    for macro in tree.find_all(nodes.Macro):
        text += str(getattr(exported, macro.name)(*[value] * len(macro.args)))
    return text


@pytest.mark.parametrize("among", [True, False])
@pytest.mark.parametrize("holds", [True, False])
def test_a_value_is_text_in_every_place_of_every_template(path: Path, holds: bool, among: bool):
    source, text = path.read_text(encoding="utf-8"), rendered(path, holds=holds, among=among)
    read = Reader(text)
    assert "script" not in read.elements
    assert read.elements.count("style") == source.count("<style>")
    assert not [name for name in read.attributes if name.startswith("on") or not name.replace("-", "").isalnum()]
    assert "&lt;script&gt;" in text or "{{" not in source or not holds


def test_no_template_marks_anything_as_safe(path: Path):
    tree = TEMPLATES[path].parse(path.read_text(encoding="utf-8"))
    assert not [found for found in tree.find_all(nodes.Filter) if found.name in ("safe", "forceescape", "xmlattr")]
    assert not list(tree.find_all((nodes.MarkSafe, nodes.MarkSafeIfAutoescape, nodes.ScopedEvalContextModifier)))


def test_a_name_that_stands_for_nothing_is_an_error(tmp_path: Path):
    (tmp_path / "a.html.j2").write_text("<p>{{ word }}</p>", encoding="utf-8")
    templates = Templates(tmp_path)
    assert templates.fill("a", word="<b>") == "<p>&lt;b&gt;</p>"
    with pytest.raises(UndefinedError, match="word"):
        templates.fill("a", words="cat")
