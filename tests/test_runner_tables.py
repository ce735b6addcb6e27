"""Tables of a page: small groups withheld, nothing that a spreadsheet would run, the same bytes."""

import csv
import io
import json
import shutil
import zipfile
from pathlib import Path

import bs4
import nbformat
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmlib.findings import Finding, Findings
from crmlib.runner.grids import grid
from crmlib.runner.plan import Report
from crmlib.runner.run import fewest_customers
from crmlib.runner.suppression import Withheld
from crmlib.runner.tables import Published, PublishedTables, csv_text, neutral, workbook
from crmlib.runner.telling import told

FIXTURES = Path(__file__).parent / "notebooks"


def published(frame, fewest=10):
    """Texts of the table as published, and what is stated below it."""
    tables = PublishedTables(fewest)
    html = tables.html(frame if isinstance(frame, str) else frame.to_html(index=False), 1)
    note = bs4.BeautifulSoup(html, "html.parser").find("p", class_="withheld")
    return tables.tables[0][1], note.get_text() if note else ""


def test_a_small_group_goes_and_the_next_smallest_with_it():
    frame = pd.DataFrame(
        {"region": ["n", "e", "s", "w"], "customers": [120, 4, 30, 11], "revenue": [900.5, 17.25, 220.0, 60.0]}
    )
    rows, note = published(frame)
    # 4 < 10 goes; alone it could be had from a total, so 11, the next smallest, goes too (4 + 11 >= 10).
    assert rows[1:] == [
        ["n", "120", "900.50"],
        ["e", "withheld", "withheld"],
        ["s", "30", "220.00"],
        ["w", "withheld", "withheld"],
    ]
    assert note == (
        "2 rows withheld: groups of fewer than 10 customers; 1 of them so that the others cannot be worked out."
    )


def test_groups_go_until_together_they_hold_enough():
    rows, note = published(pd.DataFrame({"g": list("abcde"), "members": [1, 2, 12, 40, 15]}))
    assert [row[1] for row in rows[1:]] == ["withheld", "withheld", "withheld", "40", "15"]  # 1 + 2 < 10 <= 1 + 2 + 12
    assert note.startswith("3 rows withheld")


def test_a_total_is_no_complement_and_none_is_needed_without_a_small_group():
    rows, note = published(pd.DataFrame({"g": ["a", "b", "Total"], "customers": [3, 500, 503]}))
    assert [row[1] for row in rows[1:]] == ["withheld", "withheld", "503"]
    assert "2 rows" in note
    rows, note = published(pd.DataFrame({"g": ["a", "b"], "customers": [0, 10]}))
    assert ([row[1] for row in rows[1:]], note) == (["0", "10"], "")


@pytest.mark.parametrize("name", ["orders per customers", "share of customers", "customers (%)", "orders"])
def test_other_columns_are_no_counts_of_customers(name):
    assert published(pd.DataFrame({"g": ["a"], name: [3]}))[1] == ""


def test_rows_about_single_customers_are_withheld_whole():
    frame = pd.DataFrame({"customer_id": ["c1", "c2"], "amount": [5, 7]})
    rows, note = published(frame)
    assert rows[1:] == [["withheld"] * 2] * 2
    assert note == "2 rows about single customers withheld."
    assert published(frame, fewest=1) == ([["customer_id", "amount"], ["c1", "5"], ["c2", "7"]], "")


CROSS = "<table><caption>Customers by cohort and month</caption><thead><tr><th>cohort</th>{}</tr></thead>{}</table>"


def cross(counts):
    head = "".join(f"<th>{place}</th>" for place in range(len(counts[0])))
    return CROSS.format(
        head,
        "".join(f"<tr><th>{line}</th>{''.join(f'<td>{n}</td>' for n in row)}</tr>" for line, row in enumerate(counts)),
    )


def page_of(*frames):
    """Rows of the files of a page with these tables."""
    tables = PublishedTables(10)
    outputs = [frame if isinstance(frame, str) else frame.to_html(index=False) for frame in frames]
    tables.survey(outputs)
    for number, html in enumerate(outputs, 1):
        tables.html(html, number)
    return [table.rows[1:] for table in tables.tables], tables.withheld


