//! Assignments of literals, as the settings of LightCloud's manager are written. It is Python, of version 2 or 3; nothing
//! of it is run: what is not `NAME = LITERAL` is refused with its line.

mod lexer;

use lexer::{Lexer, Token};
use thiserror::Error;

/// The deepest nesting of brackets.
const MAX_DEPTH: usize = 32;

/// A value that is written out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Literal {
    None,
    Bool(bool),
    Int(i64),
    Text(String),
    /// A list or a tuple.
    List(Vec<Literal>),
    /// In the order of the file, each with the line of its key.
    Dict(Vec<(Literal, Literal, usize)>),
}

/// `NAME = LITERAL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    /// Empty for a dictionary that stands by itself.
    pub(super) name: String,
    pub(super) value: Literal,
    pub(super) line: usize,
}

/// What is none of it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {why}")]
pub(super) struct Refused {
    /// From 1.
    pub(super) line: usize,
    pub(super) why: String,
}

/// Reads all assignments, in their order.
pub(super) fn read(text: &str) -> Result<Vec<Assignment>, Refused> {
    let mut parser = Parser { lexer: Lexer::new(text), depth: 0 };
    let mut assignments = Vec::new();
    loop {
        let (token, line) = parser.lexer.next()?;
        match token {
            Token::End => return Ok(assignments),
            Token::Newline => continue,
            Token::Name(name) if parser.lexer.peek()?.0 == Token::Sign('=') => {
                parser.lexer.next()?;
                let value = parser.value()?;
                assignments.push(Assignment { name, value, line });
            }
            // A text by itself is a comment; a dictionary may be all that was pasted.
            Token::Text(_) => {}
            Token::Sign('{') => {
                let value = parser.dict()?;
                assignments.push(Assignment { name: String::new(), value, line });
            }
            _ => return Err(parser.lexer.not_literal(line)),
        }
        match parser.lexer.next()? {
            (Token::Newline | Token::End, _) => {}
            (_, line) => return Err(parser.lexer.not_literal(line)),
        }
    }
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    depth: usize,
}

impl Parser<'_> {
    fn value(&mut self) -> Result<Literal, Refused> {
        let (token, line) = self.lexer.next()?;
        Ok(match token {
            Token::Text(mut text) => {
                // Texts that stand beside one another are one.
                while let Token::Text(more) = self.lexer.peek()?.0 {
                    text.push_str(&more);
                    self.lexer.next()?;
                }
                Literal::Text(text)
            }
            Token::Int(number) => Literal::Int(number),
            Token::Sign('-') => match self.lexer.next()?.0 {
                Token::Int(number) => Literal::Int(-number),
                _ => return Err(self.lexer.not_literal(line)),
            },
            Token::Name(name) => match &name[..] {
                "True" => Literal::Bool(true),
                "False" => Literal::Bool(false),
                "None" => Literal::None,
                _ => return Err(self.lexer.not_literal(line)),
            },
            Token::Sign('{') => self.dict()?,
            Token::Sign('[') => Literal::List(self.items(']')?.0),
            Token::Sign('(') => match self.items(')')? {
                // Brackets around one value, without a comma, mean nothing.
                (mut items, false) if items.len() == 1 => items.remove(0),
                (items, _) => Literal::List(items),
            },
            _ => return Err(self.lexer.not_literal(line)),
        })
    }

    /// Up to the closing bracket, and whether there was a comma.
    fn items(&mut self, end: char) -> Result<(Vec<Literal>, bool), Refused> {
        self.enter()?;
        let mut items = Vec::new();
        let mut has_comma = false;
        while !self.take(end)? {
            items.push(self.value()?);
            if self.take(',')? {
                has_comma = true;
            } else {
                self.expect(end)?;
                break;
            }
        }
        self.leave();
        Ok((items, has_comma))
    }

    fn dict(&mut self) -> Result<Literal, Refused> {
        self.enter()?;
        let mut entries: Vec<(Literal, Literal, usize)> = Vec::new();
        while !self.take('}')? {
            let line = self.lexer.peek()?.1;
            let key = self.value()?;
            self.expect(':')?;
            let value = self.value()?;
            if let Some((_, _, first)) = entries.iter().find(|(other, _, _)| *other == key) {
                let why = format!("{} is also in line {first}: remove one", shown(&key));
                return Err(Refused { line, why });
            }
            entries.push((key, value, line));
            if !self.take(',')? {
                self.expect('}')?;
                break;
            }
        }
        self.leave();
        Ok(Literal::Dict(entries))
    }

    fn take(&mut self, sign: char) -> Result<bool, Refused> {
        let is_there = self.lexer.peek()?.0 == Token::Sign(sign);
        if is_there {
            self.lexer.next()?;
        }
        Ok(is_there)
    }

    fn expect(&mut self, sign: char) -> Result<(), Refused> {
        match self.lexer.next()? {
            (Token::Sign(found), _) if found == sign => Ok(()),
            (Token::End, line) => Err(Refused { line, why: format!("the file ends before a {sign}") }),
            (_, line) => Err(self.lexer.not_literal(line)),
        }
    }

    fn enter(&mut self) -> Result<(), Refused> {
        self.depth += 1;
        self.lexer.brackets = self.depth;
        if self.depth > MAX_DEPTH {
            let line = self.lexer.peek()?.1;
            return Err(Refused { line, why: format!("brackets are more than {MAX_DEPTH} deep") });
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.depth -= 1;
        self.lexer.brackets = self.depth;
    }
}

