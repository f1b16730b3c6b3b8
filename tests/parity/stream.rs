//! What a host printed, without what differs from run to run.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::{Map, Value, json};

/// What a host printed: equal for hosts that do the same.
#[derive(Debug, Clone)]
pub(crate) struct Stream(Vec<Value>);

/// Numbers that differ from run to run.
const NUMBERS: [&str; 4] = ["pid", "start_time", "duration_ms", "slot"];

static NAMES: LazyLock<Regex> = LazyLock::new(|| {
    let time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z";
    let (id, hex) = (r"\b01(?i:[0-9a-hjkmnp-tv-z]{24})\b", r"\b[0-9a-f]{12,64}\b");
    // A checkout that is proposed has the end of the id in its name.
    let end = r"repo-[0-9a-hjkmnp-tv-z]{6}-\d";
    // What a language says of an answer that is none begins in its own words.
    let refused = r"(?s:(?:ValueError|TypeError|Nonsense): the answer .* is none: [^\n]*)";
    // Which slot a worktree gets depends on which are free at that moment.
    let slot = r"\.convoy/slots/\d+";
    let all =
        format!("(?P<refused>{refused})|(?P<time>{time})|(?P<slot>{slot})|(?P<id>{id}|{end})|(?P<hex>{hex})");
    Regex::new(&all).expect("valid")
});

/// Makes a stream of what the processes of a host print.
pub(crate) struct Recording<'a> {
    folder: String,
    free: &'a [String],
    lines: Vec<Value>,
    names: BTreeMap<String, usize>,
    branch: Branch,
}

impl<'a> Recording<'a> {
    /// `folder`: everything of this scenario is below it.
    pub(crate) fn new(folder: &Path, free: &'a [String]) -> Self {
        let folder = folder.to_str().expect("UTF-8").trim_end_matches('/').to_owned();
        Self { folder, free, lines: Vec::new(), names: BTreeMap::new(), branch: Branch::default() }
    }

    /// Takes what a process printed: events and calls in their order; then what agents printed live, in one piece for
    /// each attempt, as pieces are cut anywhere and come beside the stored events; then what the host was asked, which
    /// it says on other threads than events.
    ///
    /// # Errors
    /// When it is not what a host prints.
    pub(crate) fn process(&mut self, printed: &str, dies: bool) -> Result<(), String> {
        let (mut asked, mut output) = (Vec::new(), BTreeMap::<_, String>::new());
        let mut ended = false;
        let mut newest = None;
        for line in printed.lines() {
            let line: Value = serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
            let kind = line["type"].as_str().unwrap_or_default();
            in_order(&mut newest, &line)?;
            self.branch.take(&line)?;
            ended = line.get("end").is_some();
            if ended {
                break;
            }
            if line.get("asked").is_some() {
                asked.push(line);
            } else if self.free(kind) || (kind == "lagged" && self.free("task_output")) {
                // Each language says it in its own way.
            } else if kind == "task_output" {
                let key = (line["task_id"].to_string(), line["attempt_no"].to_string());
                output.entry(key).or_default().push_str(line["text"].as_str().unwrap_or_default());
            } else {
                self.line(line);
            }
        }
        if ended == dies {
            return Err(format!("the host {}", if dies { "lives on" } else { "did not come to its end" }));
        }
        self.branch.unread = dies;
        for ((task, attempt), text) in output {
            self.line(json!({ "output of": task, "attempt": attempt, "text": text }));
        }
        asked.into_iter().for_each(|line| self.line(line));
        Ok(())
    }

    /// Takes one line, unless it is about the branch (see [`Branch`]).
    pub(crate) fn line(&mut self, line: Value) {
        if !beside(&line) {
            let line = self.clean(None, line);
            self.lines.push(line);
        }
    }

    pub(crate) fn finish(mut self) -> Stream {
        if let Some(published) = self.branch.published() {
            let line = self.clean(None, json!({ "published": published }));
            self.lines.push(line);
        }
        Stream(self.lines)
    }

