"""ROUGE, BLEU and chrF beside the packages that define them."""

import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_evals.scorers import bleu_chrf
from coalmine_evals.scorers.optional import MissingLibrary
from coalmine_evals.scorers.registry import scorer_of
from coalmine_evals.scorers.rouge import common_subsequence
from tests.support.later import later
from tests.support.scoring import value

if TYPE_CHECKING:
    from rouge_score import rouge_scorer
    from sacrebleu.metrics import bleu, chrf
else:
    rouge_scorer = later("rouge_score.rouge_scorer")
    bleu, chrf = later("sacrebleu.metrics.bleu"), later("sacrebleu.metrics.chrf")

_WORDS = ["the", "a", "cat", "dog", "sat", "on", "mat", "42", "it's", "Big,", "(red)", "end."]
_TEXT = st.lists(st.sampled_from(_WORDS), max_size=30).map(" ".join)


@given(answer=_TEXT, wanted=_TEXT.filter(str.strip), kind=st.sampled_from(["rouge1", "rouge2", "rougeL"]))
def test_rouge_is_that_of_rouge_score(answer: str, wanted: str, kind: str) -> None:
    theirs = rouge_scorer.RougeScorer([kind]).score(wanted, answer)[kind]
    assert value("rouge", answer, wanted, kind=kind) == pytest.approx(theirs.fmeasure)
    assert value("rouge", answer, wanted, kind=kind, part="recall") == pytest.approx(theirs.recall)
    assert value("rouge", answer, wanted, kind=kind, part="precision") == pytest.approx(theirs.precision)


def test_rouge_reads_every_language_and_takes_the_nearest_text() -> None:
    assert value(
        "rouge", "Gr\u00fc\u00dfe aus K\u00f6ln", ["Hallo", "Gr\u00fc\u00dfe aus Bonn"]
    ) == pytest.approx(2 / 3)
    assert value("rouge", "\u4f60\u597d", "\u4f60\u597d\u5417") == pytest.approx(0.8)
    assert value("rouge", "", "x") == 0.0


@given(one=st.text("abc", max_size=40), other=st.text("abc", max_size=40))
def test_the_longest_common_subsequence_is_that_of_the_textbook(one: str, other: str) -> None:
    row = [0] * (len(other) + 1)
    for letter in one:
        before = 0
        for place, each in enumerate(other, 1):
            before, row[place] = row[place], before + 1 if letter == each else max(row[place], row[place - 1])
    assert common_subsequence(one, other) == row[-1]


def test_bleu_and_chrf_are_those_of_sacrebleu_from_0_to_1() -> None:
    answer, wanted = "the cat sat on a mat", ["the cat sat on the mat", "a cat sat"]
    theirs = {
        "bleu": bleu.BLEU(effective_order=True).sentence_score(answer, wanted).score,
        "chrf": chrf.CHRF().sentence_score(answer, wanted).score,
        "chrf++": chrf.CHRF(word_order=2).sentence_score(answer, wanted).score,
    }
    for kind, score in theirs.items():
        assert value("bleu_chrf", answer, wanted, kind=kind) == pytest.approx(score / 100)
        assert value("bleu_chrf", wanted[0], wanted, kind=kind) == 1.0
        assert value("bleu_chrf", "", wanted, kind=kind) == 0.0
    assert value("bleu_chrf", "x", None) is None


def test_without_sacrebleu_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    bleu_chrf._metric.cache_clear()
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics", None)
    with pytest.raises(MissingLibrary, match=r"pip install 'coalmine\[bleu\]'"):
        scorer_of("bleu_chrf")
    bleu_chrf._metric.cache_clear()
