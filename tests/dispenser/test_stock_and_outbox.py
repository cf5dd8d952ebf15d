"""What the machine keeps on its own disk: whole or not at all, and never twice.

Seen to fail: a stock kept without flushing its folder, one that is counted without a
lock, a number that is not spent, a job's file written in place, damage accepted because
it is JSON.
"""

import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispenser.outbox import Job, Outbox, OutboxDamaged, Stage
from dispenser.stock import PAPERS_MAX, PaperStock, StockError

TOLD = "2026-11-22T12:00:00+00:00"
JOB = Job(str(UUID(int=1)), str(UUID(int=2)), Stage.LEASED)
PRINTED = JOB.at(Stage.PRINTED, serial="D1-000001", printed_at=TOLD)


class PowerCut(BaseException):
    """The machine stops here."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stock.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


def test_numbers_go_up_and_never_come_back(path):
    PaperStock(path).add(2, prefix="D1")
    assert PaperStock(path).take() == "D1-000001"
    assert PaperStock(path).take() == "D1-000002"
    PaperStock(path).add(1, prefix="OTHER")
    assert PaperStock(path).take() == "D1-000003"


def test_an_empty_tray_is_said_in_words_and_spends_nothing(path):
    stock = PaperStock(path)
    with pytest.raises(StockError, match="No paper was put in"):
        stock.take()
    stock.add(1, prefix="D1")
    stock.take()
    for ask in (stock.require, stock.take):
        with pytest.raises(StockError, match="out of paper"):
            ask()
    assert stock.look().next_number == 2


@pytest.mark.parametrize("papers", [0, -1, PAPERS_MAX + 1])
def test_only_so_much_paper_is_put_in(path, papers):
    with pytest.raises(StockError, match="papers can be put in"):
        PaperStock(path).add(papers, prefix="D1")


@pytest.mark.parametrize("prefix", ["", "d1", "-D", "../../etc", "D 1", "Ä1", "X" * 17])
def test_a_prefix_that_no_serial_can_have_is_refused_at_once(path, prefix):
    with pytest.raises(StockError, match="capital letters"):
        PaperStock(path).add(5, prefix=prefix)
    assert not path.exists()


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "{}", "{", "\x00", '{"prefix": "D1"}',
        '{"prefix": "D1", "next_number": "7", "left": 3}',
        '{"prefix": "D1", "next_number": 7, "left": "3"}',
        '{"prefix": "D1", "next_number": -7, "left": 3}',
        '{"prefix": "D1", "next_number": true, "left": 3}',
        '{"prefix": "../x", "next_number": 1, "left": 3}',
        '{"prefix": 5, "next_number": 1, "left": 3}',
        '{"prefix": "D1", "next_number": 1, "left": 3, "more": 4}',
    ],
)  # fmt: skip
def test_a_damaged_stock_is_refused_and_left_as_it_is(path, text):
    path.write_text(text)
    stock = PaperStock(path)
    for ask in (stock.look, stock.require, stock.take):
        with pytest.raises(StockError, match="cannot be read"):
            ask()
    with pytest.raises(StockError, match="cannot be read"):
        stock.add(5, prefix="D1")
    assert path.read_text() == text


@given(raw=st.binary(max_size=60))
def test_no_bytes_in_the_files_make_it_stumble(tmp_path_factory, raw):
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "stock.json").write_bytes(raw)
    with pytest.raises(StockError):
        PaperStock(folder / "stock.json").take()
    (folder / f"{UUID(int=1)}.json").write_bytes(raw)
    with pytest.raises(OutboxDamaged):
        list(Outbox(folder).jobs())


def test_two_that_take_at_once_never_get_the_same_number(path):
    PaperStock(path).add(60, prefix="D1")
    with ThreadPoolExecutor(6) as pool:
        taken = list(pool.map(lambda _: PaperStock(path).take(), range(60)))
    assert len(set(taken)) == 60
    assert PaperStock(path).look().left == 0


def test_another_program_that_fills_the_tray_repeats_no_number(path):
    PaperStock(path).add(1, prefix="D1")
    fill = (
        "import sys; from pathlib import Path; from dispenser.stock import PaperStock\n"
        "for _ in range(40): PaperStock(Path(sys.argv[1])).add(1, prefix='D1')"
    )
    filling = subprocess.Popen([sys.executable, "-c", fill, str(path)])
    taken = []
    while filling.poll() is None:
        try:
            taken.append(PaperStock(path).take())
        except StockError as empty:
            assert "out of paper" in str(empty)  # noqa: PT017
    assert filling.returncode == 0
    assert len(set(taken)) == len(taken)
    assert PaperStock(path).look().left == 41 - len(taken)


@pytest.mark.parametrize("call", ["open", "fsync", "replace"])
def test_power_lost_while_a_number_is_spent_gives_it_once_or_not_at_all(
    path, monkeypatch, call
):
    stock = PaperStock(path)
    stock.add(5, prefix="D1")
    first = stock.take()
    with monkeypatch.context() as power:
        _cut(power, call)
        with pytest.raises(PowerCut):
            stock.take()
    assert PaperStock(path).look().left == 4
    assert PaperStock(path).take() != first


def test_a_spent_number_is_on_disk_with_its_name(path, monkeypatch):
    PaperStock(path).add(5, prefix="D1")
    assert _flushed(monkeypatch, PaperStock(path).take) == ["file", "folder"]


def test_a_noted_job_is_on_disk_with_its_name(folder, monkeypatch):
    outbox = Outbox(folder)
    noted = _flushed(monkeypatch, lambda: outbox.note(JOB))
    assert noted == ["file", "folder"]
    assert _flushed(monkeypatch, lambda: outbox.close(JOB)) == ["folder"]


def test_a_job_is_kept_whole_until_it_is_closed(folder):
    Outbox(folder).note(JOB)
    assert list(Outbox(folder).jobs()) == [JOB]
    Outbox(folder).note(PRINTED)
    assert list(Outbox(folder).jobs()) == [PRINTED]
    Outbox(folder).close(PRINTED)
    Outbox(folder).close(PRINTED)
    assert list(Outbox(folder).jobs()) == []


@pytest.mark.parametrize("call", ["open", "fsync", "replace"])
def test_power_lost_while_a_job_is_noted_leaves_the_stage_before(
    folder, monkeypatch, call
):
    outbox = Outbox(folder)
    outbox.note(JOB)
    with monkeypatch.context() as power:
        _cut(power, call)
        with pytest.raises(PowerCut):
            outbox.note(PRINTED)
    assert list(Outbox(folder).jobs()) == [JOB]


@pytest.mark.parametrize(
    "changes",
    [
        {"stage": "FLYING"}, {"stage": None}, {"job_id": 7}, {"job_id": "7"},
        {"ticket_id": None}, {"more": 1}, {"serial": 5}, {"printed_at": "noon"},
        {"printed_at": None}, {"serial": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_damaged_job_is_refused_and_left_as_it_is(folder, changes):
    outbox = Outbox(folder)
    outbox.note(PRINTED)
    (path,) = folder.glob("*.json")
    damaged = json.dumps(json.loads(path.read_text()) | changes)
    path.write_text(damaged)
    with pytest.raises(OutboxDamaged, match="cannot be read") as refusal:
        list(outbox.jobs())
    assert refusal.value.code == "in_doubt"
    assert path.read_text() == damaged


def _cut(power: pytest.MonkeyPatch, call: str) -> None:
    """Cut the power at one call on the disk."""

    def cut(*_: object, **__: object) -> None:
        raise PowerCut

    if call == "fsync":
        power.setattr(os, "fsync", cut)
    elif call == "replace":
        power.setattr(Path, "replace", cut)
    else:
        writes = Path.open

        def opened(path: Path, mode: str = "r", *more: object, **named: object):
            if "w" in mode:
                raise PowerCut
            return writes(path, mode, *more, **named)  # type: ignore[call-overload]

        power.setattr(Path, "open", opened)


def _flushed(monkeypatch: pytest.MonkeyPatch, do) -> list[str]:
    """Return what was flushed to the disk, in order."""
    flushed, flush = [], os.fsync

    def noted(handle: int) -> None:
        flushed.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        flush(handle)

    with monkeypatch.context() as watched:
        watched.setattr(os, "fsync", noted)
        do()
    return flushed
