"""Choices that the address of a page names, by Streamlit's own test harness."""

from importlib.resources import files

from streamlit.testing.v1 import AppTest


def few() -> None:
    from coalmine_dashboards.parts.choice import one_of_few  # noqa: PLC0415 - the harness runs this body alone

    one_of_few("by", "dimension", "By", ["prompt", "model"], "prompt")


def some() -> None:
    from coalmine_dashboards.parts.choice import several  # noqa: PLC0415

    several("metric", "metric", "Metrics", ["quality", "cost", "errors"], ["quality"])


def opened(page: AppTest, **query: str | list[str]) -> AppTest:
    for name, value in query.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception
    return page


def said(page: AppTest) -> str:
    return " ".join(box.value for box in page.warning).replace("\\", "")


def test_a_value_that_there_is_not_is_said_until_another_is_chosen() -> None:
    page = opened(AppTest.from_function(few), by="mood")
    assert "No dimension is called mood" in said(page)
    assert "Shown instead: prompt" in said(page)
    page.query_params.clear()  # Streamlit takes it off the address
    assert "mood" in said(page.run())
    page.session_state["by"] = "model"
    assert said(page.run()) == ""
    page.session_state["by"] = "prompt"
    assert said(page.run()) == ""


def test_one_that_there_is_is_chosen_in_silence() -> None:
    page = opened(AppTest.from_function(few), by="model")
    assert page.session_state["by"] == "model"
    assert said(page) == ""


def test_of_several_those_that_there_are_not_are_said_until_others_are_chosen() -> None:
    page = opened(AppTest.from_function(some), metric=["cost", "mood"])
    assert page.multiselect[0].value == ["cost"]
    assert "No metric is called mood" in said(page)
    assert "cost" not in said(page)
    assert "mood" in said(page.run())
    assert said(page.multiselect[0].select("errors").run()) == ""
    assert said(page.multiselect[0].unselect("errors").run()) == ""


def test_where_none_of_several_is_there_the_usual_ones_are_chosen() -> None:
    page = opened(AppTest.from_function(some), metric="mood")
    assert page.multiselect[0].value == ["quality"]
    assert "mood" in said(page)
    assert said(opened(AppTest.from_function(some))) == ""


def test_choices_of_few_are_drawn_where_unknown_ones_are_said() -> None:
    package = files("coalmine_dashboards")
    drawn_in = {
        file.name
        for folder in ("pages", "parts")
        for file in (package / folder).iterdir()
        if file.name.endswith(".py") and "st.segmented_control(" in file.read_text(encoding="utf-8")
    }
    assert drawn_in == {"choice.py", "filters.py"}
