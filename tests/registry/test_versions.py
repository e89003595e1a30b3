from datetime import UTC, datetime

import pytest

from coalmine_registry import defaults
from coalmine_registry.errors import BumpTooSmall, Conflict, Forbidden, Invalid, NotFound
from coalmine_registry.records import PromptSummary
from coalmine_registry.registry import Registry
from coalmine_schemas.paging import encode_cursor
from coalmine_schemas.prompts import Message, PromptContent, Variable
from coalmine_schemas.prompts.errors import InvalidPrompt, InvalidTemplate
from tests.support.data.prompt_examples import content
from tests.support.data.registry_case import ANN, BOB, PROMPT, READER, push, serve


def test_a_version_is_read_as_it_was_registered(registry: Registry) -> None:
    rich = PromptContent(
        messages=(Message("system", "Be kind. \0 ünï 🎉"), Message("user", "{{ question }} {{ n }}")),
        variables={"question": Variable(description="asked"), "n": Variable("number", default=1.5)},
        model="gpt-4o-mini",
        parameters={"temperature": 0.1, "stop": ["\0", "end"], "seed": 2**200, "tiny": 1e-300},
        output_schema={"type": "object", "properties": {"b": {}, "a": {}}},
        metadata={"nested": {"deep": [1, None, True]}},
    )
    done = registry.register(ANN, PROMPT, "1.0.0", rich)
    assert done.created
    assert done.classification is None
    found = registry.version(PROMPT, "1.0.0")
    assert PromptContent.from_json(found.content) == rich
    assert (found.digest, done.digest) == (rich.digest(), rich.digest())
    assert (found.author, found.status) == ("ann", "active")
    assert found.created_at.tzinfo is not None
    assert abs((datetime.now(UTC) - found.created_at).total_seconds()) < 600


def test_what_was_read_by_another_process_is_the_same(registry: Registry, address: str) -> None:
    registry.register(ANN, PROMPT, "1.0.0", content(parameters={"temperature": 0.1, "n": 2**70}))
    with Registry.open(address) as other:
        assert other.version(PROMPT, "1.0.0") == registry.version(PROMPT, "1.0.0")


def test_registering_the_same_again_changes_nothing(registry: Registry) -> None:
    registry.register(ANN, PROMPT, "1.0.0", content())
    first = registry.version(PROMPT, "1.0.0")
    again = registry.register(BOB, PROMPT, "1.0.0", content())
    assert not again.created
    assert registry.version(PROMPT, "1.0.0") == first
    assert first.author == "ann"
    assert [entry.action for entry in registry.audit_log().items] == ["register"]


def test_registering_another_content_under_the_same_version_is_a_conflict(registry: Registry) -> None:
    push(registry, "1.0.0")
    with pytest.raises(Conflict, match="another content"):
        registry.register(ANN, PROMPT, "1.0.0", content("Something else: {{ question }}"))
    assert registry.version(PROMPT, "1.0.0").content == content("v1.0.0 {{ question }}").to_json()


def test_versions_that_differ_in_build_metadata_only_rank_alike_and_are_refused(registry: Registry) -> None:
    push(registry, "1.0.0+a")
    with pytest.raises(Conflict, match="build metadata"):
        push(registry, "1.0.0+b")


def test_versions_are_listed_highest_first_by_precedence(registry: Registry) -> None:
    push(registry, "1.9.0", "1.10.0", "1.10.0-rc.1", "1.2.0")
    assert [each.version for each in registry.versions(PROMPT).items] == [
        "1.10.0",
        "1.10.0-rc.1",
        "1.9.0",
        "1.2.0",
    ]
    assert registry.prompts().items[0].latest == "1.10.0"


def test_too_small_a_step_is_refused_and_nothing_is_kept(registry: Registry) -> None:
    push(registry, "1.9.0", "2.0.0")
    changed = content("{{ question }} {{ order }}", variables={"question": Variable(), "order": Variable()})
    with pytest.raises(BumpTooSmall, match=r"required variable order was added: major"):
        registry.register(ANN, PROMPT, "1.10.0", changed)
    with pytest.raises(NotFound):
        registry.version(PROMPT, "1.10.0")
    found = registry.register(ANN, PROMPT, "3.0.0", changed).classification
    assert found is not None
    assert (found.previous, found.level) == ("2.0.0", "major")
    assert registry.version(PROMPT, "3.0.0").classification == found


