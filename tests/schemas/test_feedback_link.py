"""Signed links: one way to sign them in every language, and a key that nobody guesses."""

import pytest

from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.feedback_link import feedback_link, is_signed, signature_of

KEY = "0123456789abcdef0123456789abcdef"
CALL = "01a2226c-8b0f-7606-a212-c3f940cf2282"


def test_the_signature_is_the_one_that_other_languages_make() -> None:
    # printf 'coalmine feedback link 1\n%s\n1800000000\nshop' ID | openssl dgst -sha256 -hmac KEY -binary
    #   | basenc --base64url
    made = signature_of(KEY, "shop", CALL, 1_800_000_000)
    assert made == "fT5FlhMGMiEuR-0BHsTz0lWSXLTr26PduIL6I_fRU5E"
    assert is_signed(KEY, "shop", CALL.upper(), 1_800_000_000, made)


def test_a_link_names_what_it_is_for() -> None:
    link = feedback_link(
        "https://a.example.com/", KEY, "söhne & co", CALL.upper(), now_s=1_799_913_600.9, days=1
    )
    head, _, signature = link.partition("&signature=")
    assert head == (
        f"https://a.example.com/feedback/link?app=s%C3%B6hne+%26+co&request_id={CALL}&expires=1800000000"
    )
    assert len(signature) == 43


@pytest.mark.parametrize(
    ("key", "request_id", "days", "told"),
    [
        ("short", CALL, 1.0, "at least 32"),
        (KEY, "17", 1.0, "not a UUID"),
        (KEY, CALL, 0.0, "above 0"),
        (KEY, CALL, 367.0, "at most 366"),
        (KEY, CALL, float("nan"), "above 0"),
    ],
)
def test_what_makes_no_link_is_named(key: str, request_id: str, days: float, told: str) -> None:
    with pytest.raises(InvalidParameter, match=told):
        feedback_link("https://a.example.com", key, "shop", request_id, now_s=0.0, days=days)
