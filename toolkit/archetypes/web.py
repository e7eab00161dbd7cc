"""Web scrape: question-and-answer pages with their tags, menus, scripts and entities left in.

What is messy here: every page of a site carries the same menu and footer, the text is split by
tags, quotes and dashes are entities, and the licence is whatever the site's owner thinks it is.
The words of the example are never changed, so a span of it can be found again.
"""

from __future__ import annotations

from typing import Any

from toolkit.archetypes import shapes
from toolkit.archetypes.draws import mix
from toolkit.archetypes.feed import Feed, Source
from toolkit.archetypes.sample import Sample

PAGES = Source("web-pages", "web_scrape", "web/pages-*", "unknown", "sft", 4, consent=False)

_SITES = ("askaround.example", "q-and-a.example", "howto.example", "forum.example", "wiki-help.example")
_MENUS = (
    '<nav><a href="/">Home</a> | <a href="/q">Questions</a> | <a href="/login">Log&nbsp;in</a></nav>',
    '<ul class="menu"><li>Start</li><li>Topics</li><li>Search&hellip;</li></ul>',
    '<div id="top">Menu &raquo; Help &raquo; Answers</div>',
    "<header>Skip to content<br/>Sign up &amp; ask</header>",
)
_FEET = (
    "<footer>&copy; 2026 All rights reserved. Privacy &middot; Terms</footer>",
    '<div class="cookie">We use cookies. <button>Accept</button></div>',
    '<p class="share">Share this: Mail Print Link</p>',
    "<!-- end of page -->",
)
_SCRIPT = '<script>window.dataLayer=window.dataLayer||[];dataLayer.push({"page":"%x","ad":%d});</script>'


def _paragraphs(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("—", "&mdash;")
    blocks = [block.replace("\n", "<br>\n") for block in text.split("\n\n")]
    return "<p>" + "</p>\n<p>".join(blocks) + "</p>"


def _page(sample: Sample, meta: int) -> dict[str, Any]:
    key = mix(sample.key)
    site = _SITES[key % len(_SITES)]
    script = _SCRIPT % (key >> 40, key % 1000) if key & 0x300 == 0 else ""
    body = f'<div class="post">{_paragraphs(sample.texts[1])}</div>'
    return {
        "url": f"https://{site}/q/{key >> 32}?ref={meta % 997}",
        "fetched_at": f"2026-{1 + meta % 9:02d}-{1 + (meta >> 8) % 28:02d}T{(meta >> 16) % 24:02d}:00:00Z",
        "title": f"{sample.texts[0][:40]} | {site}",
        "question": f"<h1>{_paragraphs(sample.texts[0])}</h1>" if key & 0x1000 else sample.texts[0],
        "answer": f"{_MENUS[key >> 4 & 3]}{script}{body}{_FEET[key >> 6 & 3]}",
    }


_CODES = ("schema.unrecognised",)
FEEDS = (
    Feed("web/pages-000.jsonl", PAGES, 7, (shapes.SINGLE,), _page, _CODES, pool="web", blank_every=400),
    Feed("web/pages-001.jsonl.gz", PAGES, 3, (shapes.SINGLE,), _page, _CODES, pool="web"),
)
