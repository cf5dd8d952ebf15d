"""Every benchmark by its name. Names outlive what is behind them: they are compared
over the years."""

from functools import partial

from tests.benchmarks import appends, audits, bulk, doors, exports, replays, taps
from tests.benchmarks.frame import Benchmark

BENCHMARKS = (
    Benchmark("append_1_vs_stock", appends.versus(appends.by_1, "promised stock")),
    Benchmark("append_8_vs_stock", appends.versus(appends.by_8, "promised stock")),
    Benchmark("append_32_vs_stock", appends.versus(appends.by_32, "promised stock")),
    Benchmark("append_1_vs_insert", appends.versus(appends.by_1, "promised insert")),
    Benchmark("append_8_vs_insert", appends.versus(appends.by_8, "promised insert")),
    Benchmark("append_32_vs_insert", appends.versus(appends.by_32, "promised insert")),
    Benchmark("placed_1_vs_stock", appends.versus(appends.by_1, "placed stock")),
    Benchmark("placed_8_vs_stock", appends.versus(appends.by_8, "placed stock")),
    Benchmark("placed_32_vs_stock", appends.versus(appends.by_32, "placed stock")),
    Benchmark("visible_1_vs_stock", partial(appends.visible, writers=1)),
    Benchmark("visible_8_vs_stock", partial(appends.visible, writers=8)),
    Benchmark("visible_32_vs_stock", partial(appends.visible, writers=32)),
    Benchmark("freshness_vs_bare", doors.freshness),
    Benchmark("dispense_vs_bare", doors.dispense),
    Benchmark("freshness_half_load_p99_vs_bare", doors.freshness_at_half_load),
    Benchmark("dispense_half_load_p99_vs_bare", doors.dispense_at_half_load),
    Benchmark("replay_events_per_minute_per_core", replays.replay),
    Benchmark("load_1000_vs_10_events", replays.load),
    Benchmark("as_of_position_1000_events", audits.by_position),
    Benchmark("as_of_time_1000_events", audits.by_time),
    Benchmark("export_vs_select", exports.export),
    Benchmark("verify_events_per_minute_per_core", exports.verify),
    Benchmark("verify_memory_1e6_vs_1e5", exports.memory),
    Benchmark("bulk_append_vs_copy", bulk.append),
    Benchmark("bulk_issue_vs_copy", bulk.issue),
    Benchmark("tap_exchanges", taps.exchanges),
    Benchmark("tap_bytes", taps.total_bytes),
    Benchmark("tap_ms_106", taps.ms_at_106),
    Benchmark("tap_ms_424", taps.ms_at_424),
)
