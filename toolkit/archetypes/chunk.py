"""One chunk of one file: new examples, some of them turned into plants.

A plant takes the place of the example that was drawn for its line. Where it cannot be made (no
original yet, a text too short to edit) the example is written as it is and the truth says
nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from toolkit.archetypes import plan
from toolkit.archetypes.delivery import Delivery
from toolkit.archetypes.draws import Draws, base_of, block
from toolkit.archetypes.edits import near
from toolkit.archetypes.evaluation import Item, leak
from toolkit.archetypes.feed import Feed
from toolkit.archetypes.language import lexicon
from toolkit.archetypes.malformed import CODES, malformed
from toolkit.archetypes.reservoir import Original, Reservoir, same_payload, same_text
from toolkit.archetypes.sample import Sample, fresh, language_of, regime_of
from toolkit.archetypes.synthetic import DENIED
from toolkit.archetypes.templated import Templates
from toolkit.archetypes.truth import Truth

Row = dict[str, Any]
Planted = tuple[bytes, str, Row] | None  # the line, the kind, the columns of its truth


class Chunks:
    """Writes chunks in the order of the dump; what it remembers is bounded."""

    def __init__(self, seed: int, items: list[Item], templates: Templates, truth: Truth) -> None:
        self._seed, self._items, self._templates, self._truth = seed, items, templates, truth
        self._reservoir = Reservoir()
        self._encode = msgspec.json.Encoder().encode
        self._makers: dict[str, Callable[[Feed, Sample, int, Draws], Planted]] = {
            plan.EXACT: self._exact,
            plan.NEAR: self._near,
            plan.TEMPLATED: self._templated,
            plan.LEAK: self._leak,
            plan.TIE: self._tie,
            plan.DENIED: self._denied,
        }

    def write(
        self, delivery: Delivery, feed: Feed, quota: dict[str, int], total: int, start: int, count: int
    ) -> None:
        """Queue records ``start`` to ``start + count`` of the ``total`` of a feed."""
        base = base_of(self._seed, feed.path, start)
        metas = block(base ^ 0x3E7A, count).tolist()
        doing = plan.actions(quota, total, start, count, base ^ 0xAC71)
        samples = fresh(lexicon(), feed, base, count)
        if feed.prepare:
            samples = [feed.prepare(sample) for sample in samples]
        render, encode, reservoir = feed.render, self._encode, self._reservoir
        for i, (sample, meta, kind) in enumerate(zip(samples, metas, doing, strict=True)):
            if kind and self._plant(delivery, feed, sample, meta, kind):
                continue
            record = render(sample, meta)
            if feed.renamed and start + i >= total // 2:
                record = {feed.renamed: record.pop("instruction"), **record}
            data = encode(record)
            line = delivery.add(data, meta >> 7)
            if feed.planted:
                pool = (feed.pool, regime_of(sample.roles))
                if reservoir.wants(pool, meta >> 9):
                    reservoir.keep(pool, Original(feed, line, data, sample), meta >> 9)
            elif feed.renamed and start + i >= total // 2:
                self._truth.add("renamed", feed.path, line, reason="schema.missing_prompt")

    def _plant(self, delivery: Delivery, feed: Feed, sample: Sample, meta: int, kind: str) -> bool:
        draws = Draws(meta ^ 0x91A7)
        if kind in CODES:
            planted: Planted = (malformed(kind, feed, sample, meta, draws), "malformed", {"reason": kind})
        else:
            planted = self._makers[kind](feed, sample, meta, draws)
        if planted is None:
            return False
        data, name, columns = planted
        self._truth.add(name, feed.path, delivery.add(data, meta >> 7), **columns)
        return True

    def _exact(self, feed: Feed, sample: Sample, meta: int, draws: Draws) -> Planted:
        original = self._reservoir.take((feed.pool, regime_of(sample.roles)), feed, draws, text_only=False)
        if original is None:
            return None
        verbatim = same_payload(original, feed) and (draws.below(2) or not same_text(original, feed))
        data = original.data if verbatim else self._encode(feed.render(original.sample, meta))
        return data, plan.EXACT, {"other_path": original.feed.path, "other_line": original.line}

    def _near(self, feed: Feed, sample: Sample, meta: int, draws: Draws) -> Planted:
        pool = (feed.pool, regime_of(sample.roles))
        for _ in range(6):
            original = self._reservoir.take(pool, feed, draws, text_only=True)
            if original is None:
                return None
            edited = near(original.sample, draws, lexicon().words[language_of(original.sample)])
            if edited:
                changed, edit, rate = edited
                where = {"other_path": original.feed.path, "other_line": original.line}
                data = self._encode(feed.render(changed, meta))
                return data, plan.NEAR, {**where, "edit": edit, "edit_rate": rate}
            self._reservoir.keep(pool, original, meta)
        return None

    def _templated(self, feed: Feed, sample: Sample, meta: int, draws: Draws) -> Planted:
        chat, group = self._templates.next()
        return self._encode(feed.render(chat, meta)), plan.TEMPLATED, {"group": group}

    def _leak(self, feed: Feed, sample: Sample, meta: int, draws: Draws) -> Planted:
        plain = feed.pool == "web" or "doc" in sample.roles
        leaking, item, words = leak(sample, self._items, draws, plain)
        columns = {"set": item.set, "item": item.line, "words": words}
        return self._encode(feed.render(leaking, meta)), plan.LEAK, columns

    def _tie(self, feed: Feed, sample: Sample, meta: int, draws: Draws) -> Planted:
        tied = sample._replace(texts=(*sample.texts[:-1], sample.texts[-2]))
        return self._encode(feed.render(tied, meta)), plan.TIE, {"reason": "filter:tie"}

    def _denied(self, feed: Feed, sample: Sample, meta: int, draws: Draws) -> Planted:
        model = draws.pick(DENIED)
        record = feed.render(sample, meta) | {"generator_model": model}
        return self._encode(record), plan.DENIED, {"reason": model}
