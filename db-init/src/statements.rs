//! Finds statements that begin or end a transaction. A file is applied in one that is not its own: a `COMMIT` in it
//! would keep its first half when its second fails.

/// The line and the words of the first statement of `sql` that controls transactions. Savepoints are welcome.
pub(crate) fn transaction_control(sql: &str) -> Option<(usize, String)> {
    let mut statement = Statement::default();
    for token in (Tokens { sql, at: 0 }) {
        match token {
            Token::End => {
                if let Some(found) = statement.end_of() {
                    return Some(found);
                }
            }
            Token::Word { at, word } => statement.word(|| 1 + sql[..at].matches('\n').count(), word),
        }
    }
    statement.end_of()
}

/// What is seen of the statement that is being read.
#[derive(Default)]
struct Statement {
    line: usize,
    /// Its first words in upper case: no more are needed.
    first: Vec<String>,
    last: String,
    /// How many ends are missing in a function body of the form `BEGIN ATOMIC … END`.
    open: usize,
}

impl Statement {
    fn word(&mut self, line: impl Fn() -> usize, word: &str) {
        let word = word.to_ascii_uppercase();
        if self.first.is_empty() {
            self.line = line();
        }
        match word.as_str() {
            "ATOMIC" if self.last == "BEGIN" => self.open += 1,
            "CASE" if self.open > 0 => self.open += 1,
            "END" if self.open > 0 => self.open -= 1,
            _ => {}
        }
        if self.first.len() < 3 {
            self.first.push(word.clone());
        }
        self.last = word;
    }

    fn end_of(&mut self) -> Option<(usize, String)> {
        if self.open > 0 {
            return None;
        }
        let statement = std::mem::take(self);
        let second = statement.first.get(1).map(String::as_str);
        let found = match statement.first.first()?.as_str() {
            "BEGIN" | "COMMIT" | "END" | "ABORT" => true,
            "START" | "PREPARE" => second == Some("TRANSACTION"),
            "ROLLBACK" => !statement.first.iter().any(|word| word == "TO"),
            _ => false,
        };
        found.then(|| (statement.line, statement.first.join(" ")))
    }
}

enum Token<'a> {
    /// A semicolon.
    End,
    /// A keyword or a name.
    Word { at: usize, word: &'a str },
}

/// Words and semicolons outside of literals, quoted names and comments.
struct Tokens<'a> {
    sql: &'a str,
    at: usize,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let rest = &self.sql[self.at..];
            let first = rest.chars().next()?;
            let start = self.at;
            self.at += match first {
                ';' => {
                    self.at += 1;
                    return Some(Token::End);
                }
                '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
                '/' if rest.starts_with("/*") => comment(rest),
                'e' | 'E' if rest[1..].starts_with('\'') => 1 + quoted(&rest[1..], '\'', true),
                '\'' | '"' => quoted(rest, first, false),
                '$' => dollar_quoted(rest),
                c if is_word(c) => {
                    let end = rest.find(|c| !is_word(c) && c != '$').unwrap_or(rest.len());
                    self.at += end;
                    return Some(Token::Word { at: start, word: &rest[..end] });
                }
                other => other.len_utf8(),
            };
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of a comment, in which comments may nest.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// The length of a literal or name. A doubled quote begins another one at once, which comes to the same.
fn quoted(text: &str, quote: char, backslashes: bool) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if backslashes && c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + 1;
        }
    }
    text.len()
}

/// The length of `$tag$ … $tag$`; of a lone dollar, one.
fn dollar_quoted(text: &str) -> usize {
    let Some(end) = text[1..].find('$').map(|at| at + 2) else { return 1 };
    let tag = &text[..end];
    let name = &tag[1..end - 1];
    if !name.chars().all(is_word) || name.starts_with(|c: char| c.is_numeric()) {
        return 1;
    }
    text[end..].find(tag).map_or(text.len(), |at| end + at + end)
}

#[cfg(test)]
mod tests {
    use super::transaction_control;

    fn found(sql: &str) -> Option<String> {
        transaction_control(sql).map(|(line, words)| format!("{line} {words}"))
    }

    #[test]
    fn what_controls_transactions_is_found() {
        assert_eq!(found("select 1;\n\n  Commit;").as_deref(), Some("3 COMMIT"));
        assert_eq!(found("/* a /* b */ */ begin").as_deref(), Some("1 BEGIN"));
        assert_eq!(found("start transaction;").as_deref(), Some("1 START TRANSACTION"));
        assert_eq!(found("select 'it''s'; rollback work;").as_deref(), Some("1 ROLLBACK WORK"));
        assert_eq!(found(r"select E'\''; end").as_deref(), Some("1 END"));
        assert_eq!(found("prepare transaction 'x'").as_deref(), Some("1 PREPARE TRANSACTION"));
    }

    #[test]
    fn what_only_looks_like_it_is_not() {
        for sql in [
            "do $$ begin commit; end $$;",
            "create function f() as $f$ begin; $$ end; $f$;",
            "select 1; -- ; commit;\nselect ';commit';",
            "select \";commit;\"; select 'é', '$', $1;",
            "savepoint a; rollback to a; rollback to savepoint a; release a;",
            "prepare p as select 1; execute p;",
            "create function f() returns int begin atomic select case when true then 1 end; select 2; end;",
            "select E'\\\\'; select 'a\\';",
            "",
            "select $a$ unclosed; commit;",
        ] {
            assert_eq!(found(sql), None, "{sql}");
        }
    }
}
