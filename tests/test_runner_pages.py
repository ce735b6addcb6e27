"""Pages: harmless, self-contained, complete, the same for the same inputs."""

import base64
import html.parser
import io
import re
import shutil
from pathlib import Path

import nbformat
import pytest

from crmlib.errors import DataError
from crmlib.findings import MIME, Finding, Findings
from crmlib.runner.formulas import formula
from crmlib.runner.outputs import shown
from crmlib.runner.parameters import Parameter
from crmlib.runner.plan import Report
from crmlib.runner.progress import Lines
from crmlib.runner.prose import Writer, code
from crmlib.runner.rendering import page, unbroken
from crmlib.runner.reports import run_reports
from crmlib.runner.requests import requests
from crmlib.runner.run import stored_findings
from crmlib.runner.sanitising import clean, clean_sheet, clean_style, clean_table
from crmlib.runner.shelf import age

FIXTURES = Path(__file__).parent / "notebooks"
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; form-action 'none'; base-uri 'none'"
)
FOUND = Findings([Finding("a", 1, "", "The answer is 14 % of USD 5."), Finding("b", 2, "", "A second finding.")])
PROVENANCE = {
    "notebook": "notebooks/a.ipynb",
    "commit": "c0ffee",
    "lock": "10c4",
    "library": "11b",
    "library_version": "0.1.0",
    "data": {"source": "da7a"},
    "seed": 3,
    "run": "20260101T000000Z-never-shown",
    "started_at": "2026-01-01T00:00:00+00:00",
}


class Audit(html.parser.HTMLParser):
    """Every element and attribute that could run or ask for something."""

    NEVER = ("script", "iframe", "object", "embed", "form", "input", "button", "link", "base", "frame", "math", "audio")

    def __init__(self, text):
        super().__init__()
        self.faults, self.tags = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in self.NEVER:
            self.faults.append(tag)
        for name, value in attrs:
            address = re.sub(r"\s", "", value or "").lower()
            if name.startswith("on") or name in (
                "srcset",
                "srcdoc",
                "action",
                "formaction",
                "xlink:href",
                "background",
            ):
                self.faults.append(name)
            if name == "src" and not address.startswith("data:image/"):
                self.faults.append(f"src={value}")
            if name == "href" and not address.startswith(("http://", "https://", "mailto:", "#", "latest/", "tables")):
                self.faults.append(f"href={value}")
            if name == "style" and ("url(" in address or "position" in address):
                self.faults.append(f"style={value}")
            if name == "http-equiv" and value != "Content-Security-Policy":
                self.faults.append(f"http-equiv={value}")


def markdown(source, **extra):
    return nbformat.v4.new_markdown_cell(source, **extra)


def cell(source, *outputs, tags=()):
    made = [nbformat.v4.new_output("display_data", data=data) for data in outputs]
    return nbformat.v4.new_code_cell(source, outputs=made, metadata={"tags": list(tags)})


def rendered(*cells, parameters=None):
    declared = {"source": Parameter("str", "", "the data"), "seed": Parameter("int", 1, "seed `of` numbers")}
    report = Report("cohorts", Path("a.ipynb"), declared=declared, parameters=parameters or {"source": "", "seed": 3})
    notebook = nbformat.v4.new_notebook(cells=list(cells))
    return page(notebook, report=report, findings=FOUND, provenance=PROVENANCE)


