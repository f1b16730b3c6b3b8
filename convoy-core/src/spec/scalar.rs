//! Scalars: numbers in harmless spellings, durations, booleans, words.

use std::time::Duration;

use super::near::nearest;
use super::problem::Shown;
use super::rules::{Rule, Verdict};
use super::table::Kind;
use super::tree::{Meaning, Scalar, number};
use super::value::Val;

/// The longest duration.
const MAX_DAYS: u64 = 24;
const MAX: Duration = Duration::from_secs(MAX_DAYS * 24 * 3600);

/// Why a scalar is refused.
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Wrong {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

type Read = Result<(Val, Option<String>), Wrong>;

/// Reads a scalar as the kind asks; the text beside the value is a warning.
pub(super) fn read(kind: &Kind, scalar: &Scalar) -> Read {
    match kind {
        Kind::Text(rule) => text(*rule, scalar),
        Kind::Loose(rule) => loose(*rule, scalar),
        Kind::Bool | Kind::BoolOr(..) => boolean(kind, scalar),
        Kind::Choice(words) => choice(words, kind, scalar),
        Kind::IntOr(_, _, words) if words.contains(&scalar.text.as_str()) => {
            good(Val::Text(scalar.text.clone()))
        }
        Kind::Int(least, most) | Kind::IntOr(least, most, _) => int(*least, *most, kind, scalar),
        Kind::Version => version(kind, scalar),
        Kind::Number { positive, max } => {
            let fits = |n: &f64| *n <= *max && if *positive { *n > 0.0 } else { *n >= 0.0 };
            let number = as_number(scalar).filter(fits).ok_or_else(|| wrong(kind, scalar))?;
            good(Val::Number(number))
        }
        Kind::Seconds => seconds(kind, scalar),
        Kind::Duration { zero } => duration(*zero, kind, scalar),
        // The walker asks only for scalars here.
        Kind::List(..) | Kind::Map(..) | Kind::Record(_) | Kind::Or(..) | Kind::Json => {
            Err(wrong(kind, scalar))
        }
    }
}

fn good(val: Val) -> Read {
    Ok((val, None))
}

fn wrong(kind: &Kind, scalar: &Scalar) -> Wrong {
    Wrong::new(format!("must be {}, found {}", wanted(kind), found(scalar)))
}

fn found(scalar: &Scalar) -> String {
    match scalar.meaning() {
        Meaning::Null => "nothing".to_owned(),
        Meaning::Bool(b) => format!("the boolean {b}"),
        Meaning::Int(_) | Meaning::Float(_) => format!("the number {}", scalar.text),
        Meaning::Text(text) => format!("the text {}", Shown(text)),
    }
}

/// What a kind asks for, for messages and the reference page.
pub(super) fn wanted(kind: &Kind) -> String {
    let words = |words: &[&str]| words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ");
    match kind {
        Kind::Text(_) | Kind::Loose(_) => "text".to_owned(),
        Kind::Bool => "`true` or `false`".to_owned(),
        Kind::BoolOr(other, None) => format!("`true`, `false` or {}", words(other)),
        Kind::BoolOr(other, Some(_)) => format!("`true`, `false`, {} or text", words(other)),
        Kind::Int(least, most) => whole(*least, *most),
        Kind::IntOr(least, most, other) => format!("{}, or {}", whole(*least, *most), words(other)),
        Kind::Version => "the number 1 or 2".to_owned(),
        Kind::Number { positive: true, .. } => "a number above 0".to_owned(),
        Kind::Number { max, .. } => format!("a number from 0 to {max}"),
        Kind::Duration { zero: true } => "a duration such as `30s` (`ms`, `s`, `m`, `h`)".to_owned(),
        Kind::Duration { zero: false } => "a duration above 0 such as `30m` (`ms`, `s`, `m`, `h`)".to_owned(),
        Kind::Seconds => "a number of seconds above 0".to_owned(),
        Kind::Choice(choices) => format!("one of {}", words(choices)),
        Kind::List(..) => "a list".to_owned(),
        Kind::Map(..) | Kind::Record(_) | Kind::Json => "a mapping".to_owned(),
        Kind::Or(other, _) => format!("{} or a mapping", wanted(other)),
    }
}

fn whole(least: i64, most: i64) -> String {
    use super::table::COUNT;
    match (least, most) {
        (0, COUNT..) => "a whole number, 0 or more".to_owned(),
        (1, COUNT..) => "a whole number, 1 or more".to_owned(),
        (..0, _) => "a whole number".to_owned(),
        _ => format!("a whole number from {least} to {most}"),
    }
}

/// Checks a text against its rule, for names of map entries.
pub(super) fn check_text(rule: Rule, text: &str) -> Result<(), String> {
    match rule.judge(text) {
        Verdict::Bad(message) => Err(message),
        Verdict::Good | Verdict::Odd(_) => Ok(()),
    }
}

fn text(rule: Rule, scalar: &Scalar) -> Read {
    match scalar.meaning() {
        Meaning::Text(_) => judged(rule, scalar),
        _ => Err(Wrong::new(format!("must be text, found {}", found(scalar))).hint("put it in quotes")),
    }
}

fn loose(rule: Rule, scalar: &Scalar) -> Read {
    match scalar.meaning() {
        Meaning::Null => Err(Wrong::new("must be text, found nothing")),
        _ => judged(rule, scalar),
    }
}

fn judged(rule: Rule, scalar: &Scalar) -> Read {
    match rule.judge(&scalar.text) {
        Verdict::Good => good(Val::Text(scalar.text.clone())),
        Verdict::Odd(warning) => Ok((Val::Text(scalar.text.clone()), Some(warning))),
        Verdict::Bad(message) => Err(Wrong::new(message)),
    }
}

fn boolean(kind: &Kind, scalar: &Scalar) -> Read {
    let meaning = scalar.meaning();
    if let Meaning::Bool(b) = meaning {
        return good(Val::Bool(b));
    }
    let lower = scalar.text.to_lowercase();
    let meant = match lower.as_str() {
        "true" | "yes" | "on" | "y" => Some(true),
        "false" | "no" | "off" | "n" => Some(false),
        _ => None,
    };
    match (kind, meaning, meant) {
        (_, Meaning::Text(_), Some(meant)) => {
            Err(wrong(kind, scalar).hint(format!("write `{meant}`, without quotes")))
        }
        (Kind::BoolOr(words, _), Meaning::Text(word), _) if words.contains(&word) => {
            good(Val::Text(word.to_owned()))
        }
        (Kind::BoolOr(_, Some(rule)), Meaning::Text(_), _) => judged(*rule, scalar),
        _ => Err(wrong(kind, scalar)),
    }
}

fn choice(words: &[&str], kind: &Kind, scalar: &Scalar) -> Read {
    if words.contains(&scalar.text.as_str()) {
        return good(Val::Text(scalar.text.clone()));
    }
    let wrong = wrong(kind, scalar);
    Err(match nearest(&scalar.text, words.iter().copied()) {
        Some(near) => wrong.hint(format!("did you mean `{near}`?")),
        None => wrong,
    })
}

/// A number in any harmless spelling: `3`, `3.0`, `1e1`, `"3"`.
fn as_number(scalar: &Scalar) -> Option<f64> {
    let meaning = match scalar.meaning() {
        Meaning::Text(text) if scalar.quoted => number(text.trim())?,
        meaning => meaning,
    };
    match meaning {
        #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
        Meaning::Int(int) => Some(int as f64),
        Meaning::Float(float) => float.is_finite().then_some(float),
        Meaning::Null | Meaning::Bool(_) | Meaning::Text(_) => None,
    }
}

fn int(least: i64, most: i64, kind: &Kind, scalar: &Scalar) -> Read {
    let int = as_number(scalar).filter(|n| n.fract() == 0.0 && n.abs() <= 9.1e15);
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
    let int = int.map(|n| n as i64).filter(|n| (least..=most).contains(n));
    match (int, kind, scalar.meaning()) {
        (Some(int), ..) => good(Val::Int(int)),
        (None, Kind::IntOr(_, _, words), Meaning::Text(text)) => {
            let near = nearest(text, words.iter().copied());
            let wrong = wrong(kind, scalar);
            Err(match near {
                Some(near) => wrong.hint(format!("did you mean `{near}`?")),
                None => wrong,
            })
        }
        _ => Err(wrong(kind, scalar)),
    }
}

fn version(kind: &Kind, scalar: &Scalar) -> Read {
    if matches!(scalar.meaning(), Meaning::Text(text) if number(text).is_some()) {
        return Err(wrong(kind, scalar).hint("remove the quotes"));
    }
    int(1, 2, kind, scalar)
}

fn seconds(kind: &Kind, scalar: &Scalar) -> Read {
    let number = as_number(scalar).filter(|n| *n > 0.0);
    let Some(number) = number else {
        let wrong = wrong(kind, scalar);
        let is_duration = unit(&scalar.text).is_some();
        return Err(if is_duration {
            wrong.hint("seconds as a plain number, without a unit")
        } else {
            wrong
        });
    };
    match Duration::try_from_secs_f64(number) {
        Ok(duration) if duration <= MAX => good(Val::Duration(duration)),
        _ => Err(too_long(scalar)),
    }
}

fn too_long(scalar: &Scalar) -> Wrong {
    Wrong::new(format!("must be at most {MAX_DAYS} days, found {}", Shown(&scalar.text)))
        .hint("the timers of opencastle 0.27 cannot wait longer")
}

/// Splits `<digits><unit>`; the unit in milliseconds.
fn unit(text: &str) -> Option<(&str, u64)> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (digits, unit) = text.split_at(digits);
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    (!digits.is_empty()).then_some((digits, millis))
}

fn duration(zero: bool, kind: &Kind, scalar: &Scalar) -> Read {
    let Some((digits, millis)) = unit(&scalar.text) else {
        let wrong = wrong(kind, scalar);
        let is_number = as_number(scalar).is_some() || matches!(scalar.meaning(), Meaning::Int(_));
        return Err(if is_number {
            wrong.hint(format!("add a unit, as in `{}s`", scalar.text))
        } else {
            wrong
        });
    };
    let total = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(millis)).map(Duration::from_millis);
    match total {
        Some(total) if total > MAX => Err(too_long(scalar)),
        None => Err(too_long(scalar)),
        Some(Duration::ZERO) if !zero => {
            Err(Wrong::new(format!("must be more than 0, found {}", Shown(&scalar.text))))
        }
        Some(total) => good(Val::Duration(total)),
    }
}
