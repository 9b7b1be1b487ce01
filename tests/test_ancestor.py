"""What went wrong in cedar-datacube and stems 0.0.4, and the tests that it does not here."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

TESTS = Path(__file__).resolve().parent

#: Number of the fault → what it was, and the tests (file:function).
FAULTS: Final[dict[int, tuple[str, tuple[str, ...]]]] = {
    1: (
        "filters of a configuration are never applied",
        (
            "engines/test_filters.py:test_ancestor_01_filters_are_applied_and_recorded_as_given",
            "test_config.py:test_ancestor_01_filters_are_kept_as_they_were_given",
            "test_tracker.py:test_ancestor_01_filters_are_those_that_were_given_and_the_callers_own",
        ),
    ),
    2: (
        "the default tracking template asks for fields that submit does not give",
        (
            "test_templates.py:test_ancestor_02_the_default_tracking_name_needs_only_what_an_order_has",
            "test_tracker.py:test_ancestor_02_the_default_templates_name_every_order_and_item",
        ),
    ),
    3: (
        "an error on the third start leaves two running and nothing written",
        (
            "test_placing.py:test_ancestor_03_the_record_is_there_with_all_it_needs_before_anything_else",
            "test_placing.py:test_ancestor_03_a_submit_that_stops_anywhere_can_be_finished",
            "test_tasks.py:test_what_is_wrong_for_all_items_ends_the_submit_and_keeps_what_was_started",
            "test_tasks.py:test_a_full_queue_leaves_the_rest_planned_until_there_is_room",
        ),
    ),
    4: (
        "a task's id, name, prefix and output are read where they are not",
        (
            "test_tracker.py:test_ancestor_04_a_pulled_entry_has_its_id_and_its_output",
            "test_tasks.py:test_submit_starts_every_item_and_records_its_task",
            "test_tasks.py:test_the_services_words_are_recorded",
            "engines/test_operations.py:test_all_that_the_service_says_of_a_task_is_kept",
        ),
    ),
    5: (
        "no frequency, or a grid in degrees, fails after metadata is uploaded",
        (
            "engines/test_search.py:test_ancestor_05_a_tile_may_be_in_any_crs_degrees_too",
            "metadata/test_tracking.py:test_ancestor_5_no_frequency_and_grids_in_degrees_pass",
            "test_tracker.py:test_ancestor_05_no_frequency_on_a_grid_in_degrees_comes_home",
        ),
    ),
    6: (
        "months asked for are lost",
        (
            "test_ordering.py:test_ancestor_06_the_coverage_says_what_the_periods_really_are",
            "test_periods.py:test_ancestor_06_no_month_asked_for_is_lost",
        ),
    ),
    7: (
        "the caller's export options are changed",
        (
            "engines/test_options.py:test_ancestor_07_options_come_in_their_current_form_and_the_callers_stay_as_they_are",
            "test_config.py:test_ancestor_07_the_callers_document_is_not_shared",
            "test_pixels.py:test_ancestor_07_the_callers_options_are_left_as_they_are",
        ),
    ),
    8: (
        "only Landsat Collection 1 is known",
        (
            "sensors/test_sensors.py:test_ancestor_08_a_retired_collection_names_the_nearest_known",
            "test_tracker.py:test_ancestor_08_landsat_collection_2_comes_home_from_synthetic_scenes",
        ),
    ),
    9: (
        "there is no Cloud project anywhere",
        (
            "engines/test_session.py:test_ancestor_09_a_project_is_needed_and_the_error_says_where_to_set_it",
        ),
    ),
    10: (
        "no filters are a TypeError",
        ("engines/test_filters.py:test_ancestor_10_there_may_be_no_filters",),
    ),
    11: (
        "times of images depend on the machine's time zone",
        (
            "engines/test_search.py:test_ancestor_11_what_is_found_says_all_that_a_record_needs_whatever_the_time_zone",
            "test_periods.py:test_ancestor_11_dates_do_not_depend_on_the_machines_time_zone",
            "test_tracker.py:test_ancestor_11_an_items_document_is_what_its_schema_and_its_example_say",
        ),
    ),
    12: (
        "update writes to another place than the record's",
        ("test_tracker.py:test_ancestor_12_update_changes_the_real_record_and_no_other_file",),
    ),
    13: (
        "the name that submit returns can't be read back",
        (
            "stores/test_contract_documents.py:test_ancestor_13_ancestor_14_what_is_stored_is_listed_and_what_is_listed_is_read",
            "test_tracker.py:test_ancestor_13_the_name_that_submit_returns_can_be_read_back",
        ),
    ),
    14: (
        "list gives nothing, or names that read refuses",
        (
            "stores/test_contract_documents.py:test_ancestor_13_ancestor_14_what_is_stored_is_listed_and_what_is_listed_is_read",
            "test_tracker.py:test_ancestor_14_list_names_every_order_and_all_of_them_can_be_read",
        ),
    ),
    15: (
        "names lose letters with their suffix",
        (
            "metadata/test_tracking.py:test_ancestor_15_a_name_loses_its_suffix_and_no_letters",
            "stores/test_contract_documents.py:test_ancestor_15_a_name_keeps_all_its_letters",
            "test_tracker.py:test_ancestor_15_a_name_that_ends_in_letters_of_json_stays_whole",
        ),
    ),
    16: (
        "an order with an empty item never completes",
        (
            "metadata/test_tracking.py:test_ancestor_16_empty_items_do_not_keep_an_order_from_completing",
            "test_tracker.py:test_ancestor_16_watch_ends_at_once_where_all_is_empty_and_that_is_complete",
            "test_tracker.py:test_ancestor_16_an_order_with_an_empty_item_completes",
        ),
    ),
    17: (
        "runtimes mix seconds and milliseconds",
        (
            "metadata/test_tracking.py:test_ancestor_17_times_of_a_status_are_milliseconds",
            "test_tracker.py:test_ancestor_17_times_of_a_status_are_milliseconds_in_the_order_of_events",
        ),
    ),
    18: (
        "the program is called by its module",
        (
            "metadata/test_migrate.py:test_ancestor_18_documents_with_the_name_of_its_module_are_read",
            "metadata/test_tracking.py:test_ancestor_18_the_program_is_cedar",
        ),
    ),
    19: (
        "cancel deletes finished outputs",
        (
            "test_settling.py:test_ancestor_19_cancel_never_deletes_what_is_finished",
            "test_tasks.py:test_cancel_keeps_what_is_finished",
        ),
    ),
    20: (
        "update asks for every task again",
        (
            "test_pump.py:test_ancestor_20_items_are_pulled_several_at_a_time_but_no_more_than_the_limit",
            "test_settling.py:test_ancestor_20_27_update_of_hundreds_of_items_lists_once_and_asks_nobody",
            "test_requests.py:test_an_update_costs_a_request_for_500_items_however_many_tasks_others_have",
            "engines/test_operations.py:test_600_tasks_are_asked_for_in_as_many_requests_as_there_are_pages_and_one_more",
        ),
    ),
    21: (
        "retrieve and clean fail on Cloud Storage",
        (
            "stores/test_contract_documents.py:test_ancestor_21_an_order_is_retrieved_and_removed",
            "test_exports.py:test_real_pixels_come_home_and_nothing_else_of_the_store_is_touched",
        ),
    ),
    22: (
        "remove on Drive may delete another order's file",
        (
            "stores/test_contract_documents.py:test_ancestor_22_removing_a_document_touches_no_other",
            "test_transfer.py:test_ancestor_22_what_is_not_what_the_order_made_is_left_and_said",
        ),
    ),
    23: (
        "a folder's name resolves to a longer one",
        (
            "stores/test_contract_documents.py:test_ancestor_23_a_prefix_is_never_a_longer_one",
            "test_tracker.py:test_ancestor_23_orders_of_a_folder_that_shares_its_start_are_not_listed",
            "stores/test_gdrive.py:test_of_several_folders_of_its_title_the_oldest_at_the_top_is_cedars",
        ),
    ),
    24: (
        "files that share the start of a name are taken along",
        (
            "stores/test_contract_documents.py:test_ancestor_24_a_name_that_shares_a_prefix_is_not_taken",
            "test_placing.py:test_ancestor_24_a_file_that_only_shares_the_start_of_a_name_is_in_nobodys_way",
            "test_settling.py:test_ancestor_24_update_finds_the_files_of_an_order_of_2019_by_their_whole_names",
            "test_transfer.py:test_ancestor_24_files_of_other_names_are_not_taken_along",
        ),
    ),
    25: (
        "files of one row can't be put together; the order of a listing counts",
        (
            "test_mosaics.py:test_it_has_the_pixels_that_rasterio_alone_gives",
            "stores/test_contract_documents.py:test_shards_are_retrieved_in_order",
        ),
    ),
    26: (
        "what should try again never does",
        (
            "test_pump.py:test_ancestor_26_an_error_that_may_pass_is_tried_again",
            "stores/test_gcs_faults.py:test_a_page_that_fails_is_not_the_end_of_the_list",
        ),
    ),
    27: (
        "a listing for every task",
        (
            "stores/test_contract_documents.py:test_ancestor_27_one_listing_finds_the_images_of_all_names",
            "test_settling.py:test_ancestor_20_27_update_of_hundreds_of_items_lists_once_and_asks_nobody",
        ),
    ),
    28: (
        "hundreds of requests, one after another, to submit",
        (
            "test_tracker.py:test_ancestor_28_six_hundred_items_take_thirty_searches_and_nothing_else",
        ),
    ),
    29: (
        "a configuration that can't be used passes",
        (
            "cli/test_errors.py:test_ancestor_29_a_configuration_that_can_not_be_used",
            "cli/test_knowing.py:test_ancestor_29_the_template_comes_out_as_it_is",
            "cli/test_knowing.py:test_ancestor_29_check_finds_what_only_an_order_would_run_into",
            "engines/test_filters.py:test_ancestor_29_what_is_no_filter_is_refused_before_anything_is_sent",
            "test_config.py:test_ancestor_29_named_grids_load",
            "test_config.py:test_ancestor_29_a_named_grid_that_is_not_there_is_said",
            "test_config.py:test_ancestor_29_an_unknown_key_names_the_nearest",
            "test_config.py:test_ancestor_29_a_store_needs_its_section",
            "test_config.py:test_ancestor_29_kinds_that_there_are_not_are_said",
            "test_config.py:test_ancestor_29_filters_are_checked",
            "test_config.py:test_ancestor_29_the_template_is_the_same_text_wherever_it_goes",
        ),
    ),
    30: (
        "one package that is missing stops every command",
        (
            "cli/test_bringing_home.py:test_ancestor_30_no_command_needs_what_it_does_not_use",
            "stores/test_init.py:test_ancestor_30_a_missing_package_stops_only_the_store_that_needs_it",
        ),
    ),
    31: (
        "update without a name goes ahead",
        ("cli/test_following.py:test_ancestor_31_update_wants_a_name_or_all",),
    ),
    32: (
        "help takes 0.4 s",
        ("cli/test_startup.py:test_ancestor_32_help_imports_nothing_but_click",),
    ),
    33: (
        "a tile's height is its width",
        ("test_tiles.py:test_ancestor_33_a_tiles_height_is_its_rows_and_its_width_its_columns",),
    ),
    34: (
        "iteration ignores where the limits begin",
        ("test_tilegrid.py:test_ancestor_34_iteration_gives_the_indices_of_the_limits_row_by_row",),
    ),
    35: (
        "in and get raise; grids don't compare or hash",
        (
            "test_tilegrid.py:test_ancestor_35_in_and_get_never_raise",
            "test_tilegrid.py:test_ancestor_35_grids_compare_and_hash_by_value",
        ),
    ),
    36: (
        "a list is no index",
        (
            "test_ordering.py:test_ancestor_36_one_tile_or_several_are_named_by_row_and_column",
            "test_tilegrid.py:test_ancestor_36_a_list_is_an_index_as_good_as_a_tuple",
        ),
    ),
    37: (
        "no limits can't be written; negative tiles are taken",
        (
            "test_tilegrid.py:test_ancestor_37_a_grid_without_limits_has_no_end_and_is_written_so",
            "test_tilegrid.py:test_ancestor_37_negative_tiles_are_refused_by_limits",
        ),
    ),
    38: (
        "a grid comes back from JSON unequal",
        (
            "test_grid_properties.py:test_ancestor_38_a_grid_reads_back_from_json_and_yaml_equal_with_the_same_hash",
        ),
    ),
    39: (
        "bounds partly outside, or ending on the last tile, raise",
        (
            "test_places.py:test_ancestor_39_bounds_partly_outside_give_the_tiles_inside",
            "test_places.py:test_ancestor_39_bounds_that_end_on_an_edge_do_not_take_the_neighbour",
        ),
    ),
    40: (
        "a region is taken by its bounding box",
        ("test_places.py:test_ancestor_40_a_thin_diagonal_takes_the_tiles_it_crosses_only",),
    ),
    41: (
        "bounds as a plain tuple fail",
        ("test_places.py:test_ancestor_41_bounds_are_a_plain_tuple_a_list_or_a_bounding_box",),
    ),
    42: (
        "no rows mean all rows",
        ("test_places.py:test_ancestor_42_no_rows_are_no_tiles",),
    ),
    43: (
        "edges are not densified before they are moved",
        (
            "test_places.py:test_ancestor_43_a_regions_edges_are_densified_before_they_are_moved",
            "test_tiles.py:test_ancestor_43_a_tiles_outline_follows_its_curved_edges",
        ),
    ),
    44: (
        "a grid that can't be is made",
        ("test_tilegrid.py:test_ancestor_44_a_grid_that_cannot_be_is_refused_in_one_line",),
    ),
    45: (
        "named grids are too large",
        (
            "test_named_grids.py:test_ancestor_45_the_grid_of_global_forest_change_ends_at_the_antimeridian",
            "test_named_grids.py:test_ancestor_45_the_grids_of_above_are_no_larger_than_their_maker_says",
        ),
    ),
}


def functions(path: Path) -> set[str]:
    """Names of the tests in a file."""
    return {
        node.name
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def named_after_faults() -> Iterator[tuple[int, str]]:
    """Tests that bear the number of a fault: it, and file:function."""
    for path in sorted(TESTS.rglob("test_*.py")):
        for name in functions(path):
            head = re.match(r"test_(ancestor_(\d+_)+)+", name)
            for number in re.findall(r"\d+", head[0]) if head else ():
                yield int(number), f"{path.relative_to(TESTS).as_posix()}:{name}"


def test_every_fault_is_listed() -> None:
    assert list(FAULTS) == list(range(1, 46))


@pytest.mark.parametrize("number", FAULTS)
def test_a_faults_tests_are_there(number: int) -> None:
    what, tests = FAULTS[number]
    assert tests, f"no test shows that {number} ({what}) does not happen"
    for test in tests:
        file, _, function = test.partition(":")
        assert function in functions(TESTS / file), f"{number} ({what}): there is no {test}"


def test_a_test_that_bears_the_number_of_a_fault_is_listed_with_it() -> None:
    missing = [
        (number, test) for number, test in named_after_faults() if test not in FAULTS[number][1]
    ]
    assert missing == []
