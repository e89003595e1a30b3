from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from coalmine_consumers.aggregation.resolutions import LENGTH_S
from coalmine_consumers.queries.cover import BEGINNING, END, KeptFrom, Piece, ceiling, cover, floor

DAY = datetime(2026, 3, 10, tzinfo=UTC)
MOMENTS = st.integers(-2 * 86_400_000, 4 * 86_400_000).map(lambda ms: DAY + timedelta(milliseconds=ms))
KEPT: st.SearchStrategy[KeptFrom] = st.one_of(
    st.just({}),
    st.just({"minute": DAY}),
    st.just({"minute": DAY + timedelta(days=2), "hour": DAY - timedelta(days=1)}),
    st.just({"minute": DAY + timedelta(days=2), "hour": DAY + timedelta(days=2)}),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-{text}+00:00")


@given(st.none() | MOMENTS, st.none() | MOMENTS, KEPT)
def test_pieces_follow_on_each_other_and_are_made_of_whole_buckets_that_are_kept(
    since: datetime | None, until: datetime | None, kept: KeptFrom
) -> None:
    pieces = cover(since, until, kept)
    for piece in pieces:
        assert piece.since < piece.until
        assert floor(piece.since, piece.resolution) == piece.since
        assert piece.until == END or floor(piece.until, piece.resolution) == piece.until
        assert piece.since >= kept.get(piece.resolution, BEGINNING)
    for left, right in pairwise(pieces):
        assert left.until == right.since
    if pieces:
        start, end = pieces[0].since, pieces[-1].until
        assert start == BEGINNING if since is None else start <= since
        assert end == END if until is None else end >= until


@given(MOMENTS, MOMENTS, KEPT)
def test_ends_are_widened_by_less_than_one_bucket_of_the_finest_that_is_kept(
    since: datetime, until: datetime, kept: KeptFrom
) -> None:
    pieces = cover(since, until, kept)
    if not pieces:
        assert since >= until
        return
    for moment, edge in ((since, pieces[0].since), (until, pieces[-1].until)):
        finest = next(
            resolution
            for resolution in LENGTH_S
            if kept.get(resolution, BEGINNING) <= floor(moment, resolution) or resolution == "day"
        )
        assert abs(edge - moment) < timedelta(seconds=LENGTH_S[finest])


def test_long_stretches_are_read_by_the_day_and_their_ends_finer() -> None:
    assert cover(at("09 22:58:30"), at("12 01:01:00"), {}) == [
        Piece("minute", at("09 22:58"), at("09 23:00")),
        Piece("hour", at("09 23:00"), at("10 00:00")),
        Piece("day", at("10 00:00"), at("12 00:00")),
        Piece("hour", at("12 00:00"), at("12 01:00")),
        Piece("minute", at("12 01:00"), at("12 01:01")),
    ]
    assert cover(None, None, {}) == [Piece("day", BEGINNING, END)]
    assert cover(at("10 08:00:10"), at("10 08:00:20"), {}) == [
        Piece("minute", at("10 08:00"), at("10 08:01"))
    ]


def test_an_empty_stretch_has_no_piece() -> None:
    assert cover(at("10 08:00"), at("10 08:00"), {}) == []
    assert cover(at("11 08:00"), at("10 08:00"), {}) == []


def test_ends_are_widened_where_finer_rows_have_aged_away() -> None:
    kept: KeptFrom = {"minute": at("11 00:00"), "hour": at("10 00:00")}
    assert cover(at("10 08:10"), at("11 08:10"), kept) == [
        Piece("hour", at("10 08:00"), at("11 08:00")),
        Piece("minute", at("11 08:00"), at("11 08:10")),
    ]
    assert cover(at("09 08:10"), None, kept) == [Piece("day", at("09 00:00"), END)]


def test_moments_of_other_time_zones_are_the_same_moments() -> None:
    kathmandu = timezone(timedelta(hours=5, minutes=45))
    moment = at("10 08:20:30").astimezone(kathmandu)
    assert floor(moment, "hour") == at("10 08:00")
    assert ceiling(moment, "day") == at("11 00:00")
    assert cover(moment, None, {}) == cover(at("10 08:20:30"), None, {})
