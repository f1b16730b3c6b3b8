//! How fast text is searched for secrets, in MB a second, beside the time of one plain search for a word in
//! the same text: `cargo run --release -p convoy-core --example secret_speed [FOLDER]`. Without a folder the
//! text is the source of this library.
#![expect(clippy::disallowed_macros, clippy::disallowed_methods, reason = "an example prints and measures")]

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use convoy_core::secret::Redactor;
use regex::bytes::Regex;

/// Bytes of each text.
const SIZE: usize = 64 * 1024 * 1024;
/// How often each is measured; the fastest counts.
const TIMES: usize = 5;

fn main() {
    let folder =
        std::env::args().nth(1).unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/src").into());
    let mut source = String::new();
    read(Path::new(&folder), &mut source);
    let texts = [
        ("source", filled(&source)),
        ("agent output (JSON lines)", filled(&json_lines(&source))),
        ("one line", filled(&source.replace('\n', " "))),
        ("nothing but names", filled("token = secret; password: api_key, bearer auth_key\n")),
        ("nothing but starts", filled("sk-a ghp_b eyJc ://d AIzae SG.f hf_g npm_h AKIAi xoxb-j\n")),
    ];
    let redactor = Redactor::with_values((0..20).map(|n| format!("a-registered-value-{n}")));
    let word = Regex::new("a word that nobody wrote").expect("a word is an expression");
    println!("{:28}{:>12}{:>12}{:>12}{:>12}", "MB a second", "one word", "whole", "chunks", "ratio");
    for (name, text) in &texts {
        let plain = speed(|| {
            black_box(word.find_iter(text.as_bytes()).count());
        });
        let whole = speed(|| {
            black_box(redactor.redact(text).len());
        });
        let chunks = speed(|| {
            let (mut stream, mut out) = (redactor.stream(), Vec::new());
            for chunk in text.as_bytes().chunks(8192) {
                stream.push(chunk, &mut out);
                out.clear();
            }
            stream.finish(&mut out);
            black_box(out.len());
        });
        println!("{name:28}{plain:12.0}{whole:12.0}{chunks:12.0}{:12.1}", plain / whole);
    }
}

fn speed(mut pass: impl FnMut()) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..TIMES {
        let start = Instant::now();
        pass();
        best = best.min(start.elapsed());
    }
    SIZE as f64 / 1e6 / best.as_secs_f64()
}

/// Every file of source below a folder.
fn read(folder: &Path, text: &mut String) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            read(&path, text);
        } else if let Ok(more) = fs::read_to_string(&path)
            && text.len() < SIZE
        {
            text.push_str(&more);
        }
    }
}

/// What an agent program prints about the work on such text.
fn json_lines(source: &str) -> String {
    source
        .as_bytes()
        .chunks(2_000)
        .map(|part| {
            let text = serde_json::Value::from(String::from_utf8_lossy(part).into_owned());
            format!("{{\"type\":\"assistant\",\"message\":{{\"content\":[{{\"type\":\"text\",\"text\":{text}}}]}}}}\n")
        })
        .collect()
}

/// The text, over and over, up to the size.
fn filled(text: &str) -> String {
    let mut all = text.repeat(SIZE / text.len() + 1);
    let end = (0..=SIZE).rev().find(|at| all.is_char_boundary(*at)).unwrap_or(0);
    all.truncate(end);
    all
}