def test_a_patch_of_an_old_line_is_compared_with_that_line(registry: Registry) -> None:
    push(registry, "1.0.0")
    grown = {"question": Variable(), "order": Variable()}
    registry.register(ANN, PROMPT, "2.0.0", content("{{ question }} {{ order }}", variables=grown))
    found = registry.register(ANN, PROMPT, "1.0.1", content("Fixed: {{ question }}")).classification
    assert found is not None
    assert (found.previous, found.level) == ("1.0.0", "patch")


def test_a_dry_run_says_what_would_happen_and_writes_nothing(registry: Registry) -> None:
    push(registry, "1.0.0")
    proposal = registry.classify(PROMPT, "1.1.0", content("Other {{ question }}", model="gpt-4o"))
    assert proposal.created
    assert proposal.classification is not None
    assert proposal.classification.level == "minor"
    assert not registry.classify(PROMPT, "1.0.0", content("v1.0.0 {{ question }}")).created
    assert len(registry.versions(PROMPT).items) == 1
    with pytest.raises(BumpTooSmall):
        registry.classify(PROMPT, "1.0.1", content("Other {{ question }}", model="gpt-4o"))


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ question", "unexpected end"),
        ("{{ question }} {{ other }}", "other"),
        ("{{ question.__class__ }}", "__class__"),
        ('{{ question }}{% include "style@1.0.0" %}', "style@1.0.0"),
    ],
)
def test_a_template_that_cannot_be_rendered_is_refused(
    registry: Registry, template: str, message: str
) -> None:
    with pytest.raises(InvalidTemplate, match=message):
        registry.register(ANN, PROMPT, "1.0.0", content(template))
    assert registry.prompts().items == []


def test_included_prompts_bring_their_variables_into_the_comparison(registry: Registry) -> None:
    registry.register(ANN, "style", "1.0.0", PromptContent(template="Be kind."))
    branded = PromptContent(template="Be {{ brand }}.", variables={"brand": Variable()})
    registry.register(ANN, "style", "2.0.0", branded)
    registry.register(ANN, PROMPT, "1.0.0", content('{{ question }}{% include "style@1.0.0" %}'))
    newer = content('{{ question }}{% include "style@2.0.0" %}')
    with pytest.raises(BumpTooSmall, match="required variable brand was added"):
        registry.register(ANN, PROMPT, "1.1.0", newer)
    registry.register(ANN, PROMPT, "2.0.0", newer)


@pytest.mark.parametrize(
    ("name", "version"), [("Support", "1.0.0"), ("", "1.0.0"), (PROMPT, "1.0"), (PROMPT, "latest")]
)
def test_names_and_versions_that_are_none_are_refused(registry: Registry, name: str, version: str) -> None:
    with pytest.raises(InvalidPrompt):
        registry.register(ANN, name, version, content())


def test_a_reader_registers_nothing(registry: Registry) -> None:
    with pytest.raises(Forbidden, match="rita is reader and may not register versions"):
        push(registry, "1.0.0", author=READER)


@pytest.mark.parametrize("name", ["nothing", "Not a name", "zero\0byte", "\ud800", "x" * 5000])
def test_what_is_not_there_is_not_found_whatever_it_is_called(registry: Registry, name: str) -> None:
    with pytest.raises(NotFound):
        registry.version(name, "1.0.0")
    with pytest.raises(NotFound):
        registry.version(PROMPT, name)
    with pytest.raises(NotFound):
        registry.versions(name)


def test_prompts_come_in_pages_by_name(registry: Registry) -> None:
    names = [f"prompt-{number}" for number in range(5)]
    for name in reversed(names):
        push(registry, "1.0.0", prompt=name)
    serve(registry, "1.1.0", prompt="prompt-3")
    seen: list[PromptSummary] = []
    cursor = None
    while True:
        page = registry.prompts(limit=2, cursor=cursor)
        seen += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert [each.name for each in seen] == names
    assert (seen[3].latest, seen[3].versions, seen[3].serving) == ("1.1.0", 2, {"prod": "1.1.0"})
    assert seen[3].created_at <= seen[3].updated_at
    assert (seen[0].versions, seen[0].serving) == (1, {})


