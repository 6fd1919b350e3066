//! Text of Python to tokens, as far as literals need it.

use super::Refused;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Name(String),
    Text(String),
    Int(i64),
    /// Any other character.
    Sign(char),
    /// Also a semicolon. None within brackets.
    Newline,
    End,
}

/// Hands out tokens, each with its line from 1.
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    /// How many brackets are open: in them the end of a line means nothing.
    pub(super) brackets: usize,
    peeked: Option<(Token, usize)>,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text: text.trim_start_matches('\u{feff}'), at: 0, line: 1, brackets: 0, peeked: None }
    }

    /// The next one, which stays the next one.
    pub(super) fn peek(&mut self) -> Result<(Token, usize), Refused> {
        let token = self.next()?;
        self.peeked = Some(token.clone());
        Ok(token)
    }

    pub(super) fn next(&mut self) -> Result<(Token, usize), Refused> {
        // It may have been looked at before a bracket was known to be open.
        while let Some((token, line)) = self.peeked.take() {
            if token != Token::Newline || self.brackets == 0 {
                return Ok((token, line));
            }
        }
        loop {
            let line = self.line;
            let Some(c) = self.step() else { return Ok((Token::End, line)) };
            let token = match c {
                '\n' | ';' if self.brackets == 0 => Token::Newline,
                '\n' => continue,
                c if c.is_whitespace() => continue,
                '#' => {
                    self.skip(|c| c != '\n');
                    continue;
                }
                '\\' if self.rest().starts_with(['\n', '\r']) => {
                    self.skip(|c| c == '\r');
                    self.step();
                    continue;
                }
                '\'' | '"' => Token::Text(self.text(c, false)?),
                c if c.is_ascii_digit() => self.number()?,
                c if c == '_' || c.is_alphabetic() => self.word()?,
                c => Token::Sign(c),
            };
            return Ok((token, line));
        }
    }

    /// What is said of a line that is not read.
    pub(super) fn not_literal(&self, line: usize) -> Refused {
        let text = self.text.lines().nth(line - 1).unwrap_or_default().trim();
        let shown: String = text.chars().take(60).collect();
        let dots = if shown.len() < text.len() { "…" } else { "" };
        let why = format!(
            "`{shown}{dots}` is not NAME = LITERAL, and nothing of the file is run: \
             write its value out, or remove it where it does not matter"
        );
        Refused { line, why }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn step(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn skip(&mut self, is_skipped: impl Fn(char) -> bool) {
        while self.rest().starts_with(&is_skipped) {
            self.step();
        }
    }

    /// A name, or a text with letters before its quote; its first letter is behind.
    fn word(&mut self) -> Result<Token, Refused> {
        let start = self.at - self.text[..self.at].chars().next_back().map_or(0, char::len_utf8);
        self.skip(|c| c == '_' || c.is_alphanumeric());
        let word = &self.text[start..self.at];
        let prefix = word.to_ascii_lowercase();
        if self.rest().starts_with(['\'', '"'])
            && ["u", "b", "r", "ur", "br", "rb"].contains(&&prefix[..])
            && let Some(quote) = self.step()
        {
            return Ok(Token::Text(self.text(quote, prefix.contains('r'))?));
        }
        Ok(Token::Name(word.to_owned()))
    }

    /// An integer; its first digit is behind.
    fn number(&mut self) -> Result<Token, Refused> {
        let start = self.at - 1;
        self.skip(|c| c == '_' || c == '.' || c.is_ascii_alphanumeric());
        let word = &self.text[start..self.at];
        if word.contains('.') {
            return Err(self.not_literal(self.line));
        }
        let lower = word.to_ascii_lowercase().replace('_', "");
        let digits = lower.strip_suffix('l').unwrap_or(&lower);
        let (digits, radix) = match digits.get(..2) {
            Some("0x") => (&digits[2..], 16),
            Some("0o") => (&digits[2..], 8),
            Some("0b") => (&digits[2..], 2),
            Some(zero) if zero.starts_with('0') => (&digits[1..], 8),
            _ => (digits, 10),
        };
        let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
        let why = if is_number { "is too large" } else { "is no number" };
        let number = i64::from_str_radix(digits, radix).ok().filter(|_| is_number);
        number.map(Token::Int).ok_or_else(|| self.refused(self.line, format!("{word} {why}")))
    }

    /// A text up to its end; its first quote is behind.
    fn text(&mut self, quote: char, is_raw: bool) -> Result<String, Refused> {
        let line = self.line;
        let triple = [quote, quote];
        let is_long = self.rest().chars().take(2).eq(triple);
        if is_long {
            self.at += 2;
        }
        let mut text = String::new();
        loop {
            match self.step() {
                None => return Err(self.refused(line, "a text has no end".to_owned())),
                Some('\n') if !is_long => return Err(self.refused(line, "a text has no end".to_owned())),
                Some(c) if c == quote && !is_long => return Ok(text),
                Some(c) if c == quote && self.rest().chars().take(2).eq(triple) => {
                    self.at += 2;
                    return Ok(text);
                }
                Some('\\') if is_raw => {
                    text.push('\\');
                    text.extend(self.step());
                }
                Some('\\') => self.escape(&mut text)?,
                Some(c) => text.push(c),
            }
        }
    }

    fn escape(&mut self, text: &mut String) -> Result<(), Refused> {
        let Some(c) = self.step() else { return Ok(()) };
        match c {
            '\n' => {}
            '\\' | '\'' | '"' => text.push(c),
            'n' => text.push('\n'),
            't' => text.push('\t'),
            'r' => text.push('\r'),
            '0'..='7' => {
                let mut code = c.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some(digit) = self.rest().chars().next().and_then(|c| c.to_digit(8)) else { break };
                    self.step();
                    code = code * 8 + digit;
                }
                text.extend(char::from_u32(code));
            }
            'x' | 'u' | 'U' => {
                let len = if c == 'x' {
                    2
                } else if c == 'u' {
                    4
                } else {
                    8
                };
                let code = self.rest().get(..len).filter(|hex| hex.chars().all(|c| c.is_ascii_hexdigit()));
                let code = code.and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32);
                let Some(code) = code else {
                    return Err(self.refused(self.line, format!("\\{c} without a character's {len} digits")));
                };
                self.at += len;
                text.push(code);
            }
            c => text.extend(['\\', c]),
        }
        Ok(())
    }

    fn refused(&self, line: usize, why: String) -> Refused {
        Refused { line, why }
    }
}
