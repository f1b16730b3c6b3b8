//! JSON Schema of the format, for editors and for whoever writes convoy files by program.

use serde_json::{Map, Value, json};

use super::rules::Rule;
use super::table::{CONVOY, Field, Kind, Least, Section, Status, sections};

/// How a number may also be written: in quotes.
const NUMBER_TEXT: &str = r"^\s*[+-]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][+-]?[0-9]+)?\s*$";
const MAX_SECONDS: u32 = 24 * 24 * 3600;

/// The JSON Schema (draft 2020-12) of a convoy file. It describes types and limits of single fields;
/// what concerns several fields or tasks only [`crate::plan::check()`] finds. Keys that the format does
/// not have are refused here, where `check` may only warn of them; keys that start with `x-` are free.
pub fn json_schema() -> Value {
    let mut definitions = Map::new();
    for section in sections().into_iter().filter(|section| section.name != CONVOY.name) {
        definitions.insert(section.name.to_owned(), object(section));
    }
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!("Convoy file"));
    if let Value::Object(top) = object(&CONVOY) {
        schema.extend(top);
    }
    schema.insert("anyOf".to_owned(), json!([{"required": ["tasks"]}, {"required": ["depends_on_convoy"]}]));
    schema.insert("$defs".to_owned(), Value::Object(definitions));
    Value::Object(schema)
}

fn object(section: &Section) -> Value {
    let properties: Map<String, Value> =
        section.fields.iter().map(|field| (field.key.to_owned(), property(field))).collect();
    let required: Vec<&str> =
        section.fields.iter().filter(|field| field.required).map(|field| field.key).collect();
    let mut object = json!({
        "type": "object",
        "description": section.doc,
        "properties": properties,
        "patternProperties": {"^x-": true},
        "additionalProperties": false,
    });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

fn property(field: &Field) -> Value {
    let mut schema = of_kind(&field.kind);
    if field.nullable {
        schema = json!({"anyOf": [schema, {"type": "null"}]});
    }
    let note = match field.status {
        Status::Built => "",
        Status::Unbuilt { .. } => " Not supported yet.",
    };
    schema["description"] = json!(format!("{}{note}", field.doc));
    if let Some(default) = field.default {
        schema["default"] = default_value(default);
    }
    schema
}

/// A default as JSON. Texts that are no YAML by themselves (`**/*`) are texts.
fn default_value(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap_or_else(|_| json!(text))
}

fn of_kind(kind: &Kind) -> Value {
    let with_words = |words: &[&str]| {
        let mut all = vec![json!(true), json!(false)];
        all.extend(words.iter().map(|word| json!(word)));
        all
    };
    match kind {
        Kind::Text(rule) => text(*rule),
        Kind::Loose(rule) => json!({"anyOf": [text(*rule), {"type": ["number", "boolean"]}]}),
        Kind::Bool => json!({"type": "boolean"}),
        Kind::BoolOr(words, None) => json!({"enum": with_words(words)}),
        Kind::BoolOr(words, Some(rule)) => json!({"anyOf": [{"enum": with_words(words)}, text(*rule)]}),
        Kind::Int(least, most) => {
            json!({"type": ["integer", "string"], "minimum": least, "maximum": most, "pattern": NUMBER_TEXT})
        }
        Kind::IntOr(least, most, words) => {
            json!({"anyOf": [of_kind(&Kind::Int(*least, *most)), {"enum": words}]})
        }
        Kind::Version => json!({"enum": [1, 2]}),
        Kind::Number { positive, max } => {
            let bound = if *positive { "exclusiveMinimum" } else { "minimum" };
            json!({"type": ["number", "string"], bound: 0, "maximum": max, "pattern": NUMBER_TEXT})
        }
        Kind::Duration { .. } => json!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"}),
        Kind::Seconds => json!({
            "type": ["number", "string"], "exclusiveMinimum": 0, "maximum": MAX_SECONDS, "pattern": NUMBER_TEXT,
        }),
        Kind::Choice(words) => json!({"enum": words}),
        Kind::List(of, least) => {
            json!({"type": "array", "items": of_kind(of), "minItems": u8::from(*least == Least::One)})
        }
        Kind::Map(_, of) => json!({"type": "object", "additionalProperties": of_kind(of)}),
        Kind::Record(section) => json!({"$ref": format!("#/$defs/{}", section.name)}),
        Kind::Or(other, section) => json!({"anyOf": [of_kind(other), of_kind(&Kind::Record(section))]}),
        Kind::Json => json!({"type": "object"}),
    }
}

fn text(rule: Rule) -> Value {
    match rule {
        Rule::Any => json!({"type": "string"}),
        Rule::Name | Rule::AdapterName => json!({"type": "string", "minLength": 1, "maxLength": 200}),
        Rule::EnvName => json!({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}),
        Rule::Pointer => json!({"type": "string", "pattern": "^/"}),
        Rule::Terminal => json!({"type": "string", "pattern": "^/[^=]*="}),
        Rule::Loopback => json!({"type": "string", "pattern": "^https?://"}),
        Rule::Filled
        | Rule::Branch
        | Rule::Partition
        | Rule::Inside
        | Rule::Placeholder
        | Rule::Cron
        | Rule::GuardCheck => json!({"type": "string", "minLength": 1}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_is_defined_and_every_reference_leads_somewhere() {
        let schema = json_schema();
        let text = schema.to_string();
        let definitions = schema["$defs"].as_object().expect("definitions");
        assert_eq!(definitions.len() + 1, sections().len());
        for part in text.split("#/$defs/").skip(1) {
            let name = part.split('"').next().expect("a quote ends it");
            assert!(definitions.contains_key(name), "{name}");
        }
        for section in sections() {
            let object = if section.name == CONVOY.name { &schema } else { &definitions[section.name] };
            for field in section.fields {
                let property = &object["properties"][field.key];
                assert!(property["description"].is_string(), "{}.{}", section.name, field.key);
                assert_eq!(property.get("default").is_some(), field.default.is_some());
            }
        }
    }

    #[test]
    fn defaults_have_the_type_of_their_field() {
        assert_eq!(default_value("**/*"), json!("**/*"));
        assert_eq!(default_value("30m"), json!("30m"));
        assert_eq!(default_value("300"), json!(300));
        assert_eq!(default_value("[a, b/]"), json!(["a", "b/"]));
        assert_eq!(default_value("true"), json!(true));
    }
}