def body(text):
    return text[text.index("<main>") : text.index('<footer id="provenance">')]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Page and shelf of a notebook that shows an attack in every kind of output."""
    root = tmp_path_factory.mktemp("hostile")
    (root / "notebooks").mkdir()
    shutil.copy(FIXTURES / "hostile.ipynb", root / "notebooks")
    title = "\"<script>document.title='ran'</script>\""
    (root / "reports.yml").write_text(
        f"reports: {{hostile: {{notebook: notebooks/hostile.ipynb, title: {title},"
        " parameters: {source: '', seed: 5}}}\n"
    )
    (record,) = run_reports(root, requests(root), Lines(io.StringIO()))
    assert record["outcome"] == "good", record["message"]
    return root / "reports"


def test_nothing_hostile_reaches_page_or_shelf(hostile):
    for path in (hostile / "latest" / "hostile" / "report.html", hostile / "index.html"):
        audit = Audit(path.read_text())
        assert audit.faults == []
    text = (hostile / "latest" / "hostile" / "report.html").read_text()
    assert text.count("<meta http-equiv") == 1
    assert "<p>kept</p>" in text
    assert "#t" in text
    assert "d.css" not in re.sub(r"<details.*?</details>", "", text, flags=re.DOTALL)
    svg = re.search(r'src="data:image/svg\+xml;base64,([^"]*)"', text)
    assert b"<script>" in base64.b64decode(svg[1])  # inert inside an image


def test_the_policy_is_the_first_thing_in_the_head(hostile):
    for text in (rendered(markdown("# A")), (hostile / "index.html").read_text()):
        assert re.search(r'<head>\s*<meta http-equiv="Content-Security-Policy" content="([^"]*)">', text)[1] == POLICY


@pytest.mark.parametrize(
    "payload",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg onload=alert(1)><script>alert(1)</script></svg>",
        '<a href="javascript:alert(1)">a</a>',
        '<a href="JaVa\tScript:alert(1)">a</a>',
        '<a href="data:text/html;base64,PHNjcmlwdD4=">a</a>',
        '<a href="//example.com">a</a>',
        '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
        '<meta http-equiv="refresh" content="0;url=https://example.com">',
        '<form action="https://example.com"><input name=a></form>',
        '<base href="https://example.com">',
        '<link rel=stylesheet href="https://example.com/a.css">',
        '<object data="x"></object><embed src="x">',
        '<p style="background:url(https://example.com/a)">a</p>',
        '<p style="position:fixed;inset:0">a</p>',
        '<img src="https://example.com/a.png">',
        '<img src="data:image/png;base64,AA==" srcset="https://example.com/a.png 2x">',
        '<img src="data:text/html,<script>1</script>">',
        "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
        '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
        "<style></style><img src=x onerror=alert(1)>",
        "<!--><img src=x onerror=alert(1)>-->",
        "<details ontoggle=alert(1) open>a</details>",
        '<video src="https://example.com/a"></video><audio src=x>',
    ],
)
def test_payloads_are_gone_from_html_markdown_and_tables(payload):
    outputs = [
        clean(payload),
        clean_table(payload, 1),
        clean_table(f"<table id='T_12345'><tr><td>{payload}</td></tr></table>", 1),
        Writer().html(payload),
        Writer().html(f"a {payload} $x$ b\n\n| {payload} |\n|---|\n| {payload} |"),
        Writer().html(f"# {payload}\n\n```python\n{payload}\n```\n\n`{payload}` ![{payload}]({payload})"),
        shown({"output_type": "stream", "name": "stdout", "text": payload}, Writer(), 1),
        shown({"output_type": "stream", "name": "stderr", "text": payload}, Writer(), 1),
        shown({"output_type": "display_data", "data": {"text/plain": payload}}, Writer(), 1),
        shown({"output_type": "display_data", "data": {"image/png": payload, "text/plain": payload}}, Writer(), 1),
        shown({"output_type": "display_data", "data": {"image/svg+xml": payload}}, Writer(), 1),
        shown({"output_type": "display_data", "data": {"text/markdown": payload}}, Writer(), 1),
        code(payload),
        formula(rf"\text{{{payload[:12].replace('<', '').replace('>', '')}}}") if "\t" not in payload else "",
    ]
    for output in outputs:
        assert Audit(output).faults == [], output


@pytest.mark.parametrize("kind", ["application/javascript", "application/vnd.jupyter.widget-view+json"])
def test_scripts_and_widgets_show_nothing(kind):
    assert shown({"output_type": "display_data", "data": {kind: "x", "text/plain": "<Javascript>"}}, Writer(), 1) == ""


def test_latex_outputs_fall_back_to_text():
    output = {"output_type": "display_data", "data": {"text/latex": "$x$", "text/plain": "x"}}
    assert shown(output, Writer(), 1) == '<pre class="text" tabindex="0">x</pre>'


def test_style_sheets_keep_harmless_rules_only():
    sheet = (
        "#T_1_row0_col1 { color: red; background-color: #fff; position: fixed } /* } */"
        "body { display: none } #T_1 td { background: url(https://example.com) ; width: 10em }"
        "@import 'x'; #T_1 th { content: '</style><script>'; color: expression(alert(1)) }"
        "@media print { #T_1 th { color: blue } } #T_1 b { color: r\\65 d }"
    )
    assert clean_sheet(sheet) == "#T_1_row0_col1{color:red;background-color:#fff}#T_1 td{width:10em}"
    assert clean_style("background: linear-gradient(90deg, #d65f5f 50.0%, transparent 50.0%)") != ""
    assert clean_style("color: red; } body { display: none") == "color:red"


def test_stylers_and_frames_lose_random_ids_and_right_align_numbers():
    import pandas as pd

    table = pd.DataFrame({"cohort": ["1997-01", "1997-02"], "customers": [7846, 8476], "share": [0.1, float("nan")]})
    first, second = (clean_table(table.style.highlight_max("customers").to_html(), 4) for _ in range(2))
    assert first == second
    assert "t4_row1_col1{background-color:yellow}" in first
    assert 'id="t4_row1_col1"' in first
    plain = clean_table(table.to_html(), 1)
    assert '<td class="n">7846</td>' in plain
    assert '<th class="n">customers</th>' in plain
    assert "<td>1997-01</td>" in plain
    named = clean_table(table.rename_axis("row").assign(month="Jan 1997").to_html(), 1)
    assert "<th>row</th>" in named
    assert named.count("<tr") == 3
    assert "<td>Jan 1997</td>" in named


def test_formulas_are_drawn_on_the_baseline_in_the_text_colour():
    drawn = formula(r"\hat r_t = \frac{a}{n}")
    assert drawn == formula(r"\hat r_t  =  \frac{a}{n}")
    assert 'role="img" aria-label="\\hat r_t = \\frac{a}{n}"' in drawn
    assert "currentColor" in drawn
    assert re.search(r'style="vertical-align:-0\.\d+em"', drawn)
    assert re.search(r'<svg [^>]*width="\d\.\d+em" height="\d\.\d+em"', drawn)
    assert " id=" not in drawn
    assert width_of(r"\hat r") < 1.5 * width_of("r")
    assert width_of(r"\frac{\text{a wide one}}{b}") > 3
    assert 'class="formula display"' in formula("x", display=True)
    assert 'aria-label="a &lt; b"' in formula("a < b")


@pytest.mark.parametrize(
    "latex",
    [
        r"\hat S(t) = \prod_{t_i \le t} \left(1 - \frac{d_i}{n_i}\right), \qquad \text{active at } a",
        r"\text{re-orders} - \text{half-life}",
        r"\overline{ab} + \underbrace{x}_{y} + \sqrt{p(1-p)/n} \le z_{1-\alpha/2}",
        r"\begin{cases}1 & x > 0\\0 & \text{else}\end{cases}",
        r"\begin{aligned}a &= b\\c &= d\end{aligned}",
        r"{}_2F_1(a, b; c; z) \, \Gamma(r) \, \binom{n}{k} \log x \ldots \mathbb{E}[X \mid Y] \; 95\,\%",
    ],
)
def test_the_formulas_that_notebooks_need_are_drawn(latex):
    assert formula(latex, display=True).count("<path") > 4


def width_of(latex):
    """Width of a drawing in em."""
    return float(re.search(r'<svg [^>]*width="([\d.]+)em"', formula(latex))[1])


@pytest.mark.parametrize("latex", [r"\frobnicate{x}", r"\frac{a", "", " ", r"x + \nonsense", r"a \mathrel{:=} b", "漢"])
def test_a_formula_that_cannot_be_drawn_is_named(latex):
    with pytest.raises(DataError, match=re.escape(f"${' '.join(latex.split())}$")) as caught:
        formula(latex)
    assert "\n" not in str(caught.value)


def test_no_formula_reaches_the_reader_raw():
    source = (
        "# Is $x$ big?\n\nInline $a_1$ and \\$5, `$code$`.\n\n$$\\sum_i x_i$$\n\n"
        "## The $k$-th\n\n- $b$\n\n| $c$ |\n|---|\n"
        "| $d$ |\n\n> $e$\n\n**$f$**\n\n<div>\nraw $g$\n</div>\n\n\\begin{aligned}h\\end{aligned}\n\n![$i$](x.png) text"
    )
    text = body(rendered(markdown(source)))
    labels = re.findall(r'aria-label="([^"]*)"', text)
    expected = ["x", "a_1", r"\sum_i x_i", "k", "b", "c", "d", "e", "f", "g", r"\begin{aligned}h\end{aligned}"]
    assert [label for label in labels if label not in ("Findings", "Parameters")] == expected
    assert "$5" in text
    assert "<code>$code$</code>" in text
    seen = re.sub(r"<code>.*?</code>|<[^>]*>", "", text)
    assert seen.count("$") == 1
    assert 'href="#the-k-th"' in rendered(markdown(source), markdown("## Another\n\na"))


def test_findings_come_first_and_are_not_repeated():
    text = rendered(
        markdown("# Do they stay?\n\nWho decides."),
        cell("seed: int = 1", tags=["parameters"]),
        cell("seed = 3", tags=["injected-parameters"]),
        markdown("## One\n\na"),
        markdown("## Findings"),
        cell("found", {MIME: FOUND.to_json(), "text/plain": "The answer"}, tags=["findings"]),
    )
    order = ["<h1>Do they stay?</h1>", 'class="answer"', "A second finding.", 'class="parameters"', "Who decides."]
    places = [text.index(part) for part in [*order, 'id="one"', 'href="#answer">The findings', "c0ffee"]]
    assert places == sorted(places)
    assert text.count("A second finding.") == 1
    assert "The answer is 14\N{NO-BREAK SPACE}% of USD\N{NO-BREAK SPACE}5." in text
    assert "seed: int" not in text
    assert "seed = 3</" not in body(text)
    assert "<dt>source</dt><dd><b>not set</b>" in text
    assert "seed of numbers" in text
    assert "never-shown" not in text
    assert "2026" not in text


def test_silent_code_leaves_no_empty_blocks():
    text = body(
        rendered(
            markdown("# A"),
            markdown("## Imports"),
            cell("import math"),
            markdown("## Empty"),
            markdown("## Kept"),
            cell("a = 1"),
            cell("a", {"text/plain": "1"}),
            markdown("## Try it"),
        )
    )
    assert re.findall(r"<h2[^>]*>([^<]*)<", text) == ["Kept"]
    assert re.findall(r"<summary>([^<]*)<", text) == ["Imports", "Code"]


@pytest.mark.parametrize(
    "pointer",
    [
        "The next cell holds all:\nby `crm`.",
        "*The next cell holds all: by `crm`.*",
        "*All that can be changed are the parameters: by hand in The next cell.*",
    ],
)
def test_the_pointer_to_the_parameters_cell_is_left_out(pointer):
    parameters = cell("source = 'a'", tags=("parameters",))
    text = rendered(markdown(f"# A?\n\nWho decides: sales.\n\n{pointer}\n"), parameters, markdown(pointer))
    assert "Who decides: sales." in text
    assert text.count("The next cell") == 1  # what stands before another cell stays
    assert "The next cell" not in rendered(markdown("# A?"), markdown(pointer), parameters)
    assert "kept" in rendered(markdown("The next cell is kept.\n\nAs more follows."), parameters)


def test_a_formula_that_would_show_a_stroke_is_refused():
    with pytest.raises(DataError, match="a backslash would show"):
        formula(r"R = \Big\{ i : w_i > 0 \Big\}")
    for drawn in (r"R = \left\{ i : w_i > 0 \right\}", r"A \setminus B", r"A \backslash B"):
        assert "<svg" in formula(drawn)


def test_a_formula_taller_than_a_screen_is_refused():
    with pytest.raises(DataError, match="99 letters tall"):
        formula(r"\left(\frac{a}{\sum_i b}\right)", display=True)
    assert "<svg" in formula(r"\Big(\frac{a}{\sum_i b}\Big)", display=True)


def test_figures_carry_their_alternative_text():
    output = nbformat.v4.new_output(
        "display_data", data={"image/png": "iVBORw0KGgo=\n"}, metadata={"image/png": {"alt": 'a "curve" <b>'}}
    )
    shown_html = shown(output, Writer(), 1)
    assert shown_html == (
        '<figure><img src="data:image/png;base64,iVBORw0KGgo=" alt="a &quot;curve&quot; &lt;b&gt;"></figure>'
    )


def test_what_differs_from_run_to_run_is_not_shown():
    texts = [f"<object at 0x7f{n}4b2c3d>\n/tmp/ipykernel_{n}/27.py:2: UserWarning: x" for n in (11, 22)]
    first, second = (shown({"output_type": "stream", "name": "stderr", "text": text}, Writer(), 1) for text in texts)
    assert first == second


def test_a_long_word_is_read_once_and_a_long_text_cut():
    """A word of a million letters took hours, in which no other report and no timeout had a say."""
    word = "x" * 1_000_000

    def text(content):
        return shown({"output_type": "stream", "name": "stdout", "text": content}, Writer(), 1)

    told = "… 900,004 more characters are left out here; the run&#x27;s notebook.ipynb holds them</pre>"
    assert text(f"{word} end").endswith(told)
    assert text("a/ipykernel_12/3.py:1 b.ipykernel_4/5.py") == '<pre class="text" tabindex="0">cell:1 cell</pre>'
    assert "left out" not in text("x" * 100_000)


def test_headings_get_anchors_that_differ():
    writer = Writer()
    writer.html("## Same\n\n## Same\n\n## 2 & <b>three</b>\n\n## Answer\n\n## 是")
    assert [item.anchor for item in writer.headings] == ["same", "same-2", "s-2-three", "s-answer", "section"]
    assert writer.headings[2].text == "2 & three"


def test_attachments_are_embedded():
    attached = markdown("![a](attachment:a.png)", attachments={"a.png": {"image/png": "iVBORw0KGgo="}})
    assert 'src="data:image/png;base64,iVBORw0KGgo="' in rendered(markdown("# A"), attached)


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        ([], "0 code cells"),
        ([cell("a", tags=["findings"]), cell("b", tags=["findings"])], "2 code cells"),
        ([cell("a", {"text/plain": "a"}, tags=["findings"])], "shows 0"),
        ([cell("a", {MIME: {"version": 1, "findings": []}}, tags=["findings"])], "at least one"),
        ([cell("a", {MIME: {"version": 9}}, tags=["findings"])], "version"),
        ([cell("a", {MIME: [1]}, tags=["findings"])], "invalid"),
    ],
)
def test_findings_must_be_there_once_and_valid(cells, fault):
    with pytest.raises(DataError, match=fault):
        stored_findings(nbformat.v4.new_notebook(cells=cells))


def test_small_words():
    import datetime

    at = datetime.datetime(2026, 1, 3, tzinfo=datetime.UTC)
    assert age("2026-01-01T00:00:00+00:00", at) == "2 days"
    assert age("2026-01-02T23:00:00+00:00", at) == "1 hour"
    assert age("2026-01-02T23:59:30+00:00", at) == "less than a minute"
    assert unbroken("14 % of USD -5") == "14\N{NO-BREAK SPACE}% of USD\N{NO-BREAK SPACE}−5"
