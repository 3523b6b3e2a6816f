"""spec: security 2, 3, 6: every requirement has its tests, or a reason for having none.

A requirement is met by several tests and a test stands for several requirements, so the ids are kept here: this table
names for each the tests that fail when it is broken. What a table names must exist.
"""

from __future__ import annotations

import re
from functools import cache

import pytest

from tests.programs import ROOT

#: Requirement or test of the spec -> names of test functions, in Rust or Python, and of parity rows (with their dash).
TESTED: dict[str, list[str]] = {
    "SEC-1": ["swapped_parents", "swapped_leaves", "resolution", "sect_2_local_destination_swapped"],
    "SEC-2": ["swapped_parents", "swapped_without_powers", "sect_2_receiver_destination_swapped"],
    "SEC-3": ["operator_walk", "test_ownership_walk", "TRF-22-files-from", "TRF-22-exclude-from"],
    "SEC-4": ["operator_walk", "TRF-22-backup", "TRF-22-temp", "TRF-22-log-file", "TRF-temp-cross"],
    "SEC-5": ["TRF-22", "sect_2_module_sender_follows_links"],
    "SEC-6": ["sect_2_sender_source_swapped", "sect_2_local_source_swapped", "TRF-19-itself", "TRF-19-hard-dest"],
    "SEC-7": ["swapped_leaves", "modes_by_pinned_inode", "pinned_attributes"],
    "SEC-8": ["temp_names", "TRF-23-R-noimplied", "swapped_parents"],
    "SEC-9": ["test_option_paths", "TRF-23-backup-in", "TRF-23-relative-partial"],
    "SEC-10": ["unsafe_links", "sanitized_targets", "TRF-21-safe", "TRF-23-munge"],
    "SEC-11": ["table", "total_and_idempotent", "any_bytes_are_read_or_refused", "limits"],
    "SEC-12": ["requested_names", "test_requested_names", "test_daemon_that_lies"],
    "SEC-13": ["test_option_paths", "DMN-pull-exclude-named", "sect_2_module_sender_follows_links"],
    "SEC-14": ["TRF-30-glob", "TRF-12--delete-before-R", "old_protocols_derive_what_is_in_the_transfer"],
    "SEC-15": ["test_daemon_that_lies", "any_bytes_are_read_or_refused"],
    "SEC-16": ["any_bytes_are_read_or_refused", "numbering", "test_one_bit"],
    "SEC-17": ["limits", "set_limits", "vstring_rules", "test_oversized", "a_length_alone_takes_no_memory"],
    "SEC-18": ["lengths_at_the_limits_do_not_overflow", "ndx_overflow_is_a_protocol_error", "MET-old"],
    "SEC-19": ["redo_and_short_digests", "a_spoiled_sum_never_matches"],
    "SEC-20": ["test_max_alloc_of_zero_is_refused", "a_claimed_count_costs_nothing"],
    "SEC-21": ["bombs_come_in_small_portions", "hostile_plain_tokens", "hostile_flags", "hostile_data"],
    "SEC-22": ["the_budget_follows_what_was_passed", "backtracking_is_bounded", "many_stars_take_no_time"],
    "SEC-23": ["io_timeout_is_adopted_within_its_range", "illegal_frames_end_with_12", "test_random_server"],
    "SEC-24": ["test_challenges_are_unique_and_of_the_right_length"],
    "SEC-25": ["test_same_login", "test_wrong_password"],
    "SEC-26": ["test_secrets", "test_secrets_mode", "test_bad_secrets"],
    "SEC-27": ["test_digest_floor", "test_choice_of_a_digest"],
    "SEC-28": ["test_comma_rule"],
    "SEC-29": ["test_host_lists", "test_host_denied", "test_host_forms"],
    "SEC-30": ["test_forward_match_names_the_peer", "test_host_denied"],
    "SEC-31": ["test_handshake_deadline", "test_trickling_does_not_help", "test_connection_slots"],
    "SEC-32": ["test_limits_by_address"],
    "SEC-33": ["test_proxy_protocol", "test_bad_proxy_headers"],
    "SEC-34": ["test_hook_commands_refuse_shell_bytes", "test_shell_bytes_abort_silently", "test_hook_time_limit"],
    "SEC-35": ["test_dmn_39_converter", "test_dmn_39_names_with_control_bytes"],
    "SEC-36": ["test_quoting", "test_shell_words", "test_names_that_look_like_options"],
    "SEC-37": ["test_control_bytes_are_sent_back_unchanged", "names_are_escaped"],
    "SEC-38": ["test_breaking_the_config_drops_connections", "test_random_client"],
    "SEC-39": ["test_ids_of_the_transfer"],
    "SEC-41": ["test_variables", "test_expansion_is_bounded"],
    "SEC-42": ["test_misspelt_access_control_refuses_the_module", "test_misspelt_access_control_refuses"],
    "SEC-43": ["test_daemon_that_lies", "test_web_proxy", "test_silent_server"],
    "SEC-46": ["test_killed", "test_sigterm_ends_well"],
    "SEC-47": ["test_a_release_build"],
    "SECT-2": [
        "sect_2_local_destination_swapped",
        "sect_2_local_source_swapped",
        "sect_2_receiver_destination_swapped",
        "sect_2_sender_source_swapped",
        "sect_2_module_sender_follows_links",
    ],
    "SECT-5": ["swapped_leaves", "pinned_attributes"],
    "SECT-40": ["test_max_alloc_of_zero_is_refused"],
}

#: What has no test, since it is not built: none of it is in rsync 3.5.0 either.
NOT_BUILT: dict[str, str] = {
    "SEC-40": "no sandbox yet",
    "SEC-44": "no TLS yet",
    "SEC-45": "no restricted shell of our own",
    "SEC-48": "the fuzz targets are no tests: `make fuzz` runs them",
    "SEC-49": "secrets are kept as rsync keeps them",
    "SEC-50": "ids are taken as sent, as by rsync",
    "SEC-51": "refusals are in the daemon's log, not in one of their own",
    "SEC-52": "a matter of the release, not of the program",
    "SEC-53": "no limits on uploads yet",
}


@cache
def existing() -> frozenset[str]:
    """Names of all tests: functions of Rust and Python, ids of parity rows."""
    names: set[str] = set()
    for path in (ROOT / "tests").rglob("*.py"):
        names.update(re.findall(r"def (test_\w+)", path.read_text()))
    for path in (ROOT / "crates").rglob("*.rs"):
        names.update(re.findall(r"#\[test\]\s+fn (\w+)", path.read_text()))
    from tests.parity.rows import ROWS

    names.update(row.id for row in ROWS)
    return frozenset(names)


@pytest.mark.parametrize("ident", TESTED)
def test_its_tests_exist(ident: str) -> None:
    missing = [
        name
        for name in TESTED[ident]
        if name not in existing() and not any(known.startswith(name + "-") for known in existing())
    ]
    assert not missing


def test_every_requirement_is_named() -> None:
    assert {f"SEC-{n}" for n in range(1, 54)} == {i for i in [*TESTED, *NOT_BUILT] if i.startswith("SEC-")}
    assert not TESTED.keys() & NOT_BUILT.keys()
