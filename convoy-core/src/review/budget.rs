//! What becomes of a review when the tokens for reviews are used up. Pure.

use crate::spec::OnReviewBudget;
use crate::types::ReviewLevel;

/// What the budget says to a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// It may be made as it is.
    Granted,
    /// A fast one may be made in its place.
    Downgraded,
    /// None is made; the work is unreviewed.
    Skipped,
    /// None is made; the work is blocked.
    Refused,
}

/// Asks the budget, before a review: `spent` is what all reviews of the convoy have used so far, as far as it is
/// known.
pub fn grant(level: ReviewLevel, spent: u64, budget: Option<u64>, policy: OnReviewBudget) -> Grant {
    if budget.is_none_or(|budget| spent < budget) || level == ReviewLevel::AutoPass {
        return Grant::Granted;
    }
    match (policy, level) {
        (OnReviewBudget::Stop, _) => Grant::Refused,
        (OnReviewBudget::Downgrade, ReviewLevel::Panel) => Grant::Downgraded,
        (OnReviewBudget::Downgrade | OnReviewBudget::Skip, _) => Grant::Skipped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_that_is_used_up_does_what_the_convoy_file_says() {
        use OnReviewBudget::{Downgrade, Skip, Stop};
        use ReviewLevel::{AutoPass, Fast, Panel};
        for (level, spent, budget, policy, wanted) in [
            (Fast, u64::MAX, None, Stop, Grant::Granted),
            (Panel, 99, Some(100), Stop, Grant::Granted),
            (Panel, 100, Some(100), Stop, Grant::Refused),
            (Fast, 101, Some(100), Stop, Grant::Refused),
            (Panel, 100, Some(100), Downgrade, Grant::Downgraded),
            (Fast, 100, Some(100), Downgrade, Grant::Skipped),
            (Panel, 100, Some(100), Skip, Grant::Skipped),
            (Fast, 100, Some(100), Skip, Grant::Skipped),
            // What costs nothing needs no budget.
            (AutoPass, 100, Some(100), Stop, Grant::Granted),
        ] {
            assert_eq!(
                grant(level, spent, budget, policy),
                wanted,
                "{level} {spent} of {budget:?}, {policy:?}"
            );
        }
    }
}
