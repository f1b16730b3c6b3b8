//! What an earlier engine of this kind (opencastle 0.27) got wrong: a test for each.
//!
//! | what it got wrong | here |
//! |---|---|
//! | scans, limits and reviews read an empty diff: work is committed after them | `gates::work_that_the_agent_did_not_commit_…` |
//! | without a reviewer every review passes | `reviews::without_a_reviewer_…` |
//! | a merge error without a conflict counts as merged, and the work is deleted | `landing::a_landing_that_fails_without_a_conflict_…` |
//! | without a worktree the agent runs in the user's checkout | `places::without_a_worktree_…` |
//! | nothing ends what ignores the end of its time | `checks::a_time_limit_ends_…` |
//! | a task can be started twice | `crashes::a_convoy_whose_engine_lives_…` |
//! | conflicts are handed to a tree that does not hold them; any ends the run | `conflicts::` |
//! | the breaker's fallback gets nothing; any number of probes | `policy::an_open_breaker_…` |
//! | a record that looks like a secret is dropped | `secrets::a_secret_that_agents_and_gates_print_…`, `e2e/secrets.rs` |
//! | audits, regression tests, escalation, limits of gates do nothing | `programs::`, `policy::without_retries_left_…`, `checks::a_gate_may_print_…` |
//! | each retry makes the stored prompt longer | `prompts::each_retry_…` |
//! | a slow task holds up the retries and dependants of others | `order::retries_and_dependants_…` |
//! | a convoy is resumed with another file than it was started with | `e2e/stored.rs` |
//! | partitions are compared within a phase only, and edits never | `order::partitions_that_overlap_…`, `gates::what_was_really_edited_…` |
//! | the engine leaves files in the repository | `places::the_engine_leaves_no_file_…` |
//! | `on_failure: stop` allows no retries, and stops nothing that waits | `retries::a_stopping_failure_…` |
//! | a run whose hooks all failed is done | `hooks::a_convoy_whose_hooks_all_failed_…` |
//! | a task whose input never comes waits for ever | `artifacts::an_input_that_…`, `e2e/people.rs` |
//! | the stored prompt is scanned, not the one that is sent | `secrets::a_prompt_with_a_secret_…` |
//! | changed files and money are not counted | `records::` |
//! | the end of a run overwrites that it was stopped | `retries::a_stopping_failure_…` |
//! | two convoys cannot have a task of the same name | `records::convoys_in_one_store_…` |
//! | a crash between merge and done merges again | `crashes::a_crash_between_landing_and_done_…` |
//! | two tasks that finish at once: one merge is lost | `landing::tasks_that_finish_at_the_same_moment_…` |
//! | a gate that prints a lot fails; one that hangs, hangs the run | `checks::a_gate_may_print_…` |
//! | a prompt of more than 128 KiB cannot be sent | `prompts::a_prompt_of_a_mebibyte_…` |
//! | what others land counts against a task; a large diff is not judged | `gates::what_others_land_…`, `gates::a_diff_of_more_than_…` |
//! | the model does not reach the agent | `adapters::the_model_of_a_task_…` |
//! | a retry leaves what was skipped, skipped | `retries::a_retry_revives_…` |
//! | an id that is no name of a folder loses its worktree | `places::any_printable_task_id_…` |
//! | an error of one task ends the others | `order::trouble_of_one_task_…`, `e2e/output.rs` |
//! | the user's checkout is changed under the user's hands | `landing::failing_hooks_of_the_repository_…`, `e2e/way.rs` |
//! | after a crash, resume is refused for half a minute | `crashes::`, `e2e/kill.rs` |
//! | exit code 0 with an error in the result is success | `adapters::an_error_in_the_result_…` |
//! | tasks that are added fail, and the file is gone | `injection::an_injected_task_…`, `e2e/inject.rs` |

mod adapters;
mod artifacts;
mod batches;
mod checks;
mod conflicts;
mod crashes;
mod cut_off;
mod drift;
mod end;
mod gates;
mod guard;
mod hooks;
mod injection;
mod landing;
mod links;
mod order;
mod places;
mod policy;
mod programs;
mod prompts;
mod queues;
mod records;
mod retries;
mod review_hooks;
mod reviews;
mod secrets;
mod steps;
mod support;
mod vandals;
