//! Good and bad values for every kind, made from the table, for the tests.

use serde_json::{Map, Value, json};

use super::{CONVOY, Field, Kind, Least, Section, sections};
use crate::spec::rules::Rule;

/// A bad value, and where below the field the error stands.
pub(in crate::spec) struct Bad {
    pub(in crate::spec) value: Value,
    pub(in crate::spec) below: String,
}

fn here(value: Value) -> Bad {
    Bad { value, below: String::new() }
}

fn text(rule: Rule) -> &'static str {
    match rule {
        Rule::Partition | Rule::Inside => "dir/file",
        Rule::Pointer => "/a/b",
        Rule::Terminal => "/type=result",
        Rule::Cron => "0 3 * * 1-5",
        Rule::Loopback => "http://localhost:3000/",
        Rule::GuardCheck => "cleanup",
        // Holds what the keys of an adapter must hold.
        Rule::Any => "x {{session}} {{model}} {{file}}",
        _ => "name",
    }
}

fn bad_texts(rule: Rule) -> &'static [&'static str] {
    match rule {
        Rule::Any => &["a\0b"],
        Rule::Filled | Rule::GuardCheck => &["", "a\0b"],
        Rule::Name => &["", "a\nb"],
        Rule::Branch => &["", "a b"],
        Rule::Partition | Rule::Inside => &["", "a/../b"],
        Rule::EnvName => &["", "1A", "CONVOY_ATTEMPT"],
        Rule::AdapterName => &["", "auto"],
        Rule::Placeholder => &["", "a.b"],
        Rule::Pointer => &["", "a"],
        Rule::Terminal => &["", "/a"],
        Rule::Cron => &["", "1 2 3"],
        Rule::Loopback => &["", "http://example.com"],
    }
}

/// Values that the kind takes, written in every harmless way; the first is the plainest.
pub(in crate::spec) fn good(kind: &Kind) -> Vec<Value> {
    match kind {
        Kind::Text(rule) => vec![json!(text(*rule))],
        Kind::Loose(rule) => vec![json!(text(*rule)), json!(5), json!(true)],
        Kind::Bool => vec![json!(true), json!(false)],
        Kind::BoolOr(words, rule) => {
            let texts = words.iter().copied().chain(rule.map(text)).map(Value::from);
            [json!(true), json!(false)].into_iter().chain(texts).collect()
        }
        Kind::Int(least, most) => {
            let few = (*least).max(1);
            let exponent = format!("{few}e0");
            vec![
                json!(few),
                json!(least),
                json!(most),
                json!(few as f64),
                json!(few.to_string()),
                json!(exponent),
            ]
        }
        Kind::IntOr(least, most, words) => {
            good(&Kind::Int(*least, *most)).into_iter().chain(words.iter().map(|w| json!(w))).collect()
        }
        Kind::Version => vec![json!(1), json!(1.0), json!(2)],
        Kind::Number { .. } => vec![json!(0.5), json!(1), json!("0.25"), json!("1e-1")],
        Kind::Duration { zero } => {
            let all = [json!("10m"), json!("1ms"), json!("576h"), json!("0s")];
            all.into_iter().take(if *zero { 4 } else { 3 }).collect()
        }
        Kind::Seconds => vec![json!(60), json!(0.5), json!("90"), json!(2_073_600)],
        Kind::Choice(words) => words.iter().map(|word| json!(word)).collect(),
        Kind::List(of, least) => {
            let mut lists = vec![json!([good(of)[0]])];
            lists.extend((*least == Least::Zero).then(|| json!([])));
            lists
        }
        Kind::Map(rule, of) => vec![json!({text(*rule): good(of)[0]}), json!({})],
        Kind::Record(section) => vec![minimal(section)],
        Kind::Or(other, section) => good(other).into_iter().chain([minimal(section)]).collect(),
        Kind::Json => vec![json!({"any": [1, {"thing": null}]}), json!({})],
    }
}

/// Values that the kind refuses; `null` is left to the field.
pub(in crate::spec) fn bad(kind: &Kind) -> Vec<Bad> {
    let mut bad = match kind {
        Kind::Or(other, _) => bad_values(other).into_iter().filter(|bad| !bad.value.is_object()).collect(),
        _ => bad_values(kind),
    };
    match kind {
        Kind::List(of, least) => {
            bad.extend((*least == Least::One).then(|| here(json!([]))));
            let items = self::bad(of).into_iter().chain([here(Value::Null)]);
            bad.extend(items.map(|item| Bad {
                value: json!([good(of)[0], item.value]),
                below: format!("[1]{}", item.below),
            }));
        }
        Kind::Map(rule, of) => {
            let key = text(*rule);
            bad.extend(self::bad(of).into_iter().map(|value| Bad {
                value: json!({key: value.value}),
                below: format!(".{key}{}", value.below),
            }));
            let names = bad_texts(*rule).iter().filter(|name| name.is_ascii() && !name.contains('\0'));
            bad.extend(names.map(|name| Bad {
                value: json!({*name: good(of)[0]}),
                below: match name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.is_empty()
                {
                    true => format!(".{name}"),
                    false => format!(".{name:?}"),
                },
            }));
        }
        _ => {}
    }
    bad
}

