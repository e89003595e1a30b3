from coalmine_simulator.streams import Streams


def test_the_same_seed_and_name_give_the_same_draws() -> None:
    first = [Streams(7).stream("users").random() for _ in range(1)]
    assert first == [Streams(7).stream("users").random()]


def test_a_name_keeps_its_stream() -> None:
    streams = Streams(7)
    assert streams.stream("users") is streams.stream("users")


def test_names_and_seeds_give_different_draws() -> None:
    draws = {
        Streams(7).stream("users").random(),
        Streams(7).stream("arrivals").random(),
        Streams(8).stream("users").random(),
    }
    assert len(draws) == 3


def test_what_one_stream_draws_does_not_move_another() -> None:
    undisturbed = Streams(3).stream("b").random()
    streams = Streams(3)
    for _ in range(10):
        streams.stream("a").random()
    assert streams.stream("b").random() == undisturbed