@pytest.mark.parametrize(
    ("limit", "cursor"),
    [
        (0, None),
        (True, None),
        (10, "No Name"),
        (10, "\0"),
        (10, encode_cursor([1])),
        (10, encode_cursor(["\0"])),
    ],
)
def test_a_page_that_cannot_be_is_refused(registry: Registry, limit: int, cursor: str | None) -> None:
    with pytest.raises(Invalid):
        registry.prompts(limit, cursor)


def test_versions_come_in_pages_by_precedence(registry: Registry) -> None:
    push(registry, *(f"1.{minor}.0" for minor in range(7)), "1.6.1-rc.1")
    expected = ["1.6.1-rc.1", *(f"1.{minor}.0" for minor in range(6, -1, -1))]
    first = registry.versions(PROMPT, limit=3)
    second = registry.versions(PROMPT, limit=3, cursor=first.next_cursor)
    third = registry.versions(PROMPT, limit=3, cursor=second.next_cursor)
    assert [each.version for page in (first, second, third) for each in page.items] == expected
    assert third.next_cursor is None
    for cursor in ("nonsense", encode_cursor([1]), encode_cursor(["9.9.9"])):
        with pytest.raises(Invalid, match="cursor"):
            registry.versions(PROMPT, cursor=cursor)
    with pytest.raises(Invalid, match="limit"):
        registry.versions(PROMPT, limit=0)


def test_a_limit_beyond_the_longest_page_gives_the_longest_page(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(defaults, "LONGEST_PAGE", 2)
    for name in ("one", "two", "three"):
        push(registry, "1.0.0", prompt=name)
    push(registry, "1.1.0", "1.2.0", prompt="one")
    for page in (registry.prompts(1000), registry.versions("one", 1000), registry.audit_log(limit=1000)):
        assert len(page.items) == 2
        assert page.next_cursor is not None


def test_what_is_misspelt_is_suggested(registry: Registry) -> None:
    push(registry, "1.0.0", "1.10.0")
    for ask in (registry.versions, registry.prompt):
        with pytest.raises(NotFound, match=r"no prompt 'suport-refund': did you mean support-refund\?"):
            ask("suport-refund")
    with pytest.raises(NotFound, match="no prompt 'greeting': push it first"):
        registry.versions("greeting")
    with pytest.raises(NotFound, match=r"of prompt support-refund: did you mean 1\.10\.0\?"):
        registry.version(PROMPT, "1.10.1")
    with pytest.raises(NotFound, match=r"no prompt 'suport-refund': did you mean support-refund\?"):
        registry.version("suport-refund", "1.0.0")


def test_one_prompt_is_summed_up_as_in_the_list(registry: Registry) -> None:
    serve(registry, "1.0.0", "1.9.0", "1.10.0")
    serve(registry, "1.0.0", prompt="other")
    registry.promote(BOB, PROMPT, "1.9.0", "dev")
    found = registry.prompt(PROMPT)
    assert found == registry.prompts().items[1]
    assert (found.latest, found.versions, found.serving) == ("1.10.0", 3, {"dev": "1.9.0", "prod": "1.10.0"})


def test_a_diff_has_the_lines_and_the_bump(registry: Registry) -> None:
    push(registry, "1.0.0", "1.0.1")
    found = registry.diff(PROMPT, "1.0.0", "1.0.1")
    assert (found.classification.previous, found.classification.level) == ("1.0.0", "patch")
    assert [(each.kind, each.text) for each in found.lines if each.kind in ("added", "removed")] == [
        ("removed", "-v1.0.0 {{ question }}"),
        ("added", "+v1.0.1 {{ question }}"),
    ]
    with pytest.raises(NotFound):
        registry.diff(PROMPT, "1.0.0", "3.0.0")