fn bad_values(kind: &Kind) -> Vec<Bad> {
    let values = match kind {
        Kind::Text(rule) => {
            let texts = bad_texts(*rule).iter().map(|text| json!(text));
            return texts.chain([json!(5), json!(true), json!([]), json!({})]).map(here).collect();
        }
        Kind::Loose(rule) => {
            let texts = bad_texts(*rule).iter().map(|text| json!(text));
            return texts.chain([json!([]), json!({})]).map(here).collect();
        }
        Kind::Bool => json!(["yes", "on", "true", "True", 1, 0, [], {}]),
        Kind::BoolOr(_, None) => json!(["maybe", "yes", "true", 1, [], {}]),
        Kind::BoolOr(_, Some(_)) => json!(["", "yes", 1, [], {}]),
        Kind::Int(least, most) | Kind::IntOr(least, most, _) => {
            json!([least - 1, most + 1, 1.5, "1.5", "many", "", true, [], {}])
        }
        Kind::Version => json!([0, 3, 1.5, "1", "one", true, [], {}]),
        Kind::Number { positive, max } => {
            json!([-0.1, max + 1.0, if *positive { 0 } else { -1 }, "x", "", true, [], {}])
        }
        Kind::Duration { zero } => {
            json!([
                30,
                "30",
                "-1s",
                "1d",
                "1.5h",
                "577h",
                "99999999999999999999h",
                if *zero { "" } else { "0s" },
                "s",
                true,
                [],
                {}
            ])
        }
        Kind::Seconds => json!([0, -1, "x", "30s", "", 2_073_601, true, [], {}]),
        Kind::Choice(_) => json!(["banana", "", 1, true, [], {}]),
        Kind::List(..) => json!(["text", 5, true, {"a": 1}]),
        Kind::Map(..) | Kind::Record(_) | Kind::Json | Kind::Or(..) => json!(["text", 5, true, []]),
    };
    values.as_array().cloned().unwrap_or_default().into_iter().map(here).collect()
}

/// A mapping with just what it must have.
pub(in crate::spec) fn minimal(section: &Section) -> Value {
    let mut minimal: Map<String, Value> = Map::new();
    for field in section.fields.iter().filter(|field| field.required) {
        minimal.insert(field.key.to_owned(), good(&field.kind)[0].clone());
    }
    if section.name == CONVOY.name {
        minimal.insert("version".to_owned(), json!(1));
        minimal.insert("tasks".to_owned(), json!([minimal_of("task")]));
    }
    if section.name == "adapter" {
        minimal.insert("output".to_owned(), json!("json"));
    }
    Value::Object(minimal)
}

fn minimal_of(name: &str) -> Value {
    sections().into_iter().find(|section| section.name == name).map_or(Value::Null, minimal)
}

/// A whole file around a mapping of a section, and the mapping's path in it.
pub(in crate::spec) fn file_with(section: &Section, value: Value) -> (Value, String) {
    if section.name == CONVOY.name {
        return (value, String::new());
    }
    let uses = |field: &Field| field.kind.section().is_some_and(|below| below.name == section.name);
    for outer in sections() {
        let Some(field) = outer.fields.iter().find(|field| uses(field)) else { continue };
        let (value, below) = embed(&field.kind, value);
        let mut around = minimal(outer);
        around[field.key] = value;
        let (file, path) = file_with(outer, around);
        return (file, format!("{}{below}", join(&path, field.key)));
    }
    (Value::Null, String::new())
}

fn embed(kind: &Kind, value: Value) -> (Value, String) {
    match kind {
        Kind::List(of, _) => {
            let (value, below) = embed(of, value);
            (json!([value]), format!("[0]{below}"))
        }
        Kind::Map(rule, of) => {
            let (value, below) = embed(of, value);
            let key = text(*rule);
            (json!({key: value}), format!(".{key}{below}"))
        }
        _ => (value, String::new()),
    }
}

pub(in crate::spec) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
