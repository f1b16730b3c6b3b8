//! The script inside a prompt, and the words of its lines.

/// The lines of the last block that begins with ```` ```NAME ````; blank ones and those that begin with `#` left out.
pub(crate) fn find<'a>(prompt: &'a str, name: &str) -> Option<Vec<&'a str>> {
    let begin = format!("```{name}");
    let mut last = None;
    let mut open: Option<Vec<&str>> = None;
    for line in prompt.lines().map(str::trim) {
        match &mut open {
            None if line == begin => open = Some(Vec::new()),
            None => {}
            Some(_) if line == "```" => last = open.take(),
            Some(lines) if !line.is_empty() && !line.starts_with('#') => lines.push(line),
            Some(_) => {}
        }
    }
    last
}

/// One line: words, where one in double quotes may hold blanks and `\n`, `\t`, `\"`, `\\`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    pub(crate) fn new(line: &'a str) -> Self {
        Self { rest: line.trim() }
    }

    /// The next word.
    pub(crate) fn word(&mut self) -> Result<String, String> {
        if self.rest.is_empty() {
            return Err("a word is missing".into());
        }
        let (word, rest) = match self.rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => match self.rest.split_once(char::is_whitespace) {
                Some((word, rest)) => (word.to_owned(), rest),
                None => (self.rest.to_owned(), ""),
            },
        };
        self.rest = rest.trim_start();
        Ok(word)
    }

    /// The next word as a number.
    pub(crate) fn number<T: std::str::FromStr>(&mut self) -> Result<T, String> {
        let word = self.word()?;
        word.parse().map_err(|_| format!("`{word}` is no number that fits here"))
    }

    /// The next word, if there is one.
    pub(crate) fn optional(&mut self) -> Result<Option<String>, String> {
        if self.rest.is_empty() { Ok(None) } else { self.word().map(Some) }
    }

    /// All words that are left.
    pub(crate) fn all(&mut self) -> Result<Vec<String>, String> {
        std::iter::from_fn(|| self.optional().transpose()).collect()
    }

    /// Everything that is left: as it stands, or one word in quotes.
    pub(crate) fn text(&mut self) -> Result<String, String> {
        if self.rest.starts_with('"') {
            let before = *self;
            let word = self.word()?;
            if self.rest.is_empty() {
                return Ok(word);
            }
            self.rest = before.rest;
        }
        Ok(std::mem::take(&mut self.rest).to_owned())
    }

    /// Refuses words that nobody asked for.
    pub(crate) fn end(self) -> Result<(), String> {
        if self.rest.is_empty() { Ok(()) } else { Err(format!("`{}` is too much", self.rest)) }
    }
}

/// The text up to the closing quote, and what comes after it.
fn unquote(text: &str) -> Result<(String, &str), String> {
    let mut word = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((word, &text[at + 1..])),
            '\\' => match characters.next() {
                Some((_, 'n')) => word.push('\n'),
                Some((_, 't')) => word.push('\t'),
                Some((_, other @ ('"' | '\\'))) => word.push(other),
                _ => return Err("after `\\` may come n, t, \" or \\".into()),
            },
            other => word.push(other),
        }
    }
    Err("the closing quote is missing".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_block_counts_and_only_complete_ones() {
        let block = |text: &str| format!("```script\n{text}\n```\n");
        let prompt = format!("Do it.\n{}feedback\n{}bye", block("say a"), block("  say b\n\n# no\nexit 3"));
        assert_eq!(find(&prompt, "script"), Some(vec!["say b", "exit 3"]));
        assert_eq!(
            find(&format!("{}```script\nsay torn", block("say whole")), "script"),
            Some(vec!["say whole"])
        );
        assert_eq!(find("```sh\nls\n```", "script"), None);
    }

    #[test]
    fn words_may_be_quoted_and_a_text_is_the_rest_of_the_line() {
        let mut words = Words::new(r#"write "a b\\.txt" one  "two" three"#);
        assert_eq!(words.word().unwrap(), "write");
        assert_eq!(words.word().unwrap(), "a b\\.txt");
        assert_eq!(words.text().unwrap(), r#"one  "two" three"#);
        let mut words = Words::new(r#""a\nb" c"#);
        assert_eq!(words.clone().text().unwrap(), r#""a\nb" c"#);
        assert_eq!(words.all().unwrap(), ["a\nb", "c"]);
        assert_eq!(Words::new(r#""a\tb""#).text().unwrap(), "a\tb");
    }

    #[test]
    fn a_line_with_too_little_or_too_much_is_refused() {
        assert!(Words::new("").word().is_err());
        assert!(Words::new("\"open").word().is_err());
        assert!(Words::new("\"\\x\"").word().is_err());
        assert!(Words::new("x1").number::<u32>().is_err());
        assert!(Words::new("300").number::<u8>().is_err());
        assert!(Words::new("more").end().is_err());
    }
}
