"""The report tells what the lake's files say, and nothing a record holds can act on its reader."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from toolkit.errors import RequestError
from toolkit.pipeline.report import charts as report_charts
from toolkit.pipeline.report.facts import collect
from toolkit.pipeline.report.lake import Lake
from toolkit.pipeline.report.lengths import quantiles
from toolkit.pipeline.report.page import report, visible
from toolkit.pipeline.run import run

SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(2)>'
HIDDEN = "left\u202eright\u2066 end \x07 bell \x9b csi"
WORDS = [f"word{n:02}" for n in range(60)]


class Page(HTMLParser):
    """Every tag and attribute of a page, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open, self.text = set(), [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += attributes
        if tag not in {"meta", "br", "rect", "line"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def chat(prompt, response):
    return json.dumps({"prompt": prompt, "response": response}, ensure_ascii=False)


def messy():
    text = " ".join(WORDS)
    near = text.replace("word30", "changed")
    pair = {"prompt": "which is better", "chosen": "this one", "rejected": "that one"}
    return [
        chat(SCRIPT + IMAGE, text),
        chat(SCRIPT + IMAGE, near),
        chat("say hello " + HIDDEN, "hello there, " + "friend " * 60),
        chat("say hello " + HIDDEN, "hello there, " + "friend " * 60),
        chat("what is asked", "the quick brown fox jumps over one lazy dog and then sleeps all day long"),
        '{"prompt": "' + SCRIPT + HIDDEN,
        json.dumps({"nothing": IMAGE}),
        chat("too long for any pack", " ".join(f"{n} apples" for n in range(2000))),
        json.dumps(pair),
    ]


def build(folder, lines, more="", source=""):
    (folder / "data.jsonl").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    question = "the quick brown fox jumps over one lazy dog and then sleeps all day long"
    (folder / "eval.jsonl").write_text(json.dumps({"question": question}) + "\n", encoding="utf-8")
    spec = folder / "spec.toml"
    spec.write_text(
        '[lake]\nlogical_date = "2026-01-02"\n[packing]\nvocab_size = 400\ncontext = 1024\n'
        f'[[source]]\nid = "chats"\ntype = "web_scrape"\npath = "data.jsonl"\n{source}\n{more}',
        encoding="utf-8",
    )
    return run(spec, workers=1).lake


EVALUATION = '[[decontaminate.set]]\nid = "quiz"\npath = "eval.jsonl"\nfields = ["question"]\n'


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return build(tmp_path_factory.mktemp("messy"), messy(), EVALUATION)


@pytest.fixture(scope="module")
def facts(lake):
    return collect(lake)


@pytest.fixture(scope="module")
def page(lake):
    return Page(report(lake).read_text(encoding="utf-8"))


def test_a_run_writes_the_report_into_the_lake(lake):
    assert (lake / "report.html").stat().st_size > 0


def test_the_same_lake_gives_the_same_page(lake):
    assert report(lake).read_bytes() == report(lake).read_bytes()


def test_no_tag_of_a_record_becomes_a_tag_of_the_page(page):
    assert not page.tags & {"script", "img", "iframe", "link", "object", "embed", "base", "form"}


def test_no_attribute_runs_anything_or_leaves_the_page(page):
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in {"src", "style"}]
    assert all(value.startswith("#") for name, value in page.attributes if name == "href")


def test_every_tag_is_closed(page):
    assert page.open == []


def test_html_of_a_record_is_shown_as_text(page):
    assert SCRIPT in page.text
    assert IMAGE in page.text


def test_hidden_characters_are_shown_as_their_codes(page):
    assert "left\\u202eright\\u2066 end \\u0007 bell \\u009b csi" in page.text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page.text)


@pytest.mark.parametrize("code", [0x0, 0x7F, 0x202A, 0x202E, 0x2066, 0x2069, 0x200F, 0xFEFF, 0xD800, 0xE0041])
def test_visible_names_the_character(code):
    assert visible(f"a{chr(code)}b") == (f"a\\u{code:04x}b" if code < 0x10000 else f"a\\U{code:08x}b")


def test_visible_leaves_ordinary_text_of_any_script():
    text = "naïve\tΩ שלום مرحبا 你好 👩‍🔬\n"
    assert visible(text) == text


