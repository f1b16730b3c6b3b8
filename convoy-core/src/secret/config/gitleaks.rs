//! `.gitleaks.toml`: reading it, and looking for what its rules describe.

use aho_corasick::AhoCorasick;
use regex::bytes::Regex;
use serde::Deserialize;
use toml::{Table, Value};

use super::allow::Subject;
use super::rule::{Allowlist, Found, Rule, Target};
use super::{ScanConfig, expression, names};

/// Rules, and expressions of all lists together, that are used.
const MAX_RULES: usize = 1_000;
const MAX_EXPRESSIONS: usize = 4_000;

/// What the file says.
#[derive(Debug, Default)]
pub(super) struct Gitleaks {
    rules: Vec<Rule>,
    /// The lists of the whole file, and those that are for our own formats.
    allowlists: Vec<Allowlist>,
    /// Kinds of ours that are not reported.
    off: Vec<String>,
    keywords: Option<AhoCorasick>,
    /// The rule of each keyword.
    owners: Vec<usize>,
}

impl Gitleaks {
    pub(super) fn switches_off(&self, kind: &str) -> bool {
        self.off.iter().any(|off| names::is_for(off, kind))
    }

    pub(super) fn allows(&self, subject: &Subject<'_>) -> bool {
        let meant = |list: &Allowlist| {
            list.rules.is_empty() || list.rules.iter().any(|id| names::is_for(id, subject.kind))
        };
        self.allowlists.iter().any(|list| meant(list) && list.allows(subject))
    }

    /// What the rules find, in the order of the rules.
    pub(super) fn find<'r>(&'r self, path: &str, text: &str) -> Vec<Found<'r>> {
        let mut wanted: Vec<bool> = self.rules.iter().map(|rule| rule.keywords.is_empty()).collect();
        for hit in self.keywords.iter().flat_map(|keywords| keywords.find_overlapping_iter(text)) {
            wanted[self.owners[hit.pattern().as_usize()]] = true;
        }
        let mut found = Vec::new();
        for (rule, _) in self.rules.iter().zip(wanted).filter(|(_, wanted)| *wanted) {
            rule.find(path, text, &mut found);
        }
        found
    }
}

/// A rule as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RuleText {
    id: String,
    regex: Option<String>,
    path: Option<String>,
    secret_group: Option<usize>,
    entropy: Option<f64>,
    #[serde(default)]
    keywords: Vec<String>,
    allowlist: Option<Value>,
    #[serde(default)]
    allowlists: Vec<Value>,
    #[serde(default)]
    required: Vec<Value>,
}

/// A list of what is allowed, as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AllowlistText {
    #[serde(default)]
    paths: Vec<String>,
    #[serde(default)]
    regexes: Vec<String>,
    regex_target: Option<String>,
    #[serde(default)]
    stopwords: Vec<String>,
    condition: Option<String>,
    #[serde(default)]
    commits: Vec<String>,
    #[serde(default)]
    target_rules: Vec<String>,
}

/// What of the file can be used.
pub(super) fn read(text: &str, warnings: &mut Vec<String>) -> Gitleaks {
    let mut reader = Reader { warnings, expressions: 0 };
    match text.parse::<Table>() {
        Ok(table) => reader.file(table),
        Err(error) => {
            reader.warn(format!("is not read: {}", error.message()));
            Gitleaks::default()
        }
    }
}

struct Reader<'w> {
    warnings: &'w mut Vec<String>,
    expressions: usize,
}

