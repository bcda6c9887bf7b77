"""The rules of claims, as tables and as random sequences; the file over a local shell."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farswitch.connections.shell.local import LocalShell
from farswitch.errors import ConfigError
from farswitch.state.document import NewerDocumentError
from farswitch.state.journal import (
    JournalConflictError,
    JournalDamagedError,
    dump,
    load,
    parse,
    store,
    stored,
    tidy,
)
from farswitch.state.keys import (
    ChainKey,
    DefinitionKey,
    FolderKey,
    PolicyKey,
    ResetKey,
    RulesKey,
    SettingKey,
    UnknownKey,
    parse_key,
)
from farswitch.state.saved_settings import Claim, Journal, claim, claim_more, release

OLD, OURS, THEIRS = ("0",), ("1",), ("7",)
KEY = SettingKey("k")


def held(*owners: str, saved=OLD) -> Journal:
    return Journal({KEY: Claim(saved, OURS, frozenset(owners))})


@pytest.mark.parametrize(
    ("before", "have", "after"),
    [
        pytest.param(Journal(), OLD, held("a"), id="first-claim-saves"),
        pytest.param(Journal(), OURS, held("a", saved=OURS), id="right-already-is-saved-too"),
        pytest.param(held("b"), OURS, held("a", "b"), id="second-owner-joins"),
        pytest.param(held("a"), OURS, held("a"), id="again-changes-nothing"),
        pytest.param(held("a"), OLD, held("a"), id="crash-before-the-effect"),
        pytest.param(held("b"), THEIRS, held("a", "b", saved=THEIRS), id="foreign-change-is-saved"),
    ],
)
def test_claim(before, have, after):
    assert claim(before, KEY, "a", have, OURS) == after


@pytest.mark.parametrize(
    ("before", "have", "outcome", "after"),
    [
        pytest.param(Journal(), OLD, "not-ours", Journal(), id="apply-never-ran"),
        pytest.param(held("b"), OURS, "not-ours", held("b"), id="not-an-owner"),
        pytest.param(held("a", "b"), OURS, "shared", held("b"), id="others-need-it"),
        pytest.param(held("a"), OURS, "restore", Journal(), id="last-owner-gives-back"),
        pytest.param(held("a"), OLD, "same", Journal(), id="given-back-before-a-crash"),
        pytest.param(held("a"), THEIRS, "foreign", Journal(), id="theirs-stays"),
    ],
)
def test_release(before, have, outcome, after):
    released = release(before, KEY, "a", have)
    assert (released.outcome, released.journal) == (outcome, after)


EVENTS = [("build", "a"), ("build", "b"), ("teardown", "a"), ("teardown", "b"), ("admin", "5")]


@settings(deadline=None)
@given(st.lists(st.sampled_from(EVENTS), max_size=12))
def test_value_is_right_after_every_sequence(events):
    """While a cluster stands a build's value holds; with none it is the last value not ours."""
    value, foreign, owners, journal = "0", "0", set(), Journal()
    for event, who in events:
        if event == "admin":
            value = foreign = who
        elif event == "build":
            journal = claim(journal, KEY, who, (value,), OURS)
            value = "1"
            owners.add(who)
        else:
            released = release(journal, KEY, who, (value,))
            journal = released.journal
            if released.outcome == "restore":
                value = released.saved[0]
            owners.discard(who)
        assert journal.owners((SettingKey,)) == owners
        if not owners:
            assert value == foreign
    assert (journal == Journal()) == (not owners)


@pytest.mark.parametrize(
    ("saved", "have", "after"),
    [
        pytest.param((), ("r1", "r2"), ("r1", "r2"), id="taken-in-order"),
        pytest.param(("r1", "r2"), (), ("r1", "r2"), id="nothing-new"),
        pytest.param(("r1", "r2"), ("r1", "r2"), ("r1", "r2"), id="came-back-is-kept-once"),
        pytest.param(("r1",), ("r1", "r1"), ("r1", "r1"), id="twice-stays-twice"),
        pytest.param(("r1",), ("r3", "r1", "r2"), ("r1", "r3", "r2"), id="new-after-old"),
    ],
)
def test_claim_more(saved, have, after):
    book = Journal({KEY: Claim(saved, (), frozenset({"b"}))} if saved else {})
    found = claim_more(book, KEY, have, {"a"}).claims[KEY]
    assert found.saved == after
    assert "a" in found.owners


CLAIMS = st.builds(
    Claim,
    st.lists(st.text()).map(tuple),
    st.lists(st.text()).map(tuple),
    st.frozensets(st.text()),
)


@settings(deadline=None)
@given(st.dictionaries(st.text().map(parse_key), CLAIMS))
def test_dump_and_parse_are_inverse(claims):
    assert parse(dump(Journal(claims))) == Journal(claims)


@pytest.fixture
def shell():
    return LocalShell("here")


def test_file_and_folder_go_with_the_last_claim(shell, tmp_path):
    folder = tmp_path / "farswitch"
    kept = store(shell, held("a"), folder=str(folder))
    assert (folder / "journal.json").stat().st_mode & 0o777 == 0o600
    assert load(shell, folder=str(folder)) == kept
    store(shell, kept.put(KEY, None), folder=str(folder))
    assert not folder.exists()


def test_empty_journal_makes_no_file(shell, tmp_path):
    store(shell, Journal(), folder=str(tmp_path / "farswitch"))
    assert list(tmp_path.iterdir()) == []


