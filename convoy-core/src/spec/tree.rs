//! A parsed YAML document: values with their places, aliases shared rather than copied.

use std::rc::Rc;

use super::problem::Pos;

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) pos: Pos,
    pub(super) value: Value,
    /// Number of values below and including this one, aliases counted as if they were written out.
    pub(super) weight: u64,
    /// Levels of nesting below and including this one.
    pub(super) depth: u32,
}

#[derive(Debug)]
pub(super) enum Value {
    Scalar(Scalar),
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>),
}

/// Text as written, escapes resolved. Quoted text is text; unquoted text may mean something else.
#[derive(Debug)]
pub(super) struct Scalar {
    pub(super) text: String,
    pub(super) quoted: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: Rc<str>,
    pub(super) key_pos: Pos,
    pub(super) value: Rc<Node>,
}

/// What an unquoted scalar means by the core schema of YAML 1.2, except that only `true` and `false`
/// are booleans.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Meaning<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
}

impl Scalar {
    pub(super) fn meaning(&self) -> Meaning<'_> {
        let text = self.text.as_str();
        if self.quoted {
            return Meaning::Text(text);
        }
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Meaning::Null,
            "true" => Meaning::Bool(true),
            "false" => Meaning::Bool(false),
            _ => number(text).unwrap_or(Meaning::Text(text)),
        }
    }
}

/// A number in the core schema; `None` when the text is none.
pub(super) fn number(text: &str) -> Option<Meaning<'static>> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let radix = |prefix, radix| text.strip_prefix(prefix).map(|d| i64::from_str_radix(d, radix));
    if let Some(Ok(int)) = radix("0x", 16).or_else(|| radix("0o", 8)) {
        return Some(Meaning::Int(int));
    }
    if [".inf", ".Inf", ".INF"].contains(&digits) {
        return Some(Meaning::Float(if negative { f64::NEG_INFINITY } else { f64::INFINITY }));
    }
    if [".nan", ".NaN", ".NAN"].contains(&text) {
        return Some(Meaning::Float(f64::NAN));
    }
    let first = digits.bytes().next()?;
    if !(first.is_ascii_digit() || first == b'.') || !digits.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    if digits.bytes().all(|b| b.is_ascii_digit())
        && let Ok(int) = text.parse()
    {
        return Some(Meaning::Int(int));
    }
    // Rust's own reading of floats takes exactly the forms of the core schema once names such as
    // `inf` are excluded by the first character.
    text.parse().ok().map(Meaning::Float)
}

impl Node {
    /// What was found, for messages.
    pub(super) fn found(&self) -> String {
        use super::problem::Shown;
        match &self.value {
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
            Value::Scalar(scalar) => match scalar.meaning() {
                Meaning::Null => "nothing".to_owned(),
                Meaning::Bool(b) => format!("the boolean {b}"),
                Meaning::Int(_) | Meaning::Float(_) => format!("the number {}", scalar.text),
                Meaning::Text(text) => format!("the text {}", Shown(text)),
            },
        }
    }

    /// The meaning of a scalar, `None` for lists and mappings.
    pub(super) fn meaning(&self) -> Option<Meaning<'_>> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar.meaning()),
            Value::List(_) | Value::Map(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unquoted_text_means_what_the_core_schema_says() {
        let cases = [
            ("", Meaning::Null),
            ("~", Meaning::Null),
            ("true", Meaning::Bool(true)),
            ("True", Meaning::Text("True")),
            ("yes", Meaning::Text("yes")),
            ("on", Meaning::Text("on")),
            ("3", Meaning::Int(3)),
            ("+3", Meaning::Int(3)),
            ("-0", Meaning::Int(0)),
            ("0x1f", Meaning::Int(31)),
            ("0o17", Meaning::Int(15)),
            ("3.0", Meaning::Float(3.0)),
            ("1e1", Meaning::Float(10.0)),
            (".5", Meaning::Float(0.5)),
            ("99999999999999999999", Meaning::Float(1e20)),
            (".inf", Meaning::Float(f64::INFINITY)),
            ("inf", Meaning::Text("inf")),
            ("nan", Meaning::Text("nan")),
            ("1_000", Meaning::Text("1_000")),
            ("1.2.3", Meaning::Text("1.2.3")),
            ("30m", Meaning::Text("30m")),
            ("-", Meaning::Text("-")),
            (".", Meaning::Text(".")),
        ];
        for (text, meaning) in cases {
            let scalar = Scalar { text: text.to_owned(), quoted: false };
            assert_eq!(scalar.meaning(), meaning, "{text}");
        }
        assert_eq!(Scalar { text: "3".into(), quoted: true }.meaning(), Meaning::Text("3"));
    }
}
