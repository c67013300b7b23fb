"""The 22 promises of docs/rely_on.md: each has a line there, and tests that are named here and exist."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from stored_runs import ESCAPE

import ensemble as en

TESTS = Path(__file__).parents[1]
KILLED, STORES, WORKERS = (
    "reliability/test_killed_stores.py",
    "reliability/test_stores.py",
    "reliability/test_workers.py",
)
PROMISES = {
    1: ["test_random.py::test_numpy_gives_the_known_answers", "test_random.py::test_the_device_path_gives_the_known_answers"],
    2: [f"{STORES}::test_shards_of_any_size_have_the_same_bits", "test_bits.py::test_no_cut_into_batches_changes_a_bit"],
    3: [f"{WORKERS}::test_any_number_of_workers_gives_the_same_bits", f"{KILLED}::test_any_number_of_processes_work_on_one_folder"],
    4: [f"{STORES}::test_more_instances_and_more_steps_add_to_what_is_there", "test_bits.py::test_the_first_n_of_2n_are_those_of_n"],
    5: [f"{STORES}::test_checkpoints_are_gone_on_from", "test_bits.py::test_a_resumed_run_is_the_unbroken_one"],
    6: [
        f"{KILLED}::test_after_kills_at_random_moments_the_same_call_ends_with_the_same_bits",
        f"{KILLED}::test_a_writer_killed_between_writing_and_renaming",
    ],
    7: [f"{KILLED}::test_a_full_disk_loses_nothing", "reliability/test_saving.py::test_a_full_disk_costs_neither"],
    8: [
        f"{KILLED}::test_sixty_flipped_bits_of_a_shard_are_found_by_verify",
        "reliability/test_checksums.py::test_sixty_flipped_bits_of_sixty_are_found_and_named",
        "reliability/test_checksums.py::test_a_file_cut_short_anywhere_or_empty_is_refused",
    ],
    9: [
        f"{KILLED}::test_a_second_writer_is_refused_at_once",
        f"{KILLED}::test_the_lock_of_a_dead_process",
        f"{KILLED}::test_the_lock_of_another_machine_is_explained",
    ],
    10: [f"{KILLED}::test_a_reader_gets_a_consistent_prefix_while_a_writer_works"],
    11: [f"{STORES}::test_another_setting_is_refused_field_by_field", f"{STORES}::test_another_version_is_refused"],
    12: [
        f"{WORKERS}::test_a_killed_workers_shard_is_run_again",
        f"{WORKERS}::test_a_poisoned_shard_is_listed_with_its_reason_and_all_others_are_there",
    ],
    13: [
        "reliability/test_late_errors.py::test_memory_that_does_not_suffice_halves_the_batch_and_changes_no_bit",
        "reliability/test_late_errors.py::test_where_halving_does_not_help_one_error_says_the_numbers",
        "reliability/test_memory_limits.py::test_a_control_group_is_kept_to",
    ],
    14: ["test_pace.py::test_no_segment_keeps_an_interrupt_waiting_for_a_second"],
    15: [
        "reliability/test_promises.py::test_one_that_diverges_in_the_same_tile_changes_no_bit_of_its_neighbours",
        "test_survival.py::test_diverged_instances_never_have_the_event_and_are_counted",
    ],
    16: [
        "test_not_numbers.py::test_nan_at_the_first_gradient_ends_an_instance_under_every_optimizer",
        "test_not_numbers.py::test_zeros_of_either_sign_and_subnormal_gradients_are_ordinary",
    ],
    17: [
        "reliability/test_own_kernels.py::test_a_struct_that_does_not_do_what_its_python_does_is_one_clear_error",
        "reliability/test_endless_kernels.py::test_ctrl_c_ends_a_process_whose_kernel_never_returns",
    ],
    18: [
        "test_bits.py::test_every_part_has_the_same_bits_on_numpy_and_cpu",
        "test_device.py::test_any_number_of_lanes_gives_the_bits_of_the_specification",
    ],
    19: [
        "test_survival.py::test_curve_median_and_restricted_mean_are_lifelines",
        "test_survival_comparison.py::test_logrank_of_a_million_with_ties_is_the_hand_formula",
        "test_survival_comparison.py::test_logrank_pvalues_are_uniform_when_nothing_differs",
    ],
    20: [
        "test_laws.py::test_the_first_exit_from_a_saddle_has_its_exact_law",
        "test_laws.py::test_the_double_well_is_left_after_the_discrete_mean_time",
    ],
    21: [
        "reliability/test_foreign_files.py::test_loading_imports_unpickles_runs_and_opens_nothing",
        "reliability/test_foreign_files.py::test_mutated_files_are_read_or_refused_and_nothing_else",
    ],
    22: ["test_formats.py::test_a_file_of_an_older_format_is_read_to_the_bit", "test_formats.py::test_a_newer_format_is_refused_politely"],
}  # fmt: skip


def test_every_promise_has_a_line_in_the_documentation():
    lines = (TESTS.parent / "docs" / "rely_on.md").read_text().splitlines()
    assert (
        [int(line.split("|")[1]) for line in lines if re.match(r"\| \d+ \|", line)]
        == list(PROMISES)
        == list(range(1, 23))
    )


@pytest.mark.parametrize("number", PROMISES)
def test_every_promise_has_its_tests(number):
    for name in PROMISES[number]:
        file, _, test = name.partition("::")
        assert re.search(rf"^def {test}", (TESTS / file).read_text(), re.M), name


@pytest.mark.parametrize("backend", ["numpy", "cpu"])
def test_one_that_diverges_in_the_same_tile_changes_no_bit_of_its_neighbours(backend, cpu):
    alone = ESCAPE | {
        "instances": 1,
        "backend": backend,
        "optimizer": en.GradientDescent(lr=en.grid(0.01, 0.02)),
        "paired": True,
    }
    beside = alone | {"optimizer": en.GradientDescent(lr=en.grid(0.01, 1e30, 0.02))}
    neighbours, all_three = en.simulate(**alone).dataset, en.simulate(**beside).dataset
    for name in ("x", "event_step", "status", "diverged_step"):
        assert np.array_equal(all_three[name].isel(lr=[0, 2]), neighbours[name]), name
    wrong = all_three.isel(lr=1, instance=0)
    assert int(wrong["status"]) == 2
    assert 1 <= int(wrong["diverged_step"]) <= 3
    assert (int(wrong["event_step"]), int(wrong["event"])) == (-1, 0)
