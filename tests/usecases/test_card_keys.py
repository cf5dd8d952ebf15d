"""Every card has keys of its own, made of its UID and of masters with a version."""

from itertools import combinations

from ledger.vocabulary.medium_record import FIND_KEY

FIND = str(FIND_KEY)
UIDS = [bytes([4, 0, 0, 0, 0, 0, number]) for number in range(1, 5)]


def keys_of(installation, uid):
    """Return what is a card's own: all but the key by which any card is found."""
    told = installation.cards.card_keys(uid)
    own = {number: key for number, key in told["keys"].items() if number != FIND}
    return {*own.values(), told["transaction_mac"]}


def test_no_two_cards_have_a_key_in_common(installation):
    for one, other in combinations(UIDS, 2):
        assert not keys_of(installation, one) & keys_of(installation, other)
    # Nor are two keys of one card the same: who has one has no other.
    assert {len(keys_of(installation, uid)) for uid in UIDS} == {7}
    records = [installation.cards.record_public_key(uid) for uid in UIDS]
    assert len({each.public_bytes_raw() for each in records}) == len(UIDS)


def test_every_card_is_found_by_one_key_that_is_good_for_nothing_else(installation):
    one, other = (installation.cards.card_keys(uid)["keys"] for uid in UIDS[:2])
    assert one[FIND] == other[FIND]
    assert one[FIND] not in keys_of(installation, UIDS[0])
    assert installation.cards.reader_keys(sells=False)["find"] == one[FIND]


def test_only_who_sells_is_told_how_to_debit_and_nobody_how_to_credit(installation):
    dispenser = installation.cards.reader_keys(sells=False)
    till = installation.cards.reader_keys(sells=True)
    assert till.keys() - dispenser.keys() == {"sell"}
    masters = installation.secrets.card_masters()
    assert masters["top_up"] not in {*till.values(), *dispenser.values()}
    assert masters["sell"] not in dispenser.values()


def test_the_keys_of_a_card_are_made_again_and_say_their_version(installation):
    first, again = (installation.cards.card_keys(UIDS[0]) for _ in range(2))
    assert first == again
    assert first["key_version"] >= 1
