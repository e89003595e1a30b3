"""What is promised of bad days, and the tests that prove it."""

from dataclasses import dataclass
from typing import Final

_KILLS = "tests/torture/test_kills.py::test_killed_collectors_lose_and_repeat_nothing_on"
_COMMIT = "tests/consumers/store/test_crash.py::"
_HOUSEKEEPING = "tests/consumers/maintenance/test_crash.py::"
_KAFKA_STORE = "tests/consumers/collector/test_kafka_store.py::"
_CONNECTIONS = "tests/server/api/test_connections.py::"
_OUTAGES = "tests/producers/test_kafka_outages.py::"
_SPOOL = "tests/producers/test_spool_trouble.py::"


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise."""

    text: str
    """A sentence for users."""
    done: str
    """What is done to it in full; tests may tell more (the property `tried`)."""
    tests: tuple[str, ...]
    """By the names that pytest gives them; without an example in brackets all examples are meant."""


PROMISES: Final = (
    Promise(
        "A collector that is killed loses and repeats nothing that comes by Kafka.",
        "1,000,000 events with repeated, early and poisonous ones, 100 kills -9, a standby and a second "
        "member of the group",
        (_KILLS + "_kafka[100-kills]",),
    ),
    Promise(
        "A collector that is killed loses and repeats nothing that comes by the spool.",
        "1,000,000 events with repeated, early and poisonous ones, 100 kills -9 and a standby",
        (_KILLS + "_the_spool[100-kills]",),
    ),
    Promise(
        "Spark in the collector's place counts each event once, as the collector does, whoever is killed.",
        "repeated, early, late and poisonous events, compared with a collector's row by row",
        (
            "tests/spark/test_stream.py::"
            "test_spark_takes_over_from_the_collector_and_counts_the_same_through_kills",
        ),
    ),
    Promise(
        "A kill at any line of a commit or of housekeeping leaves every row once.",
        "killed at each line, and at random moments",
        (
            _COMMIT + "test_a_kill_at_any_line_leaves_whole_batches_and_the_rest_can_follow",
            _COMMIT + "test_a_kill_at_any_moment_does_too",
            _HOUSEKEEPING + "test_a_kill_at_any_line_leaves_every_row_once_and_the_rest_can_follow",
            _HOUSEKEEPING + "test_a_kill_at_any_moment_does_too",
        ),
    ),
    Promise(
        "A broker that stops or restarts costs nothing; clients, collector and server come back by "
        "themselves.",
        "stopped in order under a service that goes on; faults of up to 90 s in front of it",
        (
            "tests/torture/test_outage.py::test_a_broker_gone_for_a_while_costs_nothing_and_needs_nobody",
            _OUTAGES + "test_any_fault_of_any_length_costs_nothing_and_needs_nobody",
            _OUTAGES + "test_a_service_killed_in_an_outage_loses_its_last_moment_only",
            "tests/server/workers/test_kafka_faults.py::test_events_of_deployments_are_sent_in_order_once_a_fault_is_over",
        ),
    ),
    Promise(
        "A full disk is waited out: nothing is lost but what a service could not put anywhere, which is "
        "counted.",
        "the server's disk filled under load again and again, with a service on another; a service's own; "
        "a start on a full one",
        (
            "tests/torture/test_lacking.py::test_a_disk_that_cannot_be_written_is_waited_for[full]",
            _SPOOL + "test_a_full_disk_costs_events_and_nothing_else",
            _SPOOL + "test_events_wait_in_memory_until_there_is_room_again",
            "tests/server/test_full_disk.py::test_a_server_started_on_a_full_disk_waits_for_room",
        ),
    ),
    Promise(
        "A file system that turns read-only is waited out as well.",
        "the server's disk read-only under load and back, again and again; a service's own",
        (
            "tests/torture/test_lacking.py::test_a_disk_that_cannot_be_written_is_waited_for[read-only]",
            _SPOOL + "test_a_file_system_that_turns_read_only_and_back",
        ),
    ),
    Promise(
        "A process without a free file descriptor goes on once there are some, and has lost nothing.",
        "all descriptors of a running server taken again and again; a server with 300 and as many half "
        "requests",
        (
            "tests/torture/test_lacking.py::test_descriptors_that_are_used_up_are_waited_for",
            _CONNECTIONS + "test_three_hundred_half_requests_on_as_many_files_stop_neither_api_nor_ingest",
        ),
    ),
    Promise(
        "A collector that its memory limit ends loses and repeats nothing, and one within it stays so.",
        "killed by a limit of the kernel again and again, in the middle of a backlog; the backlog read "
        "within a usual one",
        ("tests/torture/test_memory.py::test_a_limit_of_memory_costs_no_event",),
    ),
    Promise(
        "A clock that jumps costs no event, and none is stored twice.",
        "the server's clock set forward and back by seconds to hours, under load; events dated wrongly",
        (
            "tests/torture/test_lacking.py::test_a_clock_that_jumps_costs_no_event",
            "tests/torture/test_odd_events.py::test_clocks_that_run_ahead_or_behind_lose_no_event_that_may_be_true",
        ),
    ),
    Promise(
        "A topic that is deleted and created again is read from its start; nothing that was read is lost.",
        "under a service and a collector that go on, again and again; before and between runs of a collector",
        (
            "tests/torture/test_topics.py::test_what_operators_do_to_topics_costs_nothing",
            _KAFKA_STORE + "test_a_topic_made_anew_is_read_from_its_start",
            _KAFKA_STORE + "test_a_topic_made_anew_under_a_running_collector_is_read_from_its_start",
            _KAFKA_STORE + "test_a_broker_that_lost_its_disk_is_read_from_its_start",
        ),
    ),
    Promise(
        "Partitions that are added are read from their start.",
        "added under a service and a collector that go on, again and again",
        ("tests/torture/test_topics.py::test_what_operators_do_to_topics_costs_nothing",),
    ),
    Promise(
        "What retention deletes unread is counted as lost, to the last event, and said.",
        "unread events deleted by a request, and by the broker's own retention",
        (
            _KAFKA_STORE + "test_what_the_broker_deleted_unread_is_a_loss_and_nothing_else_is",
            "tests/torture/test_log_cleaning.py::test_what_retention_deletes_unread_is_counted_as_lost",
        ),
    ),
    Promise(
        "Offsets that never held an event are no loss: markers, aborted transactions, compacted logs.",
        "transactions with aborts; a topic that the broker really compacts; random logs against a model",
        (
            _KAFKA_STORE + "test_markers_and_aborted_transactions_are_no_losses_and_cost_no_questions",
            _KAFKA_STORE + "test_a_position_before_a_marker_skips_nothing_of_what_follows_it",
            "tests/torture/test_log_cleaning.py::test_offsets_that_compaction_emptied_are_no_loss",
            "tests/consumers/sources/test_kafka_positions.py::test_every_committed_record_is_stored_once_and_every_loss_is_said",
        ),
    ),
    Promise(
        "Registry, schema registry and Slack may be away for an hour: services serve on, events wait, "
        "people are told what is so now.",
        "as many attempts as an hour has, at a simulated clock",
        (
            "tests/torture/test_an_hour_away.py::test_prompts_are_served_while_the_registry_is_away_for_an_hour",
            "tests/torture/test_an_hour_away.py::test_events_wait_while_the_schema_registry_is_away_for_an_hour",
            "tests/alerts/delivery/test_slack_webhook.py::test_after_an_hour_away_people_get_the_present_state",
        ),
    ),
    Promise(
        "Slow clients and half-sent requests stop nobody else.",
        "300 half requests on a server with 300 descriptors; requests that trickle in, answers that "
        "nobody reads",
        (
            _CONNECTIONS + "test_half_a_request_is_cut_off",
            _CONNECTIONS + "test_a_request_that_trickles_in_is_cut_off",
            _CONNECTIONS + "test_an_answer_that_nobody_reads_is_given_up",
            _CONNECTIONS + "test_those_who_keep_us_waiting_longest_make_room",
            _CONNECTIONS + "test_three_hundred_half_requests_on_as_many_files_stop_neither_api_nor_ingest",
        ),
    ),
    Promise(
        "Ten thousand clients wait on one server, and all wake at the same change.",
        "10,000 connections",
        (
            "tests/torture/test_crowd.py::test_ten_thousand_clients_wait_on_one_server_and_all_wake_at_the_same_change",
        ),
    ),
    Promise(
        "A server that runs on and on takes no more memory, handles, files or time for its answers.",
        "a modest rate through Kafka, prompts promoted and questions asked all the while",
        (
            "tests/torture/test_long_run.py::test_two_hours_at_a_modest_rate_take_no_more_and_more_of_the_machine",
        ),
    ),
)
