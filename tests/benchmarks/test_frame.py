"""The frame alone: what is written, and that every name is documented. No timing."""

import json
import re
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from tests.benchmarks.__main__ import main, run
from tests.benchmarks.catalogue import BENCHMARKS
from tests.benchmarks.crew import Spell
from tests.benchmarks.frame import Benchmark, Place, Result, keep

DOCUMENT = Path(__file__).parents[2] / "docs" / "benchmarks.md"
SHAPE = {
    "value": float,
    "unit": str,
    "baseline": float,
    "ratio": float,
    "n": int,
    "note": str,
}
BY_NAME = {each.name: each for each in BENCHMARKS}


@pytest.fixture
def place(tmp_path: Path):
    with ExitStack() as opened:
        yield Place(opened, tmp_path, lambda _doing: None)


def results(home: Path):
    return json.loads((home / "results.json").read_text())


def a_result(value: float) -> Result:
    return Result(value=value, unit="things/s", baseline=4.0, n=7, note="said")


def giving(name: str, value: float) -> Benchmark:
    return Benchmark(name, lambda _place: a_result(value))


def test_a_run_writes_results_of_the_agreed_shape(tmp_path: Path):
    names = ["tap_exchanges", "tap_bytes", "tap_ms_106", "tap_ms_424"]
    run([BY_NAME[name] for name in names], Console(quiet=True), tmp_path)
    written = results(tmp_path)
    assert sorted(written) == sorted(names)
    for result in written.values():
        assert set(result) == set(SHAPE)
        for name, kind in SHAPE.items():
            assert isinstance(result[name], kind | int if kind is float else kind)
        assert result["ratio"] == pytest.approx(result["value"] / result["baseline"])
        assert result["n"] > 0
        assert result["note"]


def test_a_benchmark_run_alone_leaves_the_other_figures_as_they_were(tmp_path: Path):
    for name, value in (("one", 1.0), ("other", 2.0), ("one", 3.0)):
        run([giving(name, value)], Console(quiet=True), tmp_path)
    kept = {name: result["value"] for name, result in results(tmp_path).items()}
    assert kept == {"one": 3.0, "other": 2.0}


def test_a_figure_is_kept_even_if_the_next_benchmark_fails(tmp_path: Path):
    def fails(_place: Place) -> Result:
        raise RuntimeError("no database")

    chosen = [giving("good", 1), Benchmark("bad", fails)]
    with pytest.raises(RuntimeError):
        run(chosen, Console(quiet=True), tmp_path)
    assert sorted(results(tmp_path)) == ["good"]


def test_a_run_leaves_nothing_but_its_results(tmp_path: Path):
    def litters(place: Place) -> Result:
        (place.folder / "rows").write_text("many")
        return a_result(1)

    run([Benchmark("one", litters)], Console(quiet=True), tmp_path)
    assert [left.name for left in tmp_path.iterdir()] == ["results.json"]


def test_sides_take_turns_and_the_median_of_the_counted_rounds_stands(place: Place):
    turns: list[str] = []
    figures = {
        "ours": iter([99.0, 1.0, 9.0, 2.0]),
        "theirs": iter([0.0, 4.0, 4.0, 8.0]),
    }

    def turn(side: str) -> float:
        turns.append(side)
        return next(figures[side])

    medians = place.alternate(
        {"ours": lambda: turn("ours"), "theirs": lambda: turn("theirs")}, rounds=3
    )
    assert turns == ["ours", "theirs"] * 4
    assert medians == {"ours": 2.0, "theirs": 4.0}


def test_what_benchmarks_share_is_made_once_a_run(place: Place):
    made: list[Place] = []

    def make(given: Place) -> int:
        made.append(given)
        return len(made)

    assert (place.once(make), place.once(make)) == (1, 1)


def test_a_rate_counts_to_the_last_hands_end():
    assert Spell(seconds=2.0, latencies_s=(0.5, 0.5, 1.0)).rate == 1.5


def test_every_benchmark_is_documented_once_by_its_name():
    documented = re.findall(r"^\| `(\w+)` \|", DOCUMENT.read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(BY_NAME)
    assert len(BY_NAME) == len(BENCHMARKS)


def test_a_name_that_is_none_is_refused_in_one_sentence():
    refused = CliRunner().invoke(main, ["append_33_vs_stock"])
    assert refused.exit_code == 2
    assert "There is no benchmark append_33_vs_stock" in refused.output


def test_results_that_are_half_written_are_never_seen(tmp_path: Path):
    keep({"one": a_result(1)}, tmp_path / "results.json")
    broken = Result(value=1, unit="", baseline=1, n=1, note=Path())  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        keep({"one": broken}, tmp_path / "results.json")
    assert results(tmp_path)["one"]["value"] == 1