def test_a_group_withheld_in_one_table_is_withheld_in_those_that_do_not_count_it():
    counted = pd.DataFrame({"channel": ["tv", "web", "shop"], "customers": [4, 500, 20], "margin": [7, 8, 9]})
    uncounted = pd.DataFrame({"channel": ["web", "tv", "shop", "all"], "payback": [30, 40, 50, 35]})
    other = pd.DataFrame({"device": ["tv", "web"], "orders": [1, 2]})  # the same word, another column
    (first, second, third), withheld = page_of(uncounted, counted, other)
    # 4 customers go, and 20 so that 4 is not had by subtraction: both, wherever they stand.
    assert first == [["web", "30"], ["tv", "withheld"], ["shop", "withheld"], ["all", "35"]]
    assert second == [["tv", "withheld", "withheld"], ["web", "500", "8"], ["shop", "withheld", "withheld"]]
    assert third == [["tv", "1"], ["web", "2"]]
    assert (withheld.rows, withheld.complementary, withheld.elsewhere) == (4, 1, 2)
    alone = Withheld(rows=2, elsewhere=2).sentence(10)
    assert alone == "2 rows withheld: groups that another table withholds for being small."


def test_a_group_with_several_rows_is_not_its_smallest_row():
    by_month = pd.DataFrame({"cohort": ["Jan", "Jan", "Feb"], "month": [1, 2, 1], "customers": [50, 3, 60]})
    whole = pd.DataFrame({"cohort": ["Jan", "Feb"], "revenue": [900, 800]})
    assert page_of(by_month, whole)[0][1] == [["Jan", "900"], ["Feb", "800"]]


def test_a_number_with_decimals_counts_nobody():
    rows, note = published(cross([[50, "1.000"], [70, "0.014"]]))
    assert (rows[1:], note) == ([["0", "50", "1.000"], ["1", "70", "0.014"]], "")


@pytest.mark.parametrize(
    ("caption", "withheld"),
    [
        ("Customers by cohort and month", 1),
        ("Number of customers per channel", 1),
        ("Active customers", 1),
        ("Customers who lose money, by channel", 0),
        ("What customers bring in 360 days", 0),
        ("Days until customers by channel have paid back", 0),
    ],
)
def test_only_a_caption_of_counts_makes_cells_counts(caption, withheld):
    html = f"<table><caption>{caption}</caption><tr><th>a</th><td>3</td></tr></table>"
    assert page_of(html)[1].cells == withheld


def test_a_cell_of_counts_is_not_had_from_its_row_or_column():
    rows, note = published(cross([[50, 4, 60], [70, 80, 90], [30, 20, 40]]))
    # 4 goes; its row gives 50, its column 20; these leave row 2 and column 0 with one each: 30 closes the square.
    assert [row[1:] for row in rows[1:]] == [
        ["withheld", "withheld", "60"],
        ["70", "80", "90"],
        ["withheld", "withheld", "40"],
    ]
    assert note == (
        "4 cells withheld: groups of fewer than 10 customers; 3 of them so that the others cannot be worked out."
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 40), min_size=3, max_size=3), min_size=3, max_size=5))
def test_no_small_count_is_left_nor_alone_in_a_line_of_counts(counts):
    shown = [row[1:] for row in published(cross(counts))[0][1:]]
    for line, row in enumerate(shown):
        for place, text in enumerate(row):
            assert text == "withheld" or not 0 < int(text) < 10
            assert text in ("withheld", str(counts[line][place]))
    for line in [
        *zip(shown, counts, strict=True),
        *zip(zip(*shown, strict=True), zip(*counts, strict=True), strict=True),
    ]:
        gone = [n for text, n in zip(*line, strict=True) if text == "withheld"]
        left = [n for text, n in zip(*line, strict=True) if text != "withheld" and n]
        assert not gone or not left or (len(gone) > 1 and sum(gone) >= 10)


def test_findings_on_few_customers_lose_their_number():
    found = told(
        Findings(
            [
                Finding("left", 3, "customers", "3 customers left."),
                Finding("kept", 30, "customers", "30 customers stayed."),
                Finding("gap", 3.5, "days", "It took 3.5 days."),
            ]
        ),
        10,
    )
    assert [item.value for item in found] == [None, 30, 3.5]
    assert found[0].sentence == "A finding on fewer than 10 customers is withheld."


