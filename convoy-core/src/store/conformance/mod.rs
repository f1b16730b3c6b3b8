//! What every store must do, as tests that run on any implementation.
//!
//! Give a [`Place`] to [`run_all`], or use [`store_conformance!`](crate::store_conformance) in a test
//! module to get one test for each case. The cases panic where the store is wrong; that is their use.
//!
//! ```
//! use std::sync::Arc;
//! use convoy_core::store::{MemoryStore, Store, conformance};
//!
//! #[derive(Default)]
//! struct Memory(MemoryStore);
//!
//! impl conformance::Place for Memory {
//!     fn open(&self) -> Arc<dyn Store> {
//!         Arc::new(self.0.reopen())
//!     }
//! }
//!
//! convoy_core::store_conformance!(Memory::default());
//! # fn main() {
//! conformance::run_all(|| Box::new(Memory::default()));
//! # }
//! ```

mod cases_lease;
mod cases_log;
mod cases_prune;
mod cases_read;
mod cases_shared;
#[doc(hidden)]
pub mod samples;

use std::sync::Arc;

use super::Store;
pub(crate) use super::wait::block_on;

/// One empty medium, for example an empty folder. Every call of `open` gives another handle on it, as
/// another process would have one.
pub trait Place: Send + Sync {
    /// Opens the store.
    fn open(&self) -> Arc<dyn Store>;
}

/// One case of the suite.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// What holds.
    pub name: &'static str,
    /// Panics when it does not hold. The place must be empty.
    pub run: fn(&dyn Place),
}

/// Calls a macro with the names of all cases, so that they are listed once.
#[doc(hidden)]
#[macro_export]
macro_rules! __store_cases {
    ($then:ident, $($args:tt)*) => {
        $crate::$then! { $($args)*
            cases_log::a_created_convoy_is_loaded_as_it_was_given
            cases_log::a_second_convoy_of_the_same_id_is_refused
            cases_log::every_kind_of_event_comes_back_as_it_was
            cases_log::a_batch_is_numbered_without_a_gap
            cases_log::a_refused_batch_leaves_nothing
            cases_log::the_expected_end_must_be_the_end
            cases_log::a_batch_without_events_only_consumes
            cases_log::a_batch_without_a_time_takes_the_last_one
            cases_log::any_text_and_64_kib_of_data_survive
            cases_log::an_unknown_convoy_is_an_error
            cases_log::a_convoy_of_a_newer_format_is_refused
            cases_lease::the_first_lease_has_fence_1_and_shows_its_holder
            cases_lease::a_dead_holder_is_replaced_at_once
            cases_lease::a_live_holder_is_not_replaced
            cases_lease::the_same_engine_gets_its_lease_again
            cases_lease::a_replaced_holder_can_write_no_more
            cases_lease::a_released_lease_is_free_and_worth_nothing
            cases_lease::leases_of_other_convoys_are_apart
            cases_lease::one_of_many_gets_the_lease_of_a_dead_holder
            cases_read::events_of_all_convoys_are_read_in_order_and_pages
            cases_read::a_reader_misses_nothing_while_others_write
            cases_read::the_newest_convoy_is_listed_first
            cases_read::the_list_shows_what_became_of_the_tasks
            cases_read::the_inbox_keeps_the_order_and_empties_with_the_batch
            cases_prune::a_convoy_that_is_being_pruned_is_as_good_as_gone
            cases_prune::of_a_pruned_convoy_only_that_it_was_is_known
            cases_prune::numbers_of_the_newest_events_are_not_used_again
            cases_prune::only_the_holder_prunes_and_begins_first
            cases_shared::two_handles_see_the_same
            cases_shared::a_refused_write_does_not_harm_the_others
            cases_shared::of_two_writers_at_the_same_end_one_wins
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __store_case_list {
    ($($area:ident :: $case:ident)*) => {
        &[$(Case { name: stringify!($case), run: $area::$case }),*]
    };
}

/// All cases.
pub const CASES: &[Case] = crate::__store_cases!(__store_case_list,);

/// Runs every case, each on a new place.
///
/// # Panics
/// When the store breaks a rule.
pub fn run_all(mut new_place: impl FnMut() -> Box<dyn Place>) {
    for case in CASES {
        (case.run)(&*new_place());
    }
}

/// Runs the case of this name.
///
/// # Panics
/// When the store breaks a rule, or no case has this name.
pub fn run(name: &str, place: &dyn Place) {
    let case = CASES.iter().find(|case| case.name == name);
    (case.expect("a case of this name").run)(place);
}

/// Makes a test of every case; the expression gives a new [`Place`] each time.
#[macro_export]
macro_rules! store_conformance {
    ($place:expr) => {
        $crate::__store_cases! { __store_case_tests, [$place] }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __store_case_tests {
    ([$place:expr] $($area:ident :: $case:ident)*) => {
        mod conforms {
            use super::*;
            $(
                #[test]
                fn $case() {
                    $crate::store::conformance::run(stringify!($case), &$place);
                }
            )*
        }
    };
}

pub use crate::store_conformance;
