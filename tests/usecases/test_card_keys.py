"""Every card has keys of its own, made of its UID and of masters with a version."""

from itertools import combinations

UIDS = [bytes([4, 0, 0, 0, 0, 0, number]) for number in range(1, 5)]


def keys_of(installation, uid):
    told = installation.cards.card_keys(uid)
    return {*told["keys"].values(), told["transaction_mac"]}


def test_no_two_cards_have_a_key_in_common(installation):
    for one, other in combinations(UIDS, 2):
        assert not keys_of(installation, one) & keys_of(installation, other)
    # Nor are two keys of one card the same: who has one has no other.
    assert {len(keys_of(installation, uid)) for uid in UIDS} == {5}
    records = [installation.cards.record_public_key(uid) for uid in UIDS]
    assert len({each.public_bytes_raw() for each in records}) == len(UIDS)


def test_the_keys_of_a_card_are_made_again_and_say_their_version(installation):
    first, again = (installation.cards.card_keys(UIDS[0]) for _ in range(2))
    assert first == again
    assert first["key_version"] >= 1
