//! The formats of providers' tokens, a file for each trade. Above each stands where the provider says what
//! its tokens look like; a length is the shortest that is issued, so that a longer one is found as well.

mod cloud;
mod code;
mod data;
mod model;
mod money;
mod work;

/// One format: what a regular expression is tried on, and the expression.
#[derive(Debug)]
pub(super) struct Format {
    /// What stands in the marker.
    pub(super) kind: &'static str,
    /// One of these stands in every match, first but for what [`Before::Secret`] says.
    pub(super) starts: &'static [&'static str],
    /// The expression after the start; group 1, where there is one, is the secret part.
    pub(super) rest: &'static str,
    pub(super) before: Before,
    /// Whether the secret must look random, because its shape alone may be a name.
    pub(super) random: bool,
}

/// What stands before the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// Whatever it is.
    Anything,
    /// Nothing that the start continues as a word.
    NoWord,
    /// A digit.
    Digit,
    /// So many bytes of the secret, which match this expression.
    Secret(usize, &'static str),
}

/// Every format.
pub(super) fn all() -> impl Iterator<Item = &'static Format> {
    let lists = [code::FORMATS, cloud::FORMATS, data::FORMATS, model::FORMATS, money::FORMATS, work::FORMATS];
    lists.into_iter().flatten()
}

const fn exact(kind: &'static str, starts: &'static [&'static str], rest: &'static str) -> Format {
    Format { kind, starts, rest, before: Before::Anything, random: false }
}

const fn word(kind: &'static str, starts: &'static [&'static str], rest: &'static str) -> Format {
    Format { kind, starts, rest, before: Before::NoWord, random: false }
}

const fn random(kind: &'static str, starts: &'static [&'static str], rest: &'static str) -> Format {
    Format { kind, starts, rest, before: Before::NoWord, random: true }
}

const fn inside(
    kind: &'static str,
    before: (usize, &'static str),
    starts: &'static [&'static str],
    rest: &'static str,
) -> Format {
    Format { kind, starts, rest, before: Before::Secret(before.0, before.1), random: true }
}
