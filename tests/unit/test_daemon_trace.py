"""Each statement of the checklist (spec: daemon 17) has tests, or a reason why it has none.

Some tests have the statement's id in their name; the table names the others. Each named test must exist.
"""

from __future__ import annotations

import re
from functools import cache

import pytest

from tests.programs import ROOT

#: Statement -> names of test functions, or the ids of their cases.
TESTED: dict[int, list[str]] = {
    1: ["test_inetd"],
    2: ["test_dmn_02_listeners"],
    3: ["test_second_start_fails_on_the_pid_file", "test_stale_pid_file_is_reused"],
    4: ["test_sigterm_ends_well", "test_dmn_04_a_running_transfer_continues"],
    5: ["test_dparam_and_reload", "test_bad_dparam", '"dmn-05"'],
    6: ["test_dparam_and_reload"],
    7: ["test_dmn_07_file_of_an_ordinary_user", '"dmn-07"'],
    8: ["test_dmn_08_same_reading"],
    9: ['"spellings of modules"', '"spelling"', '"case counts"'],
    10: ['"global"', '"texts fall back late"'],
    11: ['"include in a module"', '"merge in a module"'],
    12: ['"include in a module"', '"merge in a module"', '"directory among files"'],
    13: ["test_dmn_13_home", '"variables"'],
    14: ['"crlf"'],
    15: ['"list"', "test_real_client_sees_the_same"],
    16: ["test_same_answer_and_log"],
    17: ["test_old_clients_get_an_old_greeting"],
    18: ['"hidden and denied"'],
    19: ["test_handshake_deadline", "test_trickling_does_not_help"],
    20: ["test_connection_slots", "test_dmn_20_a_slot_is_free_after_a_kill"],
    21: ["test_proxy_protocol", "test_dmn_21_a_proxy_header_with_more_in_it", "test_bad_proxy_headers"],
    22: ["test_too_many_arguments", "test_dmn_22_as_many_arguments_as_may_be"],
    23: ["test_dmn_23_host_lists"],
    24: ["test_every_digest", "test_without_a_list_md5_is_used", "test_both_forms_of_md4"],
    25: ['"weak digest"'],
    26: ["test_same_login", "test_comma_rule"],
    27: ["test_same_login", "test_secrets"],
    28: ["test_same_login"],
    29: ["test_module_roots", '"missing chroot"'],
    30: ['"dmn-30-links"'],
    31: ["test_dmn_31_munged_directory"],
    32: ["test_ids_of_the_transfer"],
    33: ['"dmn-33-wildcards"'],
    34: ['"dmn-34-always"', "REFUSED_PULLS"],
    35: ['"dmn-35-filters"'],
    36: ['"dmn-36"', "test_early_input_and_environment"],
    37: ['"dmn-37"', "test_early_failure_runs_post_and_not_pre"],
    38: ["test_shell_bytes_abort_silently", "test_hook_commands_refuse_shell_bytes"],
    39: ["test_dmn_39_converter"],
    40: ["test_dmn_40_pull", "test_dmn_40_push"],
    41: ["test_escape", "test_control_bytes_are_sent_back_unchanged"],
    44: ["test_dmn_44_misspelt_access_control_is_shown"],
    45: ["test_dmn_45_a_path_outside_any_module"],
    48: ['"first sample"', '"third sample"', '"fourth sample"', "test_dmn_48_the_second_sample"],
    49: ["test_dmn_49_names_of_another_charset"],
    51: ["test_dmn_51_errors_behind_the_first_header_do_not_stop_the_start"],
    52: ['"dmn-52-partial"'],
    53: ['"dmn-53-archive"'],
    54: ["test_dmn_54_refused_pull_ends_with_4"],
    55: ["test_dmn_55_max_alloc_of_zero"],
    56: ['"dmn-56"', "test_early_failure_runs_post_and_not_pre"],
    57: ["test_dmn_57_parameters_of_our_own"],
    58: ['"dmn-58"'],
    59: ['"dmn-59-names"'],
}

#: rsync's daemon has none of these.
NOT_BUILT: dict[int, str] = {
    42: "no TLS client yet: rsync-ssl runs tain as it runs rsync",
    43: "no restricted shell",
    46: "the symptoms of a client have hints (test_hints); those of a daemon (D1, D21, D22, D24) have none yet",
    47: "no cache of directories yet",
    50: "no mirror command yet",
}


@cache
def text() -> str:
    files = [*(ROOT / "tests/daemon").glob("*.py"), *(ROOT / "tests/unit").glob("test_*.py")]
    return "\n".join(file.read_text() for file in files if file.name != "test_daemon_trace.py")


@pytest.mark.parametrize("number", TESTED)
def test_its_tests_exist(number: int) -> None:
    for name in TESTED[number]:
        wanted = rf"def {name}\(" if name.startswith("test_") else re.escape(name)
        assert re.search(wanted, text()), name


def test_every_statement_is_named() -> None:
    assert sorted([*TESTED, *NOT_BUILT]) == list(range(1, 60))