    fn free(&self, name: &str) -> bool {
        self.free.iter().any(|free| free == name)
    }

    fn clean(&mut self, member: Option<&str>, value: Value) -> Value {
        match (member, value) {
            (Some("_event_id"), value) => json!(self.name("event", &value.to_string())),
            (Some(name), Value::Number(_)) if NUMBERS.contains(&name) || self.free(name) => json!(0),
            // Who notices that an engine is shut down, the engine or the binding, is no matter.
            (Some("failed"), Value::Object(members)) if members.get("status") == Some(&json!(110)) => {
                json!({ "status": 110 })
            }
            (_, Value::String(text)) => Value::String(self.text(&text)),
            (_, Value::Array(list)) => {
                list.into_iter().filter(|item| !beside(item)).map(|item| self.clean(None, item)).collect()
            }
            (_, Value::Object(mut members)) => {
                // Whether the branch has what has landed by now; at the end it has.
                if members.get("status").is_some_and(|status| status == "running" || status == "paused") {
                    members.remove("published");
                }
                let cleaned = members.into_iter().map(|(name, value)| {
                    let value = self.clean(Some(&name), value);
                    (self.text(&name), value)
                });
                Value::Object(cleaned.collect::<Map<_, _>>())
            }
            (_, other) => other,
        }
    }

    fn text(&mut self, text: &str) -> String {
        let text = text.replace(&self.folder, "<folder>");
        let replaced = NAMES.replace_all(&text, |found: &Captures<'_>| {
            let group = |name: &str| found.name(name).map(|found| found.as_str().to_owned());
            if let Some(id) = group("id") {
                self.name("id", &id)
            } else if let Some(hex) = group("hex") {
                self.name("hex", &hex)
            } else {
                let of = |name| found.name(name).is_some();
                if of("time") {
                    "<time>"
                } else if of("slot") {
                    "<slot>"
                } else {
                    "<no answer>"
                }
                .to_owned()
            }
        });
        replaced.into_owned()
    }

    /// A name by the order of first appearance.
    fn name(&mut self, kind: &str, name: &str) -> String {
        let key = format!("{kind} {name}");
        let next = self.names.keys().filter(|key| key.starts_with(&format!("{kind} "))).count() + 1;
        format!("<{kind} {}>", self.names.entry(key).or_insert(next))
    }
}

/// That events come by their numbers, and none is missing: a store has the events of one convoy.
fn in_order(newest: &mut Option<u64>, line: &Value) -> Result<(), String> {
    let Some(id) = line["_event_id"].as_u64() else { return Ok(()) };
    match newest.replace(id) {
        Some(before) if id != before + 1 => Err(format!("after the event {before} comes {line}")),
        _ => Ok(()),
    }
}

/// What is told of the branch. It is moved beside everything else, to whatever has landed by then: two landings are
/// one move or two, and where the events of a move stand among the others is a matter of time, on the same host, too.
/// So it is looked at by itself here: every move is begun, and then done or voided, for the commit with which it
/// began; and where it comes to in the end is compared.
#[derive(Default)]
struct Branch {
    begun: Option<Value>,
    /// Whether a process died, perhaps before it read of a move that its engine had begun.
    unread: bool,
    /// The newest move, and whether there can be another one.
    last: Option<Value>,
    over: bool,
}

impl Branch {
    fn take(&mut self, line: &Value) -> Result<(), String> {
        let unread = beside(line) && std::mem::take(&mut self.unread);
        match line["type"].as_str().unwrap_or_default() {
            "branch_publish_started" => self.begun = Some(line["to"].clone()),
            "branch_publish_voided" if self.begun.take().is_none() && !unread => {
                return Err(format!("no move was begun before {line}"));
            }
            "branch_published" => {
                let begun = self.begun.take();
                if begun.as_ref() != Some(&line["commit"]) && !unread {
                    return Err(format!("a move to {begun:?} was begun before {line}"));
                }
                self.last = Some(line.clone());
            }
            "run_ended" => self.over = line["ended"] == "finished",
            "convoy_started" | "convoy_resumed" => self.over = false,
            _ => {}
        }
        Ok(())
    }

