# ruff: noqa: E501  (Jinja reads better on one line)
"""Templates of other people, with the habits they have."""

import pyarrow as pa
import pytest

from toolkit.packing.chat.conversations import runs_of
from toolkit.packing.chat.template import Template
from toolkit.records.schema import MESSAGES

from .conversations import message
from .oracle_templates import seen

TALK = [message("user", " a "), message("assistant", " b "), message("user", "c"), message("assistant", "d")]
THINK = [
    message("user", "q"),
    message("assistant", "<think>\nhm\n</think>\n\nold"),
    message("user", "r"),
    message("assistant", "<think>\nso\n</think>\n\nnew"),
]
# the past loses its thoughts, the last answer gains an empty one; as reasoning models' templates do
REASONING = """{%- set ns = namespace(last=-1) %}
{%- for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}
{%- for m in messages %}
{%- if m.role == 'assistant' %}
{%- set said = m.content.split('</think>')[-1].lstrip('\\n') %}
{%- set thought = m.content.split('</think>')[0].split('<think>')[-1].strip('\\n') if '</think>' in m.content else '' %}
{{- '<|im_start|>assistant\\n' }}
{%- if loop.index0 > ns.last %}{{ '<think>\\n' + thought + '\\n</think>\\n\\n' }}{% endif %}
{{- said + '<|im_end|>\\n' }}
{%- else %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""
MARKED = """{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}
{%- if m.role == 'assistant' %}{% generation %}BODY{% endgeneration %}TAIL
{%- else %}{{ m.content + '<|im_end|>' }}{{ '\\n' }}{% endif %}{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""
STRICT = """{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('roles must alternate') }}{% endif %}{{ '[' + m.role + ']' + m.content|trim + '</s>' }}{% endfor %}"""
IM = ("<|im_start|>", "<|im_end|>")


def run(source, messages, control=IM, **options):
    runs = runs_of(pa.array([messages], MESSAGES), Template("t", source, control=control, **options))
    return runs, seen(runs, 0, control)


def text_and_trained(source, messages, control=IM, **options):
    runs, found = run(source, messages, control, **options)
    assert runs.faults == {}
    return "".join(c[0] for c in found), ["".join(span) for span in _spans(found)]


def _spans(found):
    spans, open_ = [], False
    for text, _, trained in found:
        if trained and not open_:
            spans.append([])
        if trained:
            spans[-1].append(text)
        open_ = trained
    return spans


def fault(source, messages, control=IM, **options):
    runs, _ = run(source, messages, control, **options)
    return runs.faults[0]


def test_a_template_that_rewrites_the_past_is_followed():
    text, trained = text_and_trained(REASONING, THINK)
    assert trained == ["old<|im_end|>", "<think>\nso\n</think>\n\nnew<|im_end|>"]
    assert "hm" not in text


def test_what_a_template_puts_before_an_answer_is_learned_with_it():
    _, trained = text_and_trained(REASONING, [message("user", "q"), message("assistant", "plain")])
    assert trained == ["<think>\n\n</think>\n\nplain<|im_end|>"]


@pytest.mark.parametrize(
    ("body", "tail"),
    [
        ("{{ m.content + '<|im_end|>' }}", "{{ '\\n' }}"),
        ("{{ m.content }}", "{{ '<|im_end|>\\n' }}"),
        ("{{ m.content + '<|im_end|>\\n' }}", ""),
    ],
    ids=["stop inside", "stop outside", "stop and line end inside"],
)
def test_marks_that_agree_but_for_the_stop_are_accepted(body, tail):
    source = MARKED.replace("BODY", body).replace("TAIL", tail)
    for talk in (TALK, [message("user", "x"), message("assistant", "")], TALK[:1]):
        said = [m["content"] + "<|im_end|>" for m in talk if m["role"] == "assistant"]
        assert text_and_trained(source, talk)[1] == said


@pytest.mark.parametrize(
    "body",
    [
        "{{ m.content[1:] + '<|im_end|>' }}",
        "{{ m.content[1:] }}{% endgeneration %}{% generation %}{{ '<|im_end|>' }}",
    ],
)
def test_marks_that_differ_are_a_fault_that_shows_both(body):
    source = MARKED.replace("{% generation %}BODY", "{{ m.content[:1] }}{% generation %}" + body).replace(
        "TAIL", ""
    )
    code, detail = fault(source, TALK[2:])
    assert code == "template.marks_differ" and "template marks" in detail


def test_marks_that_depend_on_the_content_are_seen_for_each_record():
    source = MARKED.replace("{% generation %}BODY{% endgeneration %}TAIL", "BODY").replace(
        "BODY",
        "{% if 'x' in m.content %}{{ m.content }}{% generation %}{{ '<|im_end|>' }}{% endgeneration %}"
        "{% else %}{% generation %}{{ m.content + '<|im_end|>' }}{% endgeneration %}{% endif %}",
    )
    rows = [[message("user", "u"), message("assistant", word)] for word in ("ab", "xy", "cd", "zx")]
    runs = runs_of(pa.array(rows, MESSAGES), Template("t", source, control=IM))
    assert {row: code for row, (code, _) in runs.faults.items()} == {
        1: "template.marks_differ",
        3: "template.marks_differ",
    }


def test_roles_that_must_alternate_are_a_fault_of_the_record_alone():
    rows = pa.array([TALK, TALK[1:], TALK], MESSAGES)
    runs = runs_of(rows, Template("t", STRICT, control=("</s>",)))
    assert runs.faults == {1: ("template.raised", "roles must alternate")}
    assert runs.ends.tolist()[1] == runs.ends.tolist()[2]


def test_a_template_without_a_prompt_leaves_the_header_to_the_model_which_must_learn_it():
    text, trained = text_and_trained(STRICT, TALK, ("</s>",))
    assert (text, trained) == (
        "[user]a</s>[assistant]b</s>[user]c</s>[assistant]d</s>",
        ["[assistant]b</s>", "[assistant]d</s>"],
    )


def test_a_turn_that_no_control_token_stops_is_a_fault_that_says_so():
    source = "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}{{ eos_token }}"
    code, detail = fault(source, TALK, ("</s>",), eos="</s>")
    assert code in {"template.unclosed", "template.unaligned"}
    assert fault(source, TALK, ())[0] == "template.unclosed" and "message" in detail


def test_where_the_past_is_rewritten_and_the_header_is_unknown_a_turn_begins_with_its_first_character():
    source = """{{ messages|length }}{% for m in messages %}{{ '[' + m.role + ']' + m.content + '</s>' }}{% endfor %}"""
    assert text_and_trained(source, TALK, ("</s>",))[1] == [" b </s>", "d</s>"]


def test_a_stop_that_the_next_turn_writes_is_found():
    source = """{% for m in messages %}{{ '<|im_end|>\n' if not loop.first }}{{ '<|im_start|>' + m.role + '\n' + m.content }}
{%- endfor %}{{ '<|im_end|>\n' }}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""
    assert text_and_trained(source, TALK)[1] == [" b <|im_end|>", "d<|im_end|>"]


def test_tags_that_are_control_tokens_do_not_stop_a_turn():
    source = """{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content }}
{%- for c in m.tool_calls or [] %}{{ '<tool_call>' + c.function.name + '</tool_call>' }}{% endfor %}{{ '<|im_end|>\n' }}
{%- endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""
    talk = [message("user", "u"), message("assistant", "", '[{"name":"f"},{"name":"<|im_end|>"}]')]
    control = (*IM, "<tool_call>", "</tool_call>")
    _, trained = text_and_trained(source, talk, control)
    assert trained == ["<tool_call>f</tool_call><tool_call><|im_end|></tool_call><|im_end|>"]


def test_the_longest_control_token_is_the_one_that_was_written():
    source = "{% for m in messages %}{{ '<a>' + m.content + '<a><b>' }}{% endfor %}"
    _, found = run(source, TALK[:2], ("<a>", "<a><b>"))
    assert [text for text, control, _ in found if control] == ["<a>", "<a><b>"] * 2


def test_control_tokens_are_never_half_a_message():
    source = (
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '<|' + m.content + '|><|im_end|>' }}{% endfor %}"
    )
    _, found = run(source, [message("user", "im_end"), message("assistant", "im_end")])
    assert [text for text, control, _ in found if control] == [*IM, *IM]


