"""The laws of the label lattice (DESIGN §5 *Flow*, promise 7)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.model.label import EVERYONE, NOBODY, PUBLIC_TRUSTED, Integrity, Label, Readers, Strictness, unknown_label

names = st.sampled_from(["a", "b", "c", "d"])
sets = st.frozensets(names)
readers = st.frozensets(sets, max_size=4).map(Readers)
labels = st.builds(
    Label,
    sensitivity=st.integers(0, 4),
    categories=st.frozensets(names),
    readers=readers,
    integrity=st.sampled_from(Integrity),
    sources=st.frozensets(names),
    author=st.none() | names,
)
BOTH = Readers(frozenset({frozenset("ab"), frozenset("bc")}))


@given(labels, labels, labels)
def test_join_is_associative(a: Label, b: Label, c: Label) -> None:
    assert a.join(b).join(c) == a.join(b.join(c))


@given(labels, labels)
def test_join_is_commutative(a: Label, b: Label) -> None:
    assert a.join(b) == b.join(a)


@given(labels)
def test_join_is_idempotent(a: Label) -> None:
    assert a.join(a) == a == a.join(replace(a))


@given(labels, labels)
def test_both_operands_flow_to_their_join(a: Label, b: Label) -> None:
    assert a.flows_to(a.join(b))
    assert b.flows_to(a.join(b))


@given(labels, labels, labels)
def test_join_is_the_least_label_above_both(a: Label, b: Label, c: Label) -> None:
    if a.flows_to(c) and b.flows_to(c):
        assert a.join(b).flows_to(c)


@given(labels, labels)
def test_join_is_least_among_labels_above_by_construction(a: Label, b: Label) -> None:
    # The law above is vacuous for most random triples; here the third one lies above both on purpose.
    above = replace(a.join(b), sensitivity=4, readers=NOBODY, integrity=Integrity.UNTRUSTED)
    assert a.flows_to(above)
    assert b.flows_to(above)
    assert a.join(b).flows_to(above)


@given(labels, labels, labels)
def test_flows_to_is_reflexive_and_transitive(a: Label, b: Label, c: Label) -> None:
    assert a.flows_to(a)
    assert a.flows_to(a.join(b))
    assert a.flows_to(a.join(b).join(c))
    if a.flows_to(b) and b.flows_to(c):
        assert a.flows_to(c)


@given(labels, labels)
def test_labels_that_flow_both_ways_protect_alike(a: Label, b: Label) -> None:
    if a.flows_to(b) and b.flows_to(a):
        bare = {"sources": frozenset[str](), "author": None}
        assert replace(a, **bare) == replace(b, **bare)  # type: ignore[arg-type]


@given(labels, labels)
def test_flows_to_is_joining_to_no_effect(a: Label, b: Label) -> None:
    joined = replace(a.join(b), sources=b.sources, author=b.author)
    assert a.flows_to(b) == (joined == b)


@given(labels)
def test_nothing_at_all_is_the_bottom(a: Label) -> None:
    assert PUBLIC_TRUSTED.flows_to(a)
    assert PUBLIC_TRUSTED.join(a) == replace(a, author=None)


@given(labels)
def test_unknown_content_of_the_highest_level_is_above_all_without_categories(a: Label) -> None:
    assert replace(a, categories=frozenset()).flows_to(unknown_label(4))


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        (Label(), Label(readers=Readers.of("a")), Label(readers=Readers.of("a"))),
        (Label(readers=NOBODY), Label(readers=Readers.of("a")), Label(readers=NOBODY)),
        (Label(readers=Readers.of("a", "b")), Label(readers=Readers.of("a")), Label(readers=Readers.of("a"))),
        (Label(readers=Readers.of("a", "b")), Label(readers=Readers.of("b", "c")), Label(readers=BOTH)),
        (Label(sensitivity=1), Label(sensitivity=3), Label(sensitivity=3)),
        (Label(integrity=Integrity.USER), Label(integrity=Integrity.UNTRUSTED), Label(integrity=Integrity.UNTRUSTED)),
        (Label(author="x"), Label(author="y"), Label()),
        (Label(author="x"), Label(author="x"), Label(author="x")),
        (Label(categories=frozenset("p")), Label(categories=frozenset("q")), Label(categories=frozenset("pq"))),
    ],
)
def test_join_by_part(first: Label, second: Label, joined: Label) -> None:
    assert first.join(second) == joined


def test_only_untrusted_content_taints() -> None:
    assert [Label(integrity=integrity).tainted for integrity in Integrity] == [True, False, False, False]


# ── readers ──────────────────────────────────────────────────────────────────────────────────────────────────────────

worlds = st.dictionaries(names, st.frozensets(st.integers(0, 5)), min_size=4, max_size=4)
"""What a directory might say: who is meant by each name."""


def people(who: Readers, world: dict[str, frozenset[int]]) -> frozenset[int]:
    """Whoever may read, by the definition: a member of each set."""
    found = frozenset(range(6))
    for one in who.sets:
        found &= frozenset().union(*(world.get(name, frozenset()) for name in one))
    return found


@given(readers, readers, worlds)
def test_a_join_of_readers_is_exact_whatever_the_directory_says(
    one: Readers, other: Readers, world: dict[str, frozenset[int]]
) -> None:
    assert people(one & other, world) == people(one, world) & people(other, world)


@given(readers, readers, worlds)
def test_readers_within_others_are_so_in_every_directory(
    one: Readers, other: Readers, world: dict[str, frozenset[int]]
) -> None:
    if one.within(other):
        assert people(one, world) <= people(other, world)


@given(readers, sets, worlds)
def test_widened_readers_are_the_same_and_those_named(
    one: Readers, more: frozenset[str], world: dict[str, frozenset[int]]
) -> None:
    assert people(one.widened(more), world) == people(one, world) | people(Readers(frozenset({more})), world) or (
        one.everyone and one.widened(more).everyone
    )


@given(readers)
def test_no_set_of_readers_holds_another_one(one: Readers) -> None:
    assert not any(first < second for first in one.sets for second in one.sets)


@given(readers)
def test_readers_are_written_down_and_read_again(one: Readers) -> None:
    assert Readers.listed(one.lists) == one
    assert one.everyone == (one == EVERYONE)
    assert one.nobody == (one == NOBODY)


def test_readers_in_words() -> None:
    assert [str(EVERYONE), str(NOBODY), str(BOTH)] == ["everyone", "nobody", "a, b and b, c"]


@given(labels, labels)
def test_what_is_strict_stays_so_in_any_join(a: Label, b: Label) -> None:
    strictness = Strictness(level=3, categories=frozenset("ab"))
    assert not strictness.covers(a) or strictness.covers(a.join(b))


@given(labels)
def test_by_default_everything_is_strict(a: Label) -> None:
    assert Strictness().covers(a)
    assert not Strictness(level=None).covers(a)
