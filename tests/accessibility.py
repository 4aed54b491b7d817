"""What keeps a page from being read aloud, used by keyboard, or seen: axe-core, and outlines of focused controls."""

from importlib.resources import files

from tests.browsing import probed

AUDIT = """
for (const drawing of document.querySelectorAll("figure svg")) drawing.replaceChildren();
for (const fold of document.querySelectorAll("details")) fold.open = true;
const result = await axe.run(document, { resultTypes: ["violations"] });
const grave = result.violations.filter((each) => ["serious", "critical"].includes(each.impact));
const told = (node) => `${node.html.slice(0, 120)}: ${node.failureSummary.slice(0, 200)}`;
const found = { grave: grave.map((each) => [each.id, each.nodes.length, told(each.nodes[0])]) };
found.passed = result.passes.map((each) => each.id);
found.dark = matchMedia("(prefers-color-scheme: dark)").matches;
found.unseen = [];
found.focused = 0;
const controls = 'a[href], button, summary, [tabindex="0"]';
const kind = (control) => `${control.tagName} in ${control.parentNode.tagName}`;
const kinds = new Map([...document.querySelectorAll(controls)].map((each) => [kind(each), each]));
for (const [name, control] of kinds) {
  control.focus({ focusVisible: true });
  const style = getComputedStyle(control);
  if (document.activeElement !== control) continue;
  found.focused += 1;
  if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) found.unseen.push(name);
}
"""
PROVED = {"color-contrast", "document-title", "landmark-one-main", "page-has-heading-one", "th-has-data-cells"}
"""Rules that every page gives something to judge, so that a page that was not looked at would be noticed."""


def serious(source, folder, *options, width, dark):
    """A line for each rule of serious or critical impact that a page breaks, and each kind of control without focus."""
    axe = (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8").replace("</", "<\\/")
    found = probed(source, f"{axe}\n{AUDIT}", folder, *options, width=width)
    assert found["dark"] == dark
    assert set(found["passed"]) >= PROVED
    assert found["focused"] >= 1
    return [f"{rule} ({count}): {first}" for rule, count, first in found["grave"]] + [
        f"no outline where it is focused: {kind}" for kind in found["unseen"]
    ]
