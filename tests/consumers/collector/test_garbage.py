"""The cycle collector is held back while, and only while, somebody asks for it."""

import gc

import pytest

from coalmine_consumers.collector.garbage import collection_paused


def test_it_is_on_again_after_the_last_pause() -> None:
    assert gc.isenabled()
    first, second = collection_paused(), collection_paused()
    with first:
        assert not gc.isenabled()
        with second:
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_is_on_again_after_an_error() -> None:
    with pytest.raises(ValueError, match="no"), collection_paused():
        raise ValueError("no")
    assert gc.isenabled()


def test_somebody_elses_choice_is_kept() -> None:
    gc.disable()
    try:
        with collection_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
