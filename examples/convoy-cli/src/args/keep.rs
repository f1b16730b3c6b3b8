//! What may be typed about convoys that have ended.

use std::time::Duration;

use convoy_core::engine::Retention;

/// `convoy prune`.
#[derive(Debug, clap::Args)]
pub(crate) struct PruneArgs {
    /// Convoys: their ids or the beginnings of them
    #[arg(required_unless_present_any = ["older_than", "all"], conflicts_with = "all")]
    pub(crate) convoys: Vec<String>,
    /// Convoys that ended so long ago: a number with s, m, h, d or w, such as 14d
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) older_than: Option<Duration>,
    /// Every convoy that has ended, also with dead letters or disputes that are open
    #[arg(long)]
    pub(crate) all: bool,
    /// Also what landed but is on no branch: nothing leads to that work any more then
    #[arg(long)]
    pub(crate) unpublished: bool,
    /// Print what would be pruned; do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is kept of convoys that have ended, applied when `run` begins, and when a convoy ends.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct KeepArgs {
    /// Prune convoys that ended longer ago, such as 30d, as `prune --older-than` does
    #[arg(long, value_name = "AGE", value_parser = age)]
    keep_for: Option<Duration>,
    /// Prune convoys that ended before so many others
    #[arg(long, value_name = "N")]
    keep_convoys: Option<u32>,
    /// Remove logs of ended convoys, the oldest first, while all have more bytes: a number, or one with K, M or G
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    logs_quota: Option<u64>,
}

impl KeepArgs {
    pub(crate) fn retention(&self) -> Retention {
        let Self { keep_for, keep_convoys, logs_quota } = *self;
        Retention { keep_for, keep_convoys, logs_quota }
    }
}

/// A number and what it counts.
fn quantity(text: &str, units: &[(char, u64)]) -> Option<u64> {
    let unit = text.chars().next_back().filter(|last| !last.is_ascii_digit());
    let number = text.strip_suffix(|last| Some(last) == unit).unwrap_or(text);
    let factor = match unit {
        None => 1,
        Some(unit) => units.iter().find(|(known, _)| *known == unit)?.1,
    };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse::<u64>().ok().filter(|_| is_number)?.checked_mul(factor)
}

fn age(text: &str) -> Result<Duration, String> {
    let units = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400), ('w', 604_800)];
    let has_unit = text.ends_with(|last: char| !last.is_ascii_digit());
    let seconds = quantity(text, &units).filter(|_| has_unit);
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| "write a number with s, m, h, d or w, such as 14d".to_owned())
}

fn bytes(text: &str) -> Result<u64, String> {
    let units = [('K', 1 << 10), ('M', 1 << 20), ('G', 1 << 30)];
    quantity(text, &units)
        .ok_or_else(|| "write a number of bytes, or one with K, M or G, such as 500M".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::{Args, Command};
    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn ages_and_sizes_have_units() {
        let day = 86_400;
        for (text, seconds) in [("0s", 0), ("90m", 5400), ("3h", 10_800), ("14d", 14 * day), ("2w", 14 * day)]
        {
            assert_eq!(age(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for (text, size) in [("0", 0), ("1000", 1000), ("2K", 2048), ("500M", 500 << 20), ("1G", 1 << 30)] {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for wrong in ["", "d", "14", "-1d", "+1d", "1.5d", "1 d", "14D", "1y", "99999999999999999999d", "1dd"]
        {
            assert!(age(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "K", "-1", "1T", "1k", "1KB", "18446744073709551615G", "é"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_to_be_pruned_must_be_said_once() {
        for line in
            ["prune", "prune --unpublished", "prune --dry-run", "prune --all 01ab", "prune --older-than 14"]
        {
            let error = parse(&format!("convoy {line}")).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
        for line in
            ["prune 01ab 01ac", "prune --all --older-than 2w", "prune 01ab --older-than 1d --unpublished"]
        {
            assert!(
                matches!(parse(&format!("convoy {line}")).expect(line).command, Command::Prune(_)),
                "{line}"
            );
        }
        let Command::Resume { agents, .. } =
            parse("convoy resume --keep-for 30d --keep-convoys 20 --logs-quota 1G").expect("valid").command
        else {
            panic!("resume")
        };
        let wanted = Retention {
            keep_for: Some(Duration::from_secs(30 * 86_400)),
            keep_convoys: Some(20),
            logs_quota: Some(1 << 30),
        };
        assert_eq!(agents.keep.retention(), wanted);
        for wrong in ["--keep-for 30", "--keep-convoys -1", "--logs-quota many"] {
            assert!(parse(&format!("convoy run f.yml {wrong}")).is_err(), "{wrong}");
        }
    }
}