def test_a_finding_that_names_a_withheld_group_loses_its_number():
    found = told(
        Findings(
            [
                Finding("a", 120.0, "EUR", "Radio brings EUR 120.00 a customer."),
                Finding("b", 0.5, "share", "Radiology buys half.", label="Share"),
                Finding("c", 3.0, "EUR", "Of 500, 4 of 60 new customers left, which cost EUR 3.00."),
                Finding("d", 0.2, "share", "1 in 5 customers left, fewer than 6 customers in 30."),
            ]
        ),
        10,
        {("channel", "Radio")},
    )
    assert [item.value for item in found] == [None, 0.5, None, 0.2]
    assert "Radio" not in found[0].sentence


def test_groups_that_stand_as_columns_are_withheld_as_columns():
    counted = pd.DataFrame({"channel": ["tv", "web", "shop"], "customers": [4, 500, 20], "margin": [7, 8, 9]})
    turned = counted.set_index("channel").T.to_html()
    (first, second), withheld = page_of(counted[["channel", "margin"]], turned)
    assert second == [["customers", "withheld", "500", "withheld"], ["margin", "withheld", "8", "withheld"]]
    assert [row[1] for row in first] == ["withheld", "8", "withheld"]
    assert (withheld.cells, withheld.elsewhere) == (4, 2)


def test_a_list_of_counts_loses_the_small_one_alone():
    rows, _ = published(pd.DataFrame({"": ["customers", "customers who left", "orders"], "value": [50, 4, 7]}))
    assert [row[1] for row in rows[1:]] == ["50", "withheld", "7"]


def test_a_group_is_not_had_from_a_subtotal():
    # 54 - 50 and 78 - 70 would tell 4 and 8, from another table or from the rows of totals.
    by_store = pd.DataFrame({"region": list("nnss"), "store": list("abcd"), "customers": [4, 50, 8, 70]})
    assert [row[2] for row in published(by_store)[0][1:]] == ["withheld"] * 4
    rows = [["a", 4], ["b", 50], ["total n", 54], ["c", 8], ["d", 70], ["s total", 78], ["Together", 132]]
    shown = published(pd.DataFrame(rows, columns=["store", "customers"]))[0][1:]
    assert [row[1] for row in shown] == ["withheld", "withheld", "54", "withheld", "withheld", "78", "132"]


@pytest.mark.parametrize("text", ["4 customers", "4 (2–6)", "~4", "<5", "4*", "4.0", "4 (0.8 %)"])
def test_a_count_with_something_said_of_it_is_a_count(text):
    rows, _ = published(pd.DataFrame({"g": list("abc"), "customers": [text, "1 500", "60"]}))
    assert [row[1] for row in rows[1:]] == ["withheld", "1 500", "withheld"]


@pytest.mark.parametrize("name", ["n", "count", "customer count", "Group size", "customer_counts"])
def test_other_names_of_counts(name):
    rows, _ = published(pd.DataFrame({"g": list("abc"), name: [4, 500, 60]}))
    assert [row[1] for row in rows[1:]] == ["withheld", "500", "withheld"]


def test_a_table_captioned_as_counts_hides_the_shares_of_a_small_group_too():
    html = pd.DataFrame({"g": list("abc"), "customers": [4, 500, 60], "share": ["0.7 %", "88.7 %", "10.6 %"]}).to_html(
        index=False
    )
    rows, _ = published(html.replace("<thead>", "<caption>Customers by channel</caption><thead>"))
    assert [row[2] for row in rows[1:]] == ["withheld", "0.887", "withheld"]


def test_what_is_said_or_painted_around_a_small_group_goes_too():
    frame = pd.DataFrame({"ch": ["tv", "web", "shop"], "customers": [4, 500, 60]})
    painted = frame.style.bar(subset=["customers"], vmin=0, vmax=500).set_caption("tv has 4 customers").to_html()
    rows = "<tr><th>ch</th><th>customers</th></tr><tr title='4'><td>a</td><td title='4'>4</td></tr>"
    titled = f"<table title='4'>{rows}</table>"
    nested = f"<table><tr><td>outer</td><td>{titled}</td></tr></table>"
    for html in (painted, titled, nested):
        tables = PublishedTables(10)
        page = tables.html(html, 1)
        assert ">4<" not in page
        assert 'title="4"' not in page
        assert "4 customers" not in page
        assert "gradient" not in page


