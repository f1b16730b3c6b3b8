//! `{{NAME}}` and `{{NAME | kebab}}` in a text.

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'t> {
    /// It stays as it is.
    Text(&'t str),
    /// The value of a variable, as these filters leave it.
    Value {
        /// The variable.
        name: &'t str,
        /// What is done to its value, in this order.
        filters: Vec<&'t str>,
    },
}

/// What a value may be made of.
pub(super) const FILTERS: [&str; 3] = ["kebab", "snake", "upper"];

/// Splits a text. What stands between braces and is no name, as in `{{input.x}}`, stays.
pub(super) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut kept, mut from) = (0, 0);
    while let Some(open) = text[from..].find("{{").map(|at| from + at) {
        // Of `{{{NAME}}` the inner braces count.
        let open = open + text[open..].bytes().take_while(|byte| *byte == b'{').count() - 2;
        let Some(close) = text[open..].find("}}").map(|at| open + at) else { break };
        from = open + 2;
        let Some(value) = value(&text[from..close]) else { continue };
        parts.push(Part::Text(&text[kept..open]));
        parts.push(value);
        from = close + 2;
        kept = from;
    }
    parts.push(Part::Text(&text[kept..]));
    parts.retain(|part| *part != Part::Text(""));
    parts
}

fn value(inner: &str) -> Option<Part<'_>> {
    let mut words = inner.split('|').map(|word| word.trim_matches([' ', '\t']));
    let name = words.next().filter(|name| is_name(name))?;
    let filters: Vec<&str> = words.collect();
    // `{{NAME || x}}` is somebody else's.
    filters.iter().all(|filter| is_name(filter)).then_some(Part::Value { name, filters })
}

/// Whether this can be the name of a variable: letters, digits, `_` and `-`, no digit first.
pub(super) fn is_name(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// The value as the filter leaves it; `None` when there is no such filter.
pub(super) fn filtered(value: &str, filter: &str) -> Option<String> {
    match filter {
        "kebab" => Some(words(value).join("-")),
        "snake" => Some(words(value).join("_")),
        "upper" => Some(value.to_uppercase().replace([' ', '-'], "_")),
        _ => None,
    }
}

/// The words of a text in small letters: cut at spaces, `_`, `-`, and where a capital begins a word.
fn words(value: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let chars: Vec<char> = value.chars().collect();
    for (index, c) in chars.iter().enumerate() {
        let before = index.checked_sub(1).map(|index| chars[index]);
        let after = chars.get(index + 1);
        let begins = c.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase()
                    || before.is_numeric()
                    || (before.is_uppercase() && after.is_some_and(|after| after.is_lowercase()))
            });
        let separates = c.is_whitespace() || matches!(c, '_' | '-');
        if begins || separates {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| !separates) {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let part = |part: &Part<'_>| match part {
            Part::Text(text) => format!("[{text}]"),
            Part::Value { name, filters } => format!("<{}>", [&[*name], &filters[..]].concat().join(",")),
        };
        parts(text).iter().map(part).collect()
    }

    #[test]
    fn placeholders_are_names_in_double_braces_and_all_else_stays() {
        let cases = [
            ("", ""),
            ("plain", "[plain]"),
            ("{{A}}", "<A>"),
            ("a {{ A }} b{{B|kebab}}", "[a ]<A>[ b]<B,kebab>"),
            ("{{A | snake | upper}}!", "<A,snake,upper>[!]"),
            ("{{A-b_1}}", "<A-b_1>"),
            ("{{input.x}} {{A}}", "[{{input.x}} ]<A>"),
            ("${{ secrets.X }}", "[${{ secrets.X }}]"),
            ("{{{A}}}", "[{]<A>[}]"),
            ("{{1A}} {{}} {{ }} {{a b}}", "[{{1A}} {{}} {{ }} {{a b}}]"),
            ("{{A || b}} {{|A}}", "[{{A || b}} {{|A}}]"),
            ("{{A", "[{{A]"),
            ("{{#if x}} {{A}} {{/if}}", "[{{#if x}} ]<A>[ {{/if}}]"),
            ("{{x {{A}}", "[{{x ]<A>"),
            ("é{{A}}日", "[é]<A>[日]"),
        ];
        for (text, wanted) in cases {
            assert_eq!(shown(text), wanted, "{text}");
        }
    }

    #[test]
    fn filters_make_other_spellings() {
        let cases = [
            ("userProfile", "user-profile", "user_profile", "USERPROFILE"),
            ("User Profile", "user-profile", "user_profile", "USER_PROFILE"),
            ("user_profile-page", "user-profile-page", "user_profile_page", "USER_PROFILE_PAGE"),
            ("HTTPServer2Go", "http-server2-go", "http_server2_go", "HTTPSERVER2GO"),
            ("  a  b ", "a-b", "a_b", "__A__B_"),
            ("Größe", "größe", "größe", "GRÖSSE"),
            ("", "", "", ""),
        ];
        for (value, kebab, snake, upper) in cases {
            let all = FILTERS.map(|filter| filtered(value, filter).expect("a filter"));
            assert_eq!(all, [kebab, snake, upper], "{value}");
        }
        assert_eq!(filtered("a", "title"), None);
    }
}
