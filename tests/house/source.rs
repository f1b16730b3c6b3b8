//! Rust sources as the checks see them: a flat list of tokens, without comments and without what strings say.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// One Rust file of the repository.
pub(crate) struct Source {
    /// Relative to the root of the repository, with `/`.
    pub(crate) path: String,
    pub(crate) lines: usize,
    pub(crate) tokens: Vec<Token>,
}

/// An identifier, a punctuation character (`::` as one), a bracket, or `""` for any literal.
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

impl Source {
    /// # Panics
    /// When the text is not Rust: everything else would be guessing.
    pub(crate) fn parse(path: &str, text: &str) -> Self {
        let stream: TokenStream = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        Self { path: path.to_owned(), lines: text.lines().count(), tokens }
    }

    /// The texts of the tokens from `at` on, at most `N`; missing ones are empty.
    pub(crate) fn window<const N: usize>(&self, at: usize) -> [&str; N] {
        std::array::from_fn(|ix| self.tokens.get(at + ix).map_or("", |token| token.text.as_str()))
    }

    /// `path:line` of a token.
    pub(crate) fn place(&self, at: usize) -> String {
        format!("{}:{}", self.path, self.tokens[at].line)
    }
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    let mut colon_before = false;
    for tree in stream {
        let line = tree.span().start().line;
        let mut push = |text: &str, line| tokens.push(Token { text: text.to_owned(), line });
        let mut colon = false;
        match tree {
            TokenTree::Ident(ident) => push(&ident.to_string(), line),
            TokenTree::Literal(_) => push("\"\"", line),
            TokenTree::Punct(punct) if punct.as_char() == ':' && colon_before => {
                tokens.last_mut().expect("the colon before").text.push(':');
            }
            TokenTree::Punct(punct) => {
                colon = punct.as_char() == ':' && punct.spacing() == Spacing::Joint;
                push(&punct.as_char().to_string(), line);
            }
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                push(open, line);
                let end = group.span_close().start().line;
                flatten(group.stream(), tokens);
                tokens.push(Token { text: close.to_owned(), line: end });
            }
        }
        colon_before = colon;
    }
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in the repository").to_owned()
}

/// All files of the repository whose name `wanted` accepts, relative to `root`, with `/`, sorted. Hidden folders,
/// build output and what package managers fetch are not the repository's.
pub(crate) fn files(root: &Path, wanted: fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let entry = entry.expect("an entry of a folder that is being read");
            let name = entry.file_name().into_string().expect("names here are UTF-8");
            let kind = entry.file_type().expect("the kind of an entry");
            if kind.is_dir() {
                if !name.starts_with('.') && name != "target" && name != "node_modules" {
                    folders.push(entry.path());
                }
            } else if wanted(&name) {
                let path = entry.path();
                let path = path.strip_prefix(root).expect("below the root");
                found.push(path.to_str().expect("names here are UTF-8").to_owned());
            }
        }
    }
    found.sort();
    found
}

/// All Rust files of the repository.
pub(crate) fn sources(root: &Path) -> Vec<Source> {
    let read = |path: String| {
        let text = fs::read_to_string(root.join(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        Source::parse(&path, &text)
    };
    files(root, |name| name.ends_with(".rs")).into_iter().map(read).collect()
}

#[test]
fn comments_and_strings_are_not_code_and_lines_are_kept() {
    let source =
        Source::parse("a.rs", "// todo!()\n/// dbg!()\nfn f() {\n    g::h(\"todo!()\", r#\"dbg!()\"#)\n}\n");
    let texts: Vec<&str> = source.tokens.iter().map(|token| token.text.as_str()).collect();
    let code = ["fn", "f", "(", ")", "{", "g", "::", "h", "(", "\"\"", ",", "\"\"", ")", "}"];
    assert_eq!(texts, [["#", "[", "doc", "=", "\"\"", "]"].as_slice(), &code].concat());
    assert_eq!(source.lines, 5);
    let h = texts.iter().position(|text| *text == "h").expect("h is code");
    assert_eq!(source.place(h), "a.rs:4");
}