fn shown(key: &Literal) -> String {
    match key {
        Literal::Text(text) => format!("{text:?}"),
        Literal::Int(number) => number.to_string(),
        _ => "a key".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Literal {
        Literal::Text(text.to_owned())
    }

    fn one(source: &str) -> Literal {
        let mut all = read(&format!("x = {source}\n")).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(all.len(), 1);
        all.remove(0).value
    }

    #[test]
    fn literals_are_read() {
        for (source, value) in [
            ("'a'", text("a")),
            (r#"u"\x41\102\u00e9\n\'\q""#, text("ABé\n'\\q")),
            (r"r'\n'", text("\\n")),
            ("'''a\n'b'''", text("a\n'b")),
            ("'a' \"b\"", text("ab")),
            ("('a'\n 'b')  # c", text("ab")),
            ("'a\\\nb'", text("ab")),
            ("12L", Literal::Int(12)),
            ("-0x1F", Literal::Int(-31)),
            ("0o17", Literal::Int(15)),
            ("017", Literal::Int(15)),
            ("1_000", Literal::Int(1000)),
            ("True", Literal::Bool(true)),
            ("None;", Literal::None),
            ("()", Literal::List(vec![])),
            ("(1,)", Literal::List(vec![Literal::Int(1)])),
            ("[1, 'b', ]", Literal::List(vec![Literal::Int(1), text("b")])),
            ("{\n# c\n 'a': 1,\n}", Literal::Dict(vec![(text("a"), Literal::Int(1), 3)])),
            ("\\\n 1", Literal::Int(1)),
        ] {
            assert_eq!(one(source), value, "{source}");
        }
    }

    #[test]
    fn lines_and_names_are_kept() {
        let all = read("#!/usr/bin/python\n\"\"\"Settings\n\"\"\"\nA = 1; B = 2\r\n\n{'x': 3}").unwrap();
        let all: Vec<_> = all.iter().map(|one| (&one.name[..], one.line)).collect();
        assert_eq!(all, [("A", 4), ("B", 4), ("", 6)]);
    }

    #[test]
    fn what_is_no_literal_is_named() {
        for (source, said) in [
            ("import os", "line 1: `import os` is not NAME = LITERAL"),
            ("A = 1\nA = os.path.join('a')", "line 2: `A = os.path.join('a')` is not"),
            ("A = 'a' + 'b'", "line 1: `A = 'a' + 'b'` is not"),
            ("A = 1.5", "line 1: `A = 1.5` is not"),
            ("A = {\n 'a': f(),\n}", "line 2: `'a': f(),` is not"),
            ("A['b'] = 1", "line 1: `A['b'] = 1` is not"),
            ("if True:\n  A = 1", "line 1: `if True:` is not"),
            ("print 'x'", "line 1: `print 'x'` is not"),
            ("A = f'{x}'", "line 1: `A = f'{x}'` is not"),
            ("A = 'a", "line 1: a text has no end"),
            ("A = '''a\nb", "line 1: a text has no end"),
            ("A = '\\x4'", "line 1: \\x"),
            ("A = 99999999999999999999", "line 1: 99999999999999999999 is too large"),
            ("A = 0x", "line 1: 0x is no number"),
            ("A = {'a': 1", "the file ends before a }"),
            ("A = {'a': 1,\n 'a': 2}", "line 2: \"a\" is also in line 1"),
            ("A = ?", "line 1: `A = ?` is not"),
        ] {
            let error = read(source).expect_err(source).to_string();
            assert!(error.contains(said), "{source}: {error}");
        }
        let deep = format!("A = {}", "[".repeat(100_000));
        assert!(read(&deep).unwrap_err().why.contains("more than 32 deep"));
    }

    #[test]
    fn no_input_panics() {
        let seed = fastrand::u64(..);
        eprintln!("LCNODE_SEED={seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let parts =
            ["A", "=", "'", "\"", "\\", "{", "}", "[", "(", ":", ",", "1", "0x", "\n", "#", "é", "-", "u'"];
        for _ in 0..20_000 {
            let text: String = (0..random.usize(..20)).map(|_| parts[random.usize(..parts.len())]).collect();
            let _ = read(&text);
        }
    }
}