def test_folder_with_other_files_stays(shell, tmp_path):
    (tmp_path / "other").touch()
    kept = store(shell, held("a"), folder=str(tmp_path))
    store(shell, kept.put(KEY, None), folder=str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_second_controller_is_refused(shell, tmp_path):
    mine = load(shell, folder=str(tmp_path))
    store(shell, held("b"), folder=str(tmp_path))
    with pytest.raises(JournalConflictError, match="'here'"):
        store(shell, mine.put(KEY, Claim(OLD, OURS, frozenset({"a"}))), folder=str(tmp_path))
    assert load(shell, folder=str(tmp_path)) == held("b")


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"{", b"[]", b'{"version": "2", "claims": {}}', b'{"version": 1}',
     b'{"version": 1, "claims": {"k": {}}}',
     b'{"version": 1, "claims": {"k": {"saved": "x", "ours": [], "owners": []}}}'],
)  # fmt: skip
def test_damaged_journal_is_an_error_and_stays(shell, tmp_path, content):
    path = tmp_path / "journal.json"
    path.write_bytes(content)
    with pytest.raises(JournalDamagedError, match=r"journal\.json"):
        load(shell, folder=str(tmp_path))
    assert path.read_bytes() == content


def test_what_a_power_cut_left_beside_no_journal_goes(shell, tmp_path):
    folder = tmp_path / "farswitch"
    folder.mkdir()
    (folder / "journal.json.new").write_text("half")
    tidy(shell, folder=str(folder))
    assert not folder.exists()
    tidy(shell, folder=str(folder))
    kept = store(shell, held("a"), folder=str(folder))
    tidy(shell, folder=str(folder))
    assert load(shell, folder=str(folder)) == kept


CHAIN = ChainKey("nft", "inet my table", "a|b")
NAMES = {
    "sysctl:net.ipv4.ip_forward": SettingKey("net.ipv4.ip_forward"),
    "sysctl:/etc/udev/rules.d": FolderKey("/etc/udev/rules.d"),
    "firewall:rules|nft|inet my table|a|b": RulesKey(CHAIN),
    "firewall:policy|nft|inet my table|a|b": PolicyKey(CHAIN),
    "firewall:chain|nft|inet my table|a|b": DefinitionKey(CHAIN),
    "firewall:reset": ResetKey(),
    "firewall:rules|nft": UnknownKey("firewall:rules|nft"),
    "firewall:sets|nft|ip t|s": UnknownKey("firewall:sets|nft|ip t|s"),
    "k": UnknownKey("k"),
    "": UnknownKey(""),
}


@pytest.mark.parametrize("text", NAMES)
def test_a_key_has_one_name_in_the_file(text):
    assert parse_key(text) == NAMES[text]
    assert str(NAMES[text]) == text


def test_the_parts_of_one_chain_are_different_keys():
    parts = [RulesKey(CHAIN), PolicyKey(CHAIN), DefinitionKey(CHAIN)]
    assert len(set(parts)) == len(parts)
    assert RulesKey(CHAIN) != PolicyKey(CHAIN)


def test_a_claim_of_no_known_kind_stays(shell, tmp_path):
    other = UnknownKey("switch:ports")
    kept = store(shell, Journal({other: Claim(OLD, OURS, frozenset("a"))}), folder=str(tmp_path))
    store(shell, claim(kept, KEY, "a", OLD, OURS), folder=str(tmp_path))
    assert list(load(shell, folder=str(tmp_path)).claims) == [other, KEY]


VERSION_1 = b"""\
{
 "version": 1,
 "claims": {
  "sysctl:net.ipv4.ip_forward": {
   "saved": [
    "0"
   ],
   "ours": [
    "1"
   ],
   "owners": [
    "lab",
    "other"
   ]
  },
  "firewall:policy|iptables-legacy|filter|FORWARD": {
   "saved": [
    "drop"
   ],
   "ours": [
    "accept"
   ],
   "owners": [
    "lab"
   ]
  },
  "firewall:reset": {
   "saved": [],
   "ours": [],
   "owners": [
    "lab"
   ]
  }
 }
}
"""
"""As commit 9346752 wrote it."""


def test_a_journal_of_the_release_before_is_read_and_kept_as_it_is():
    journal = parse(VERSION_1)
    owners = frozenset({"lab", "other"})
    forward = Claim(("0",), ("1",), owners)
    policy = PolicyKey(ChainKey("iptables-legacy", "filter", "FORWARD"))
    assert journal.claims[SettingKey("net.ipv4.ip_forward")] == forward
    assert list(journal.claims)[1:] == [policy, ResetKey()]
    assert journal.keys(PolicyKey, "lab") == (policy,)
    assert journal.held() == {"lab": 3, "other": 1}
    assert dump(journal) == VERSION_1
    assert stored(journal)


def test_a_journal_of_a_newer_release_is_refused_as_a_mistake_of_use_and_stays(shell, tmp_path):
    path = tmp_path / "journal.json"
    path.write_bytes(b'{"version": 2, "claims": {}}')
    with pytest.raises(NewerDocumentError, match=r"journal\.json' on server 'here' has version 2;"):
        load(shell, folder=str(tmp_path))
    assert issubclass(NewerDocumentError, ConfigError)
    assert path.read_bytes() == b'{"version": 2, "claims": {}}'