def test_the_page_asks_for_nothing_over_the_network(lake):
    text = (lake / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|url\(|@import", text)


def test_every_table_has_a_caption_and_every_chart_a_title(lake):
    text = (lake / "report.html").read_text(encoding="utf-8")
    assert text.count("<table") == text.count("<caption")
    assert text.count('role="img"') == text.count("<title>") - 1


def test_the_totals_add_up(facts):
    totals = facts["totals"]
    assert totals["records_in"] == 9
    assert totals["records_in"] == totals["records_out"] + totals["quarantined"] + totals["removed"]


def test_every_stage_balances(facts):
    assert all(row["balanced"] for row in facts["funnel"])


def test_books_that_do_not_balance_are_called_out(lake):
    manifest = json.loads((lake / "MANIFEST.json").read_text())
    broken = json.loads(json.dumps(manifest))
    broken["ledgers"][0]["out"]["records"] += 1
    (lake / "MANIFEST.json").write_text(json.dumps(broken))
    try:
        text = report(lake).read_text(encoding="utf-8")
    finally:
        (lake / "MANIFEST.json").write_text(json.dumps(manifest))
        report(lake)
    assert "The books of ingest do not balance." in text


def test_quarantine_shows_the_bytes_of_each_reason(facts):
    samples = {row["reason"]: row["samples"] for row in facts["quarantine"]}
    assert samples["json.invalid"][0]["excerpt"].text.startswith('{"prompt": "' + SCRIPT)
    assert sum(row["records"] for row in facts["quarantine"]) == facts["totals"]["quarantined"]


def test_a_reject_longer_than_any_buffer_is_sampled_by_its_beginning(tmp_path):
    lake = build(tmp_path, ["x" * 300_000, "[1]", chat("one question", "and its one answer")])
    samples = [sample for row in collect(lake)["quarantine"] for sample in row["samples"]]
    assert sorted((len(s["excerpt"].text), s["excerpt"].more) for s in samples) == [(3, 0), (200, 299_800)]


def test_removals_are_those_of_the_books(facts):
    counts = {row["method"]: row["records"] for row in facts["removals"]}
    assert counts == {"contaminated": 1, "duplicate_payload": 1, "near": 1, "filter:over_context": 1}


def test_a_removal_shows_both_texts_and_what_was_measured(facts):
    near = next(row for row in facts["removals"] if row["method"] == "near")["samples"][0]
    assert near["score"] >= near["threshold"] == 0.8
    assert near["excerpt"].text.startswith(SCRIPT)
    assert near["kept_excerpt"].text.startswith(SCRIPT)


def test_excerpts_are_cut_and_say_so(facts):
    cut = next(r for r in facts["removals"] if r["method"] == "filter:over_context")["samples"][0]["excerpt"]
    assert len(cut.text) == 200
    assert cut.more > 1000


def test_clusters_name_the_kept_record_and_count_the_removed(facts):
    assert [(c["removed"], len(c["members"])) for c in facts["clusters"]] == [(1, 1)]
    assert facts["cluster_sizes"] == [("2", 1)]


def test_a_payload_that_came_twice_is_shown_with_both_records(facts, page):
    (row,) = [row for row in facts["removals"] if row["stage"] == "identity"]
    (sample,) = row["samples"]
    assert (row["records"], sample["removed_origin"]["line"], sample["kept_origin"]["line"]) == (1, 4, 3)
    assert sample["excerpt"] == sample["kept_excerpt"] and sample["excerpt"].text.startswith("say hello")
    assert "The same payload; kept in chats/part-00000" in page.text


def test_the_funnel_has_the_identity_stage(facts):
    stages = [row["stage"] for row in facts["funnel"]]
    assert stages[:3] == ["ingest", "identity", "records"]
    assert facts["funnel"][1]["removed"] == 1


def test_the_page_tells_rates_by_source(lake, facts, page):
    (row,) = facts["door"]["sources"]
    took = json.loads((lake / "timings.json").read_text())["ingest"]["sources"]["chats"]
    assert row["parse_failure_share"] == pytest.approx(1 / 9)
    assert row["speed"]["records_s"] == pytest.approx(9 / took["seconds"])
    assert row["forms"] == [("jsonl", 1)]
    assert "11.1 %" in page.text and "1 × jsonl; 1 shard" in page.text


def test_the_page_tells_reasons_with_their_counts(page):
    assert re.search(r"chats\s*json\.\w+\s*1\s*11\.1 %", page.text)


def test_a_lake_without_alarms_shows_none(facts, page):
    assert facts["door"]["alarms"] == []
    assert ("aria-label", "Alarms") not in page.attributes


def test_alarms_and_renames_stand_on_the_page_and_cannot_act(tmp_path):
    old = [json.dumps({"prompt": f"q {n}", "response": f"an answer {n}"}) for n in range(9)]
    new = [json.dumps({IMAGE: f"q {n}", "response": f"an answer {n}"}) for n in range(9, 14)]
    lake = build(tmp_path, old + new)
    page = Page((lake / "report.html").read_text(encoding="utf-8"))
    assert "1 alarm" in page.text and "from line 10 on" in page.text
    assert IMAGE in page.text and "img" not in page.tags
    assert page.text.index("from line 10 on") < page.text.index("The funnel")
    (row,) = collect(lake)["door"]["renames"]
    assert (row["line"], row["old"], row["new"], row["records"]) == (10, "prompt", IMAGE, 5)


def test_of_many_alarms_the_page_opens_with_ten(lake):
    manifest = (lake / "MANIFEST.json").read_text()
    many = json.loads(manifest) | {"alarms": [{"message": f"no. {n}:", "rate": "x"} for n in range(230)]}
    (lake / "MANIFEST.json").write_text(json.dumps(many))
    try:
        text = Page(report(lake).read_text(encoding="utf-8")).text
    finally:
        (lake / "MANIFEST.json").write_text(manifest)
        report(lake)
    assert "230 alarms" in text and "220 more" in text and "no. 199:" in text and "no. 200:" not in text
    assert "30 more are in MANIFEST.json" in text


def test_deliveries_tell_what_grew_what_was_corrected_and_what_came_again(tmp_path):
    lines = [chat(f"question {n}", f"an answer with the number {n}") for n in range(9)]
    lake = build(tmp_path, lines[:4])
    spec = tmp_path / "spec.toml"
    spec.write_text(spec.read_text().replace('path = "data.jsonl"', 'path = "data*.jsonl"'))
    (tmp_path / "data2.jsonl").write_text("".join(line + "\n" for line in lines[6:]))
    run(spec, workers=1)
    (tmp_path / "data.jsonl").write_text("".join(line + "\n" for line in lines[:6]))
    (tmp_path / "data2.jsonl").write_text(lines[8] + "\n")
    (tmp_path / "data3.jsonl").write_text("".join(line + "\n" for line in lines[6:]))
    lake = run(spec, workers=1).lake
    (source,) = collect(lake)["door"]["sources"]
    last = source["deliveries"][-1]
    assert [row["files"] for row in source["deliveries"]] == [1, 1, 3]
    kinds = {kind: [file["name"] for file in last[kind]] for kind in ("grown", "corrected", "again")}
    assert kinds == {"grown": ["data.jsonl"], "corrected": ["data2.jsonl"], "again": ["data3.jsonl"]}
    grown = sum(len(line) + 1 for line in lines[4:6])
    assert last["new_bytes"] == grown + len(lines[8]) + 1
    assert "data3.jsonl as data2.jsonl" in (Page((lake / "report.html").read_text()).text)


def test_decontamination_counts_items_and_records(facts):
    (quiz,) = facts["leaks"]
    assert (quiz["items"], quiz["hit"], quiz["records"]) == (1, 1, 1)
    assert quiz["spans"][0]["excerpt"].text.startswith("the quick brown fox")


def test_pack_fill_is_tokens_over_packs_times_context(facts):
    sft = facts["gold"][0]
    assert sft["fill"] == pytest.approx(sft["tokens"] / (sft["rows"] * 1024))
    assert 0 < sft["trained_share"] < 1
    assert sum(sft["fills"]) == sft["rows"]


def test_gold_tokens_are_those_of_the_packing_books(facts):
    tokens = {row["regime"]: row["tokens"] for row in facts["gold"]}
    assert set(tokens) == {"sft", "preference"}
    assert sum(tokens.values()) == facts["totals"]["tokens"]


def test_sources_account_for_every_record(facts):
    (chats,) = facts["sources"]
    assert chats["in"] == chats["gold"] + chats["quarantined"] + chats["removed"]
    assert chats["removed"] == facts["totals"]["removed"]


def test_the_bottleneck_is_the_stage_with_most_seconds(lake, page):
    timings = json.loads((lake / "timings.json").read_text())
    slowest = max((t["seconds"], name) for name, t in timings.items() if name != "total")[1]
    assert f"{slowest} took " in page.text


def test_a_file_delivered_again_is_listed_and_counted(tmp_path):
    lines = [chat(f"question {n}", f"an answer with the number {n}") for n in range(4)]
    (tmp_path / "data2.jsonl").write_text("".join(line + "\n" for line in lines))
    lake = build(tmp_path, lines)
    assert collect(lake)["sources"][0]["again"] == []
    spec = tmp_path / "spec.toml"
    spec.write_text(spec.read_text().replace('path = "data.jsonl"', 'path = "data*.jsonl"'))
    (source,) = collect(run(spec, workers=1).lake)["sources"]
    assert [file["same_as"] for file in source["again"]] == ["data.jsonl"]
    assert (source["in"], source["gold"], source["removed"]) == (8, 4, 4)


@pytest.mark.parametrize("lines", [[""], ["not json"], [chat("one question", "and its one answer")]])
def test_a_lake_with_little_or_nothing_in_it_has_a_report(tmp_path, lines):
    lake = build(tmp_path, lines)
    page = Page((lake / "report.html").read_text(encoding="utf-8"))
    assert "names no evaluation set" in page.text
    assert page.open == []


def test_an_rl_lake_has_no_pack_fill(tmp_path):
    records = [json.dumps({"prompt": f"what is {n} + {n}", "answer": f"{2 * n}"}) for n in range(5)]
    (row,) = collect(build(tmp_path, records, source='regime = "rl"'))["gold"]
    assert (row["regime"], row["fill"], row["trained_share"], row["documents"]) == ("rl", None, None, 5)


def test_a_lake_without_its_times_has_a_report(tmp_path):
    lake = build(tmp_path, [chat("one question", "and its one answer")])
    (lake / "timings.json").unlink()
    assert "were not kept" in report(lake).read_text(encoding="utf-8")


def test_a_resumed_run_says_that_its_times_are_partial(tmp_path):
    lake = build(tmp_path, [chat("one question", "and its one answer")])
    timings = json.loads((lake / "timings.json").read_text())
    timings["refine"]["done_before"] = 1
    (lake / "timings.json").write_text(json.dumps(timings))
    assert "were finished before this run" in report(lake).read_text(encoding="utf-8")


@pytest.mark.parametrize(("spec", "message"), [(True, "is unfinished"), (False, "is not a lake")])
def test_a_folder_that_is_no_finished_lake_is_refused(tmp_path, spec, message):
    if spec:
        (tmp_path / "spec.toml").write_text("")
    with pytest.raises(RequestError, match=message):
        report(tmp_path)


def test_a_record_that_bronze_lost_is_shown_without_text(lake):
    from toolkit.pipeline.report.lake import Place
    from toolkit.pipeline.report.texts import texts_of

    missing = Place("chats", "data.jsonl", 10**9, "0" * 64)
    assert texts_of(Lake.read(lake), {missing}) == {}


def test_quantiles_are_those_of_the_sorted_values():
    values = np.random.default_rng(5).integers(1, 900, 1001)
    found, ordered = quantiles(np.bincount(values)), np.sort(values)
    ranks = {"p50": 501, "p90": 901, "p99": 991, "max": 1001}
    assert found == {name: ordered[rank - 1] for name, rank in ranks.items()}


def test_quantiles_of_nothing_are_zero():
    assert quantiles(np.zeros(1, np.int64)) == {"p50": 0, "p90": 0, "p99": 0, "max": 0}


@pytest.mark.parametrize("counts", [[0, 0, 0, 5], [0, 3], [1], [0] * 5000 + [2], list(range(3000))])
def test_the_columns_of_a_length_chart_stay_inside_it(counts):
    drawn = report_charts.lengths(np.array(counts), "lengths")
    tops = [float(y) for y in re.findall(r'<rect x="[^"]+" y="([^"]+)"', drawn)]
    assert (not any(counts[1:]) and len(counts) > 1) or (tops and min(tops) >= 0)


def test_a_chart_of_nothing_is_empty():
    assert report_charts.histogram([0, 0], [], "nothing") == ""


def test_a_label_cannot_leave_its_chart():
    drawn = report_charts.bar([(0.5, "out")], IMAGE)
    assert "<img" not in drawn


def test_a_share_that_is_not_nothing_can_be_seen():
    drawn = report_charts.bar([(1e-9, "out")], "tiny")
    assert 'width="0.60" height="10" class="out"' in drawn


def test_the_report_needs_no_compiler(lake):
    code = (
        "from toolkit.pipeline.report.page import report; report(sys.argv[1]); print('numba' in sys.modules)"
    )
    command = [sys.executable, "-c", f"import sys; {code}", str(lake)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
