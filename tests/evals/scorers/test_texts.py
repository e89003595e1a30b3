"""Words and sentences of texts."""

import pytest

from coalmine_evals.scorers.texts import LONGEST, plain, sentences, words


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("...", 0),
        ("One", 1),
        ("One. Two! Three?", 3),
        ("One.Two", 1),
        ("Dr. Smith met Mr. Jones at 3.30 p.m. on Monday. They talked.", 2),
        ("J. R. R. Tolkien wrote it.", 1),
        ("The U.S. economy grew by 3.5 percent. It was a surprise.", 2),
        ("We use e.g. apples, i.e. fruit. Good.", 2),
        ("Apples, pears, etc. They are fruit.", 2),
        ("The answer is no. We do not.", 2),
        ("Das ist z. B. so. Das nicht.", 2),
        ("See fig. 3 and p. 7. The rest follows.", 2),
        ("Really?! Yes!!! Well... maybe.", 3),
        ("Well\u2026 Maybe.", 2),
        ('He said "Stop." Then he left.', 2),
        ("(It rained.) We stayed.", 2),
        ("It is 7. The other is 8.", 2),
        ("- one\n- two\n- three", 3),
        ("1. First this.\n2. Then that. And more.", 3),
        ("A line that is\nbroken goes on. It ends.", 2),
        ("# Heading\nText.", 2),
        ("No full stop\n\nNext paragraph", 2),
        ("Code:\n```python\nx = 1. + 2.\nprint(x). y\n```\nDone.", 2),
        ("\u4f60\u597d\u3002\u4f60\u597d\u5417\uff1f\u5f88\u597d\uff01", 3),
        ("\u092f\u0939 \u090f\u0915 \u0939\u0948\u0964 \u0926\u094b\u0964", 2),
        ("**Bold.** Next.", 2),
        ("I saw it. it was small.", 1),
        ("So do I. We agree.", 2),
    ],
)
def test_sentences_are_counted_as_people_count_them(text: str, count: int) -> None:
    assert len(sentences(text)) == count


def test_words_are_parted_by_all_that_is_no_letter_or_digit_and_compared_in_small_letters() -> None:
    assert words("The CAT's  hat_box, na\u00efve Stra\u00dfe 3.5!") == [
        *("the", "cat", "s", "hat", "box", "na\u00efve", "strasse", "3", "5"),
    ]
    assert words("\u4f60\u597d abc") == ["\u4f60", "\u597d", "abc"]
    assert words("\u0939\u093f\u0928\u094d\u0926\u0940") == ["\u0939\u093f\u0928\u094d\u0926\u0940"]
    assert words("") == []


def test_invisible_characters_and_forms_of_letters_do_not_make_a_text_another() -> None:
    assert plain("Re\u00adfund\u200b \uff21\u00a0 b") == "refund a b"
    assert words("cafe\u0301") == words("caf\u00e9")


def test_a_text_is_read_up_to_a_limit() -> None:
    assert len(plain("x" * (LONGEST + 10))) == LONGEST
