//! Who made a commit, and when, as git writes it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use jiff::tz::TimeZone;

use super::NotMine;
use crate::git::repository::Identity;
use crate::types::Timestamp;

/// Where a system says which time zone it is in.
const LOCAL: &str = "/etc/localtime";

/// The time zone that programs with this environment are in; `None` when only they know.
pub(super) fn zone(env: &BTreeMap<OsString, OsString>) -> Option<TimeZone> {
    let read = |path: &str| TimeZone::tzif("local", &std::fs::read(path).ok()?).ok();
    let Some(name) = env.get(OsStr::new("TZ")) else {
        return if std::fs::symlink_metadata(LOCAL).is_ok() { read(LOCAL) } else { Some(TimeZone::UTC) };
    };
    let name = name.to_str()?;
    match name.strip_prefix(':').unwrap_or(name) {
        "" | "UTC" => Some(TimeZone::UTC),
        path if path.starts_with('/') => read(path),
        name => TimeZone::get(name).or_else(|_| TimeZone::posix(name)).ok(),
    }
}

/// `name <address> seconds zone`, for a moment that is spelt so.
pub(super) fn stamped(who: &Identity, at: &str) -> Result<String, NotMine> {
    let is_plain = is_plain(&who.name) && is_plain(&who.email);
    if is_plain { Ok(format!("{} <{}> {at}", who.name, who.email)) } else { Err(NotMine) }
}

/// The same for a moment.
pub(super) fn signature(who: &Identity, at: Timestamp, zone: &TimeZone) -> Result<String, NotMine> {
    let at = jiff::Timestamp::from_millisecond(at.0).map_err(|_| NotMine)?;
    let minutes = zone.to_offset(at).seconds() / 60;
    let (sign, east) = if minutes < 0 { ('-', -minutes) } else { ('+', minutes) };
    let zone = format!("{sign}{:02}{:02}", east / 60, east % 60);
    stamped(who, &format!("{} {zone}", at.as_second()))
}

/// Whether git writes a part of an identity as it is: it takes some characters away, more of them at the ends, and
/// which ones depends on its version.
fn is_plain(part: &str) -> bool {
    let at_ends = |c: char| c <= ' ' || ".,:;\"\\'".contains(c);
    !part.is_empty()
        && !part.contains(['<', '>', '\0', '\n'])
        && !part.starts_with(at_ends)
        && !part.ends_with(at_ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_git_leaves_as_it_is_is_written() {
        let zone = TimeZone::get("Asia/Kolkata").expect("known");
        let sign = |name: &str, email: &str| {
            signature(&Identity::new(name, email), Timestamp(1_700_000_000_999), &zone)
        };
        assert_eq!(sign("A Ü", "a@b"), Ok("A Ü <a@b> 1700000000 +0530".to_owned()));
        for (name, email) in
            [("", "a@b"), ("A", ""), ("A.", "a@b"), (" A", "a@b"), ("A<b", "a@b"), ("A", "a\nb")]
        {
            assert_eq!(sign(name, email), Err(NotMine), "{name:?} {email:?}");
        }
    }

    #[test]
    fn the_zone_is_that_of_the_environment() {
        let east = |tz: &str| {
            let env = [("TZ".into(), tz.into())].into();
            let zone = zone(&env)?;
            Some(zone.to_offset(jiff::Timestamp::from_second(1_700_000_000).expect("valid")).seconds() / 60)
        };
        assert_eq!((east(""), east("UTC"), east("Asia/Kolkata")), (Some(0), Some(0), Some(330)));
        assert_eq!(
            (east("EST5EDT,M3.2.0,M11.1.0"), east("No/Where"), east("/nowhere")),
            (Some(-300), None, None)
        );
    }
}