impl Reader<'_> {
    fn warn(&mut self, text: String) {
        self.warnings.push(format!("{}: {text}", ScanConfig::GITLEAKS_FILE));
    }

    fn file(&mut self, mut table: Table) -> Gitleaks {
        let mut gitleaks = Gitleaks::default();
        if let Some(extend) = table.remove("extend") {
            self.extend(&extend, &mut gitleaks);
        }
        if let Some(one) = table.remove("allowlist") {
            gitleaks.allowlists.extend(self.allowlist(one, "allowlist"));
        }
        for (index, list) in self.list(&mut table, "allowlists").into_iter().enumerate() {
            gitleaks.allowlists.extend(self.allowlist(list, &format!("allowlists[{index}]")));
        }
        let rules = self.list(&mut table, "rules");
        if rules.len() > MAX_RULES {
            self.warn(format!("only the first {MAX_RULES} of {} rules are used", rules.len()));
        }
        for (index, rule) in rules.into_iter().take(MAX_RULES).enumerate() {
            if let Err(why) = self.rule(rule, &mut gitleaks) {
                self.warn(format!("rules[{index}] is left out: {why}"));
            }
        }
        self.keywords(&mut gitleaks);
        gitleaks
    }

    fn list(&mut self, table: &mut Table, key: &str) -> Vec<Value> {
        match table.remove(key) {
            None => Vec::new(),
            Some(Value::Array(list)) => list,
            Some(other) => {
                self.warn(format!("`{key}` must be a list of tables, found a {}", other.type_str()));
                Vec::new()
            }
        }
    }

    /// Our own formats are looked for always, so there is nothing to do for `useDefault`.
    fn extend(&mut self, extend: &Value, gitleaks: &mut Gitleaks) {
        for key in ["path", "url"] {
            if extend.get(key).is_some() {
                self.warn(format!("`extend.{key}` is not followed: put the rules into this file"));
            }
        }
        let Some(off) = extend.get("disabledRules") else { return };
        let Some(ids) = off.as_array() else {
            self.warn("`extend.disabledRules` must be a list of rule ids".to_owned());
            return;
        };
        for id in ids.iter().filter_map(Value::as_str) {
            if names::is_known(id) {
                gitleaks.off.push(id.to_owned());
            }
        }
    }

    fn rule(&mut self, value: Value, gitleaks: &mut Gitleaks) -> Result<(), String> {
        let rule: RuleText = value.try_into().map_err(|error: toml::de::Error| error.message().to_owned())?;
        let id = rule.id;
        if !rule.required.is_empty() {
            self.warn(format!("rule {id}: `required` is not supported, so it reports more than it would"));
        }
        let lists = rule.allowlist.into_iter().chain(rule.allowlists);
        let lists: Vec<Allowlist> =
            lists.filter_map(|list| self.allowlist(list, &format!("rule {id}"))).collect();
        if rule.regex.is_none() && rule.path.is_none() {
            if lists.is_empty() || !names::is_known(&id) {
                return Err(format!("rule {id} has neither `regex` nor `path`, and is none of ours"));
            }
            // It adds to a rule that comes with that scanner, and so to our formats for the same thing.
            gitleaks
                .allowlists
                .extend(lists.into_iter().map(|list| Allowlist { rules: vec![id.clone()], ..list }));
            return Ok(());
        }
        let compile = |text: Option<String>| {
            text.map(|text| expression::compile(&text, false))
                .transpose()
                .map_err(|why| format!("rule {id}: {why}"))
        };
        let (regex, path) = (compile(rule.regex)?, compile(rule.path)?);
        let group = rule.secret_group.filter(|group| *group > 0);
        if let (Some(group), Some(regex)) = (group, &regex)
            && group >= regex.captures_len()
        {
            return Err(format!("rule {id}: its expression has no group {group}"));
        }
        let keywords = rule.keywords.into_iter().filter(|keyword| !keyword.is_empty()).collect();
        let entropy = rule.entropy.filter(|entropy| *entropy > 0.0);
        gitleaks.rules.push(Rule { id, regex, path, group, entropy, keywords, allowlists: lists });
        Ok(())
    }

    fn allowlist(&mut self, value: Value, place: &str) -> Option<Allowlist> {
        let list: AllowlistText = match value.try_into() {
            Ok(list) => list,
            Err(error) => {
                let error: toml::de::Error = error;
                self.warn(format!("{place} is left out: {}", error.message()));
                return None;
            }
        };
        let target = match list.regex_target.as_deref() {
            None | Some("" | "secret") => Target::Secret,
            Some("match") => Target::Match,
            Some("line") => Target::Line,
            Some(other) => {
                self.warn(format!(
                    "{place} is left out: `regexTarget` is match, line or secret, found `{other}`"
                ));
                return None;
            }
        };
        let all = match list.condition.as_deref().map(str::to_ascii_uppercase).as_deref() {
            None | Some("" | "OR" | "||") => false,
            Some("AND" | "&&") => true,
            Some(other) => {
                self.warn(format!("{place} is left out: `condition` is AND or OR, found `{other}`"));
                return None;
            }
        };
        let (asked, written) = (list.paths.len(), list.regexes.len());
        let paths = self.expressions(list.paths, place);
        let regexes = self.expressions(list.regexes, place);
        if all && (paths.len() < asked || regexes.len() < written) {
            // Less that must hold would allow more.
            self.warn(format!("{place} is left out: everything in it must hold, and a part cannot be used"));
            return None;
        }
        let stopwords =
            list.stopwords.iter().filter(|word| !word.is_empty()).map(|word| word.to_lowercase()).collect();
        let commits = !list.commits.is_empty();
        Some(Allowlist { paths, regexes, target, stopwords, all, commits, rules: list.target_rules })
    }

    fn expressions(&mut self, texts: Vec<String>, place: &str) -> Vec<Regex> {
        let mut all = Vec::new();
        for text in texts {
            self.expressions += 1;
            if self.expressions == MAX_EXPRESSIONS + 1 {
                self.warn(format!("only the first {MAX_EXPRESSIONS} expressions of allow lists are used"));
            }
            if self.expressions > MAX_EXPRESSIONS {
                break;
            }
            match expression::compile(&text, false) {
                Ok(regex) => all.push(regex),
                Err(why) => self.warn(format!("{place}: {why}")),
            }
        }
        all
    }

    fn keywords(&mut self, gitleaks: &mut Gitleaks) {
        let mut all = Vec::new();
        for (index, rule) in gitleaks.rules.iter().enumerate() {
            all.extend(rule.keywords.iter().map(String::as_str));
            gitleaks.owners.resize(all.len(), index);
        }
        if all.is_empty() {
            return;
        }
        match AhoCorasick::builder().ascii_case_insensitive(true).build(&all) {
            Ok(keywords) => gitleaks.keywords = Some(keywords),
            Err(error) => {
                self.warn(format!("the keywords are not used, every rule is tried: {error}"));
                gitleaks.rules.iter_mut().for_each(|rule| rule.keywords.clear());
            }
        }
    }
}
