"""What is said of a bench: its document, its tables, its picture, and words that mean nothing."""

import io

import pytest
from rich.console import Console

from farswitch.errors import ConfigError
from farswitch.model.settings import Settings
from farswitch.report.bench_bars import throughput_bars
from farswitch.report.page import render
from farswitch.run.print_switch_bench import bench_grids, print_bench
from farswitch.run.report import Report
from farswitch.run.switch_bench_words import BenchExtent, BenchWords
from farswitch.switch_bench.trials import TESTS
from tests.schemas import assert_fits
from tests.unit.report.runs import report, run
from tests.unit.switch_bench.benches import bench
from workflows.switch_bench import switches_of


def test_the_document_fits_the_schema():
    assert_fits("switch", Report("switch-bench", "lab", extras={"bench": bench()}).document())


def test_the_tables_say_who_limits_a_figure_and_leave_the_underlay_out_where_it_is_no_switch():
    rates, latencies, losses, behaviour = bench_grids(bench())
    assert rates.head == ("Switch", "64 B", "1468 B")
    assert rates.rows[:2] == (
        ("bare underlay", "100,000 g", "100,000 g"),
        ("bridge", "90,000", "90,000"),
    )
    assert rates.rows[-1] == ("(sent at most)", "120,000", "120,000")
    assert latencies.rows[1] == ("bridge", "40 / 120", "40 / 120")
    assert [row[1] for row in losses.rows] == ["0", "0", "1.00%"]
    assert behaviour.head == ("", "bridge", "lossy")
    cells = {row[0]: row[1:] for row in behaviour.rows}
    assert cells["addresses kept"] == ("250 of 256",) * 2
    assert cells["broadcast, copies"] == ("100.00%", "99.00%")
    assert cells["recovery of a port, ms"] == ("12", "12")


def test_people_read_why_a_switch_was_not_measured_and_how_trials_deviate():
    console = Console(file=io.StringIO(), width=100)
    print_bench(console, bench())
    text = console.file.getvalue()
    assert "mine was not measured: The program ended." in text
    assert "RFC 2544, 24 wants trials of 60 s: these take 2 s" in text


def test_bars_are_in_proportion_and_mark_what_the_switch_limits():
    first, second = throughput_bars(bench())
    assert (first.size, second.size) == (64, 1468)
    assert [(bar.switch, bar.share, bar.own) for bar in first.bars] == [
        ("bare underlay", 1.0, False),
        ("bridge", 0.9, True),
        ("lossy", 0.3, True),
    ]
    assert list(throughput_bars({})) == []


def test_the_page_of_the_run_has_picture_and_tables():
    page = render(run(report=report("switch-bench", bench=bench())))
    assert page.count("<rect") == 6
    assert "lossy, 1468 bytes: 30,000 frames/s" in page
    assert "mine was not measured" in page


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"frames": "64,x"}, "'--frames' has 'x', wanted bytes from 64"),
        ({"frames": "63"}, "'--frames' has '63'"),
        ({"frames": "64,,512"}, "'--frames' has ''"),
        ({"only": "speed"}, "'--only' has 'speed', wanted some of throughput, latency"),
    ],
)
def test_words_that_mean_nothing_are_refused(words, sentence):
    with pytest.raises(ConfigError) as refused:
        BenchWords(**({"names": (), "frames": "", "seconds": 2.0, "only": ""} | words)).parse()
    assert sentence in str(refused.value)


def test_sizes_are_as_the_mtu_allows():
    assert BenchExtent((), (), 2.0, TESTS).sizes_for(1450) == [64, 128, 256, 512, 1024, 1280, 1468]
    assert BenchExtent((), (64, 1468), 2.0, TESTS).sizes_for(1450) == [64, 1468]
    assert BenchExtent((), (), 2.0, TESTS).sizes_for(1200) == [64, 128, 256, 512, 1024, 1218]
    with pytest.raises(ConfigError, match="Frames of 1469 bytes do not fit: the MTU"):
        BenchExtent((), (1469,), 2.0, TESTS).sizes_for(1450)


def test_without_names_all_of_the_site_are_measured_and_bridge():
    program = {"program": {"command": ["mine", "{ports}"]}}
    settings = Settings(cluster="lab", switch=program, switches={"other": program})
    assert list(switches_of(settings, ())) == ["program", "other", "bridge"]
    assert list(switches_of(settings, ("other", "bridge", "other"))) == ["other", "bridge"]
    with pytest.raises(ConfigError, match="There is no switch 'none'"):
        switches_of(settings, ("none",))