@pytest.mark.parametrize(
    ("parameters", "more", "fewest"),
    [
        ({"source": "cdnow"}, {}, 1),
        ({"source": "cdnow", "truth_source": "shop"}, {}, 10),
        ({"source": "shop"}, {}, 10),
        ({"source": "shop"}, {"recipient": "head of sales"}, 5),
        ({"source": "cdnow"}, {"min_customers": 20}, 20),
        ({}, {}, 10),
    ],
)
def test_open_data_are_shown_and_the_firms_own_are_protected(parameters, more, fewest):
    assert fewest_customers(Report("a", Path("a.ipynb"), parameters=parameters, **more)) == fewest


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", " =1", "＝1", '=HYPERLINK("https://example.com")'],
)
def test_cells_that_begin_a_formula_are_neutralised(text):
    rows = [["name"], [text]]
    assert neutral(text) == f"'{text}"
    (_, (cell,)) = csv.reader(io.StringIO(csv_text(rows).removeprefix("\ufeff"), newline=""))
    assert cell == f"'{text}"
    (sheet,) = opened(rows)
    assert sheet["A2"].value == f"'{text}"
    assert sheet["A2"].data_type == "s"


@pytest.mark.parametrize("text", ["-5", "−5.2", "+3", "-1,234.50", "-3.2 %", "-1e-05", "a=1", "", "'x"])
def test_numbers_and_words_stay(text):
    assert neutral(text) == text


def opened(rows):
    from openpyxl import load_workbook

    return load_workbook(io.BytesIO(workbook([Published("", rows)]))).worksheets[1:]


def test_a_workbook_holds_numbers_as_numbers_and_the_same_bytes():
    rows = [["month", "n", "id"], ["1997-01", "-12.5", "007"], ["b\x00", "3", "1,234"]]
    (sheet,) = opened(rows)
    assert [cell.value for cell in sheet[2]] == ["1997-01", -12.5, "007"]
    assert [cell.value for cell in sheet[3]] == ["b", 3, "1,234"]
    assert workbook([Published("", rows)]) == workbook([Published("", rows)])
    with zipfile.ZipFile(io.BytesIO(workbook([Published("", rows)]))) as archive:
        assert {item.date_time[0] for item in archive.infolist()} == {1980}
        assert b"1980-01-01" in archive.read("docProps/core.xml")
        assert b"202" not in archive.read("docProps/core.xml")


def test_a_workbook_begins_with_what_it_holds():
    from openpyxl import load_workbook

    tables = [Published("", [["a"], ["1"]]), Published("one row a store", [["b"], ["x"], ["y"]], "2. Stores")]
    book = load_workbook(io.BytesIO(workbook(tables)))
    assert book.sheetnames == ["contents", "table 1", "table 2"]
    assert [[cell.value for cell in row] for row in book["contents"].rows] == [
        ["table", "section", "title", "rows"],
        [1, None, None, 1],
        [2, "2. Stores", "one row a store", 2],
    ]
    assert book["table 2"].freeze_panes == "A2"
    assert book["contents"]["A3"].hyperlink.location == "'table 2'!A1"


def test_a_percentage_is_a_share_in_the_files_shown_as_on_the_page():
    from openpyxl import load_workbook

    html = "<table><thead><tr><th>a</th><th>b</th></tr></thead><tr><td>−12.5 %</td><td>1,234.50</td></tr></table>"
    tables = PublishedTables()
    page = tables.html(html, 1)
    assert tables.tables[0].rows == [["a", "b"], ["-0.125", "1234.50"]]
    assert '<a href="tables/01.csv">Table 1 as CSV</a>' in page
    share, amount = load_workbook(io.BytesIO(workbook(tables.tables)))["table 1"][2]
    assert (share.value, share.number_format) == (-0.125, "0.0%")
    assert (amount.value, amount.number_format) == (1234.5, "#,##0.00")