    /// Where the branch came to.
    fn published(&mut self) -> Option<Value> {
        let last = self.last.take().filter(|_| self.over)?;
        Some(json!({ "branch": last["branch"], "commit": last["commit"], "tip": last["tip"] }))
    }
}

/// Whether an event is about the branch.
fn beside(event: &Value) -> bool {
    event["type"].as_str().is_some_and(|kind| kind.starts_with("branch_"))
}

impl Stream {
    /// Whether there is a line that has these parts.
    pub(crate) fn shows(&self, part: &Value) -> bool {
        self.0.iter().any(|line| has(line, part))
    }
}

/// Whether a value has these members, and texts that hold these.
fn has(value: &Value, part: &Value) -> bool {
    match (value, part) {
        (Value::Object(value), Value::Object(part)) => {
            part.iter().all(|(name, part)| value.get(name).is_some_and(|value| has(value, part)))
        }
        (Value::Array(value), Value::Array(part)) => {
            part.iter().all(|part| value.iter().any(|value| has(value, part)))
        }
        (Value::String(value), Value::String(part)) => value.contains(part.as_str()),
        _ => value == part,
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// The first difference, with what came before it.
pub(crate) fn difference(native: &Stream, other: &Stream) -> Option<String> {
    let longest = native.0.len().max(other.0.len());
    let at = (0..longest).find(|at| native.0.get(*at) != other.0.get(*at))?;
    let show = |stream: &Stream| stream.0.get(at).map_or_else(|| "(nothing)".to_owned(), Value::to_string);
    let before: Vec<String> = native.0[at.saturating_sub(3)..at].iter().map(brief).collect();
    let members = match (native.0.get(at), other.0.get(at)) {
        (Some(Value::Object(native)), Some(Value::Object(other))) => {
            let differ = |name: &&String| native.get(*name) != other.get(*name);
            native.keys().chain(other.keys()).filter(differ).cloned().collect::<Vec<_>>().join(", ")
        }
        _ => String::new(),
    };
    let before = before.join("\n  ");
    Some(format!(
        "line {at}, in {members}; after\n  {before}\nnative: {}\nhere:   {}",
        show(native),
        show(other)
    ))
}

fn brief(line: &Value) -> String {
    line.to_string().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(printed: &str) -> Stream {
        let mut recording = Recording::new(Path::new("/tmp/x"), &[]);
        recording.process(printed, true).expect("what a host prints");
        recording.finish()
    }

    const PRINTED: &str = concat!(
        r#"{"type":"a","_event_id":3,"timestamp":"2026-01-02T03:04:05.678Z","commit":"OID","pid":7,"at":"/tmp/x/repo","request_id":"01M83XBWRTHQXBCHN25Q7NGSDE"}"#,
        "\n",
        r#"{"type":"b","_event_id":4,"commit":"OID","tree":"TREE"}"#,
        "\n",
    );

    fn printed(oid: &str, tree: &str) -> String {
        PRINTED.replace("OID", &oid.repeat(40)).replace("TREE", &tree.repeat(40))
    }

    #[test]
    fn names_times_and_places_make_no_difference() {
        let one = stream(&printed("a", "b"));
        let other = printed("c", "d")
            .replace("678Z", "9Z")
            .replace(":7", ":8")
            .replace("Q7NGSDE", "Q7NGSDF")
            .replace("\"_event_id\":", "\"_event_id\":1");
        assert_eq!(difference(&one, &stream(&other)), None);
        assert!(one.to_string().contains("<hex 1>") && one.to_string().contains("<folder>/repo"), "{one}");
    }

    #[test]
    fn anything_else_does() {
        let one = stream(&printed("a", "b"));
        let text = printed("a", "b");
        let (first, second) = text.split_once('\n').expect("two lines");
        let others = [
            printed("a", "a"),
            text.replace("\"b\"", "\"c\""),
            text.replace("/repo", "/other"),
            text.replace("\"pid\":7,", ""),
            first.to_owned(),
            format!("{second}{first}"),
            format!("{text}{second}"),
        ];
        for other in others {
            let mut recording = Recording::new(Path::new("/tmp/x"), &[]);
            // Some are no stream of events at all.
            let is_one = recording.process(&other, true).is_ok();
            assert!(!is_one || difference(&one, &recording.finish()).is_some(), "{other}");
        }
    }

    fn refused(printed: &str) -> String {
        let mut recording = Recording::new(Path::new("/tmp/x"), &[]);
        recording.process(printed, true).expect_err("no host prints this")
    }

    #[test]
    fn an_event_that_is_missing_or_comes_too_early_is_told() {
        for (first, second) in [(1, 3), (2, 1), (2, 2)] {
            let printed = [first, second].map(|id| format!("{}\n", json!({ "type": "a", "_event_id": id })));
            assert!(refused(&printed.concat()).contains("after the event"), "{first} {second}");
        }
    }

    #[test]
    fn where_the_branch_comes_to_counts_and_not_in_how_many_moves() {
        let lines = |events: &[Value]| events.iter().map(|event| format!("{event}\n")).collect::<String>();
        let started = |to: &str| json!({ "type": "branch_publish_started", "to": to });
        let voided = json!({ "type": "branch_publish_voided" });
        let published =
            |to: &str| json!({ "type": "branch_published", "branch": "main", "commit": to, "tip": to });
        let end = |how: &str| json!({ "type": "run_ended", "ended": how });
        let once = stream(&lines(&[started("b"), published("b"), end("finished")]));
        let moves =
            [started("a"), published("a"), started("x"), voided.clone(), started("b"), published("b")];
        let twice = stream(&lines(&[&moves[..], &[end("finished")]].concat()));
        assert_eq!(difference(&once, &twice), None);
        assert!(once.shows(&json!({ "published": { "branch": "main", "commit": "b" } })), "{once}");
        let elsewhere = stream(&lines(&[started("c"), published("c"), end("finished")]));
        assert!(difference(&once, &elsewhere).is_some());
        // One that can go on may move it once more.
        let open = stream(&lines(&[started("b"), published("b"), end("interrupted")]));
        assert!(!open.shows(&json!({ "published": {} })), "{open}");
        for wrong in [vec![published("a")], vec![started("a"), published("b")], vec![voided]] {
            assert!(refused(&lines(&wrong)).contains("begun before"), "{wrong:?}");
        }
    }

    #[test]
    fn a_process_that_dies_may_leave_one_move_of_the_branch_unread() {
        let published = |to: &str| {
            format!("{}\n", json!({ "type": "branch_published", "branch": "main", "commit": to, "tip": to }))
        };
        let after = |dies: bool, next: &str| {
            let mut recording = Recording::new(Path::new("/tmp/x"), &[]);
            let end = if dies { "" } else { "{\"end\":true}\n" };
            recording.process(&format!("{{\"type\":\"a\"}}\n{end}"), dies).expect("what a host prints");
            recording.process(&format!("{next}{{\"end\":true}}\n"), false)
        };
        assert_eq!(after(true, &published("b")), Ok(()));
        assert!(after(true, &(published("b") + &published("c"))).is_err());
        assert!(after(false, &published("b")).is_err());
    }

    #[test]
    fn what_stands_beside_the_order_is_put_in_order() {
        let piece = |text: &str| {
            format!("{}\n", json!({ "type": "task_output", "task_id": "t", "attempt_no": 1, "text": text }))
        };
        let (event, branch) = ("{\"type\":\"a\"}\n", "{\"type\":\"branch_publish_started\"}\n");
        let asked = "{\"asked\":\"review\",\"request\":{}}\n";
        let one = stream(&format!("{asked}{}{event}{}", piece("o"), piece("ne")));
        let other = stream(&format!("{event}{branch}{}{asked}", piece("one")));
        assert_eq!(difference(&one, &other), None);
        assert_eq!(one.0.len(), 3);
    }
}