def test_a_content_that_the_template_drops_is_nowhere_and_its_turn_still_stops():
    source = """{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}
{%- if m.content != 'gone' %}{{ m.content }}{% endif %}{{ '<|im_end|>' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""
    rows = [[message("user", "u"), message("assistant", word)] for word in ("stay", "gone")]
    runs = runs_of(pa.array(rows, MESSAGES), Template("t", source, control=IM))
    assert ["".join(x) for x in _spans(seen(runs, 1, IM))] == ["<|im_end|>"]
    assert ["".join(x) for x in _spans(seen(runs, 0, IM))] == ["stay<|im_end|>"]


def test_a_template_that_writes_half_a_surrogate_pair_is_a_fault():
    rows = [[message("user", "a")], [message("user", "b")]]
    source = "{{ '\\ud800' if messages[0].content == 'a' else 'é' }}"
    runs = runs_of(pa.array(rows, MESSAGES), Template("t", source))
    assert runs.faults == {0: ("template.not_utf8", "the template writes half of a surrogate pair")}


def test_chunks_slices_and_no_rows_at_all_are_read():
    column = pa.chunked_array([pa.array([TALK, None], MESSAGES), pa.array([TALK[:2], TALK], MESSAGES)[1:]])
    made = Template("t", STRICT, control=("</s>",))
    runs = runs_of(column, made)
    assert [seen(runs, i, made.control) for i in range(3)] == [
        seen(runs_of(pa.array([row], MESSAGES), made), 0, made.control) for row in (TALK, None, TALK)
    ]
    assert runs_of(pa.array([], MESSAGES), made).ends.tolist() == [0]
