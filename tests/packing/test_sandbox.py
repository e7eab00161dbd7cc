# ruff: noqa: E501  (Jinja reads better on one line)
"""A template is a stranger's code: it reaches nothing, and it comes to an end."""

import time

import pytest

from toolkit.errors import RequestError
from toolkit.packing.chat.renderer import render
from toolkit.packing.chat.sandbox import TemplateFault
from toolkit.packing.chat.template import Template, read_template
from toolkit.packing.chat.turns import views

TALK = views([{"role": "user", "content": "x" * 1000}, {"role": "assistant", "content": "b"}])
DOUBLE = "{% set n = namespace(x=START) %}{% for i in range(200) %}STEP{% endfor %}"


def faults(source, messages=TALK, **options):
    with pytest.raises(TemplateFault) as caught:
        render(Template("t", source, **options), messages)
    return caught.value.code


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.__class__ }}{{ messages.__class__.x }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ namespace.__init__.__globals__.os }}",
        "{{ raise_exception.__globals__ }}{{ raise_exception.__globals__.x }}",
        "{{ self._TemplateReference__context }}",
        "{{ messages[0]['__class__']['x'] }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ '%s' % messages }}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update(role='assistant') }}",
        "{{ messages[0].pop('role') }}",
        "{{ range }}",
        "{{ loop.__init__ }}{% for m in messages %}{{ loop }}{% endfor %}",
        "{% set n = namespace(_x=1) %}",
        "{{ messages|map(attribute='__class__.__name__')|join }}",
        "{{ lipsum() }}",
        "{{ messages() }}",
        "{% macro f() %}{% endmacro %}{{ f.__call__.__globals__ }}{{ f.name.x() }}",
    ],
)
def test_what_is_not_on_the_lists_is_refused(source):
    assert faults(source) in {"template.unsafe", "template.undefined"}


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(10**9) %}{% endfor %}",
        "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
        "{{ 'ab' * 10**9 }}",
        "{{ [1] * 10**9 }}",
        "{{ 9 ** (9 ** 9) }}",
        "{{ (9 ** 999) ** 999 }}",
        DOUBLE.replace("START", "'ab'").replace("STEP", "{% set n.x = n.x + n.x %}"),
        DOUBLE.replace("START", "'ab'").replace("STEP", "{% set n.x = n.x ~ n.x %}"),
        DOUBLE.replace("START", "[1]").replace("STEP", "{% set n.x = n.x + n.x %}"),
        DOUBLE.replace("START", "[1]").replace("STEP", "{% set n.x = [n.x, n.x] %}") + "{{ n.x }}",
        DOUBLE.replace("START", "[1]").replace("STEP", "{% set n.x = {'a': n.x, 'b': n.x} %}")
        + "{{ n.x|tojson }}",
        DOUBLE.replace("START", "3").replace("STEP", "{% set n.x = n.x * n.x %}"),
        DOUBLE.replace("START", "'ab'").replace("STEP", "{% set n.x %}{{ n.x }}{{ n.x }}{% endset %}"),
        DOUBLE.replace("START", "'ab'").replace("STEP", "{% set n.x = n.x.replace('a', n.x) %}"),
        DOUBLE.replace("START", "'ab'").replace("STEP", "{% set n.x = n.x|replace('b', n.x) %}"),
        DOUBLE.replace("START", "'ab'").replace("STEP", "{% set n.x = n.x.join([n.x, n.x]) %}"),
        DOUBLE.replace("START", "'ab'").replace("STEP", "{% set n.x = [n.x, n.x]|join(n.x) %}"),
        "{% for i in range(90000) %}{{ messages[0].content }}{% endfor %}",
        "{% for i in range(90000) %}{{ messages[0].content[1:] }}{{ messages|tojson }}{% endfor %}",
        "{{ messages|tojson(indent=10**9) }}",
        "{{ 'a\nb'|indent(10**9) }}",
    ],
)
def test_a_template_that_grows_or_repeats_without_end_is_stopped(source):
    start = time.process_time()
    assert faults(source) in {"template.limit", "template.unsafe", "template.failed"}
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{% include 'x' %}", "include"),
        ("{% import 'x' as x %}", "import"),
        ("{% extends 'x' %}", "extends"),
        ("{% block a %}{% endblock %}", "block"),
        ("{% autoescape true %}{% endautoescape %}", "not allowed"),
        ("{% for m in messages recursive %}{% endfor %}", "recursive"),
        ("{{ x|safe }}", "safe"),
        ("{{ x|format(1) }}", "format"),
        ("{{ x|attr('y') }}", "attr"),
        ("{{ x is filter }}", "filter"),
        ("{% if %}", "line 1"),
        ("{{ " + "(" * 5000 + " }}", "not a usable chat template"),
        ("{{ x }}" + " " * (1 << 18), "262,144"),
    ],
)
def test_a_template_that_cannot_be_used_is_a_bad_request(source, said):
    with pytest.raises(RequestError, match=said):
        Template("t", source)


