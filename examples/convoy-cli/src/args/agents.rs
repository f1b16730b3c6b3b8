//! What may be typed about agents.

use std::collections::BTreeMap;
use std::time::Duration;

use convoy_core::agent::canonical_name;
use convoy_core::types::AdapterLimit;

use super::{KeepArgs, setting};

/// What agents are given of the program's environment, how many of them there may be, and what is kept of them.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct AgentArgs {
    /// Give agents only PATH, HOME, locale, proxies and the like, and what the convoy file names
    #[arg(long)]
    pub(crate) clean_env: bool,
    /// At most N tasks at work with this agent program (may be repeated)
    #[arg(long = "adapter-limit", value_name = "NAME=N", value_parser = adapter_limit)]
    limits: Vec<(String, u32)>,
    /// Start this agent program at most once in so many seconds (may be repeated)
    #[arg(long = "adapter-stagger", value_name = "NAME=SECONDS", value_parser = adapter_stagger)]
    staggers: Vec<(String, Duration)>,
    #[command(flatten)]
    pub(crate) keep: KeepArgs,
}

impl AgentArgs {
    /// The limits of each adapter.
    pub(crate) fn adapter_limits(&self) -> BTreeMap<String, AdapterLimit> {
        let mut all: BTreeMap<String, AdapterLimit> = BTreeMap::new();
        for (name, most) in &self.limits {
            all.entry(canonical_name(name).to_owned()).or_default().max_concurrent = Some(*most);
        }
        for (name, stagger) in &self.staggers {
            all.entry(canonical_name(name).to_owned()).or_default().stagger = *stagger;
        }
        all
    }
}

fn adapter_limit(text: &str) -> Result<(String, u32), String> {
    let (name, most) = setting(text).map_err(|_| "write NAME=N".to_owned())?;
    match most.parse() {
        Ok(0) | Err(_) => Err("N is a number from 1".to_owned()),
        Ok(most) => Ok((name, most)),
    }
}

fn adapter_stagger(text: &str) -> Result<(String, Duration), String> {
    let (name, seconds) = setting(text).map_err(|_| "write NAME=SECONDS".to_owned())?;
    let seconds = seconds.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match seconds.filter(|seconds| *seconds <= Duration::from_secs(86_400)) {
        Some(stagger) => Ok((name, stagger)),
        None => Err("SECONDS is a number from 0 to 86400, such as 3 or 0.5".to_owned()),
    }
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
    fn limits_of_adapters_are_read_by_name() {
        let line = "convoy resume --adapter-limit claude-code=2 --adapter-stagger mine=0.5 --adapter-stagger claude=3";
        let Command::Resume { agents, .. } = parse(line).expect("valid").command else { panic!("resume") };
        let limits = agents.adapter_limits();
        assert_eq!(limits["claude"], AdapterLimit::max_concurrent(2).stagger(Duration::from_secs(3)));
        assert_eq!(limits["mine"], AdapterLimit::default().stagger(Duration::from_millis(500)));
        for wrong in ["limit claude", "limit claude=0", "limit =1", "limit claude=x", "stagger claude=-1"] {
            assert!(parse(&format!("convoy run f.yml --adapter-{wrong}")).is_err(), "{wrong}");
        }
    }
}