@pytest.mark.parametrize("text", ["007", "12 of 30", "1,23", "5 EUR", "1.2.3", "٣", "%"])
def test_what_only_looks_like_a_number_stays_as_it_is_written(text):
    tables = PublishedTables()
    tables.html(f"<table><tr><td>{text}</td></tr></table>", 1)
    assert tables.tables[0].rows[-1] == [text]


def test_whole_numbers_lose_their_point_and_missing_ones_are_a_dash():
    frame = pd.DataFrame({"customers": [330.0, None], "share": [0.5, 1.0], "word": ["v", "1.0"]})
    tables = PublishedTables()
    cells = bs4.BeautifulSoup(tables.html(frame.to_html(), 1), "html.parser").find_all("td")
    assert [cell.get_text() for cell in cells] == ["330", "0.5", "v", "–", "1.0", "1.0"]
    assert tables.tables[0][1][2] == ["1", "NaN", "1.0", "1.0"]  # the files keep what was computed


def test_spans_are_filled_in():
    html = (
        "<table><thead><tr><th rowspan=2>a</th><th colspan=2>b</th></tr><tr><th>c</th><th>d</th></tr></thead>"
        "<tr><th rowspan=2>x</th><td>1</td><td>2</td></tr><tr><td>3</td><td>4</td></tr>"
        "<tr><td colspan=9999999>5</td></tr></table>"
    )
    found = grid(bs4.BeautifulSoup(html, "html.parser").table)
    assert found.names == ["a", "b c", "b d"]
    assert found.texts == [["a", "b", "b"], ["a", "c", "d"], ["x", "1", "2"], ["x", "3", "4"], ["5"]]


def test_a_run_keeps_its_tables_and_says_what_it_withheld(tmp_path):
    from crmlib.runner.progress import Lines
    from crmlib.runner.reports import run_reports
    from crmlib.runner.requests import requests

    (tmp_path / "notebooks").mkdir()
    notebook = nbformat.read(FIXTURES / "good.ipynb", as_version=4)
    show = 'import pandas as pd\npd.DataFrame({"g": ["=a", "b", "c"], "customers": [3, 50, 60]})'
    notebook.cells.insert(3, nbformat.v4.new_code_cell(show, id="table"))
    nbformat.write(notebook, tmp_path / "notebooks" / "report.ipynb")
    (tmp_path / "reports.yml").write_text("reports:\n  report: {notebook: notebooks/report.ipynb}\n")
    done = [run_reports(tmp_path, requests(tmp_path), Lines(io.StringIO()), force=True)[0] for _ in range(2)]
    folders = [tmp_path / "reports" / "runs" / record["run"] for record in done]
    assert [(record["tables"], record["min_customers"], record["withheld"]) for record in done] == [(1, 10, 2)] * 2
    page = (folders[0] / "report.html").read_text()
    assert "2 rows withheld" in page
    assert "no group of fewer than 10 customers; 2 rows or cells are withheld" in page
    assert 'href="tables.xlsx"' in page
    text = (folders[0] / "tables" / "01.csv").read_bytes().decode("utf-8-sig")
    assert text == ",g,customers\r\n0,'=a,withheld\r\n1,b,withheld\r\n2,c,60\r\n"
    for name in ("report.html", "tables.xlsx", "tables/01.csv"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
    assert json.loads((folders[0] / "run.json").read_text())["withheld"] == 2
    shutil.rmtree(tmp_path / "reports")


def test_text_that_no_encoding_holds_fails_no_report(tmp_path):
    tables = PublishedTables()
    assert "a?b" in tables.html("<table><tr><th>g</th></tr><tr><td>a\ud800b \ufffe\x0b</td></tr></table>", 1)
    tables.write(tmp_path)
    assert "a?b" in (tmp_path / "tables" / "01.csv").read_text("utf-8-sig")
    assert opened(tables.tables[0].rows)[0]["A2"].value == "a?b "


def test_the_only_column_of_a_table_may_be_a_withheld_group():
    counted = pd.DataFrame({"channel": ["tv", "web", "shop"], "customers": [4, 500, 20]})
    alone = pd.DataFrame({"": ["margin"], "tv": [7]})
    assert page_of(counted, alone)[0][1] == [["margin", "withheld"]]