def test_what_templates_do_every_day_works():
    source = """
{%- macro shown(m) %}{{ m.content | trim | replace('a', 'A') }}{% endmacro %}
{%- set ns = namespace(n=0, seen=[]) %}
{%- for m in messages if m.role != 'system' %}
{%- if loop.index > 9 %}{% break %}{% endif %}
{%- set ns.n = ns.n + loop.index %}{% set ns.seen = ns.seen + [m.role] %}
{{- loop.index0 ~ '/' ~ loop.length ~ m['role'][:2] ~ shown(m) ~ m.get('x', '-') }}
{%- if m.tool_calls is defined %}{{ m.tool_calls[0].function | tojson }}{% endif %}
{%- for k, v in {'b': 1, 'a': 2} | dictsort %}{{ k }}{{ v }}{% endfor %}
{{- ';' if not loop.last }}
{%- endfor %}{{ ns.n }}{{ ns.seen | join(',') }}{{ messages | selectattr('role', 'equalto', 'user') | list | length }}
{{- 'é<' | tojson }}{{ 'a b'.split(' ')[-1] }}{{ none }}{{ 7 % 4 }}{{ [1, 2] }}{{ messages[5] is undefined }}"""
    talk = views(
        [
            {"role": "user", "content": " banana "},
            {
                "role": "assistant",
                "content": "c",
                "tool_calls": '{"name": "f", "arguments": {"z": 1, "a": "<"}}',
            },
        ]
    )
    assert render(Template("t", source), talk) == (
        '0/2usbAnAnA-a2b1;1/2asc-{"name": "f", "arguments": {"z": 1, "a": "<"}}a2b13user,assistant1"é<"bNone3[1, 2]True'
    )


def test_a_template_is_told_the_day_it_is_given_or_none():
    source = "{{ strftime_now('%d %b %Y') if strftime_now is defined else 'no day' }}"
    assert render(Template("t", source), TALK) == "no day"
    assert render(Template("t", source, date="2026-02-01"), TALK) == "01 Feb 2026"
    assert faults("{{ strftime_now('%900000000d') }}", date="2026-02-01") == "template.unsafe"
    with pytest.raises(RequestError, match="2026-01-31"):
        Template("t", source, date="yesterday")


def test_what_a_record_makes_a_template_do_is_a_fault_with_a_code():
    assert faults("{{ raise_exception('roles must alternate') }}") == "template.raised"
    assert faults("{{ nothing.at.all }}") == "template.undefined"
    assert faults("{{ 1 + messages[0].content }}") == "template.failed"
    odd = views([{"role": "assistant", "content": "", "tool_calls": "f("}])
    assert faults("{{ messages[0].role }}", odd) == "template.calls"


def test_a_budget_is_each_records_own():
    source = Template("t", "{% for i in range(90000) %}{% endfor %}{{ messages|length }}")
    assert [render(source, TALK) for _ in range(3)] == ["2"] * 3


def test_templates_are_read_by_name_path_config_and_text(tmp_path):
    text = "{{ bos_token }}{% for m in messages %}{{ '<|a|>' + m.content + '<|b|>' }}{% endfor %}"
    (tmp_path / "chat_template.jinja").write_text(text)
    (tmp_path / "tokenizer_config.json").write_text(
        '{"chat_template": [{"name": "default", "template": "{{ bos_token }}[X]{{ eos_token }}"}],'
        ' "bos_token": {"content": "<s>"}, "eos_token": "</s>",'
        ' "added_tokens_decoder": {"0": {"content": "[X]", "special": true}, "1": {"content": "[Y]", "special": true}}}'
    )
    assert read_template("qwen").name == "qwen"
    assert read_template(tmp_path / "chat_template.jinja", bos="<s>").control == ("<s>", "<|a|>", "<|b|>")
    assert read_template(text, control=["<|b|>", "<|c|>"]).control == ("<|b|>",)
    config = read_template(tmp_path / "tokenizer_config.json")
    assert (config.bos, config.eos, config.control) == ("<s>", "</s>", ("<s>", "</s>", "[X]"))
    for wrong in ("no-such-template", tmp_path / "none.jinja", tmp_path):
        with pytest.raises(RequestError, match="chatml"):
            read_template(wrong)


def test_the_hash_is_of_all_that_decides_the_text():
    made = [
        Template("t", "{{ eos_token }}", eos=e, control=c, date=d)
        for e, c, d in [("", (), None), ("a", (), None), ("", ("a",), None), ("", (), "2026-01-01")]
    ]
    assert len({one.sha256 for one in made}) == 4
    assert Template("other", "{{ eos_token }}").sha256 == made[0].sha256


@pytest.mark.parametrize(
    "written",
    [
        f"{{{{ messages|map(attribute='role')|{name} }}}}"
        for name in ("capitalize", "lower", "trim", "upper", "title", "string", "replace('x', 'y')", "indent")
    ]
    + [
        "{{ messages|map(attribute='role') }}",
        "{{ [messages|map(attribute='role')] }}",
        "{{ {'x': [messages.copy]}|string }}",
        "{{ 'x' ~ [[namespace()]] }}",
        "{{ [messages[0].items()]|upper }}",
        "{{ [range]|join }}",
    ],
)
def test_an_address_in_memory_is_never_written(written):
    assert faults(written) == "template.unsafe"


def test_a_fault_names_no_address_in_memory():
    with pytest.raises(TemplateFault) as caught:
        render(Template("t", "{{ raise_exception(messages|map(attribute='role')) }}"), TALK)
    assert caught.value.detail == "a generator"
