//! Reads a condition. A fault says at which column, what was expected, and what was probably meant.

use super::{Comparison, Condition, Operand, Operator};
use std::fmt;
use std::str::FromStr;

/// Longer texts and deeper nesting are no conditions that a person wrote.
const LENGTH_MAX: usize = 10_000;
const DEPTH_MAX: usize = 50;
/// Words with a meaning of their own. A field of that name goes between backticks.
const WORDS: [&str; 6] = ["and", "or", "not", "true", "false", "null"];

/// What is wrong with a condition, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParseError {
    /// Where, in characters from 1.
    pub(crate) column: usize,
    message: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "column {}: {}", self.column, self.message)
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(&'static str),
    Operand(Operand),
    Operator(Operator),
    Open,
    Close,
    End,
}

impl Token {
    fn describe(&self) -> String {
        match self {
            Self::Word(word) => format!("\"{word}\""),
            Self::Operand(operand) => operand.to_string(),
            Self::Operator(operator) => format!("\"{}\"", operator.as_str()),
            Self::Open => "\"(\"".to_owned(),
            Self::Close => "\")\"".to_owned(),
            Self::End => "the end".to_owned(),
        }
    }
}

struct Located {
    column: usize,
    token: Token,
}

/// Whether a field's name needs no backticks.
pub(super) fn is_plain_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(starts_name) && characters.all(continues_name) && !WORDS.contains(&name)
}

fn starts_name(character: char) -> bool {
    character.is_alphabetic() || character == '_'
}

fn continues_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

impl FromStr for Condition {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.len() > LENGTH_MAX {
            return Err(ParseError {
                column: 1,
                message: format!("the condition is longer than {LENGTH_MAX} bytes"),
            });
        }
        let tokens = Lexer { characters: text.chars().collect(), at: 0 }.tokens()?;
        let mut parser = Parser { tokens, at: 0, depth: 0 };
        let condition = parser.any()?;
        match parser.token() {
            Token::End => Ok(condition),
            Token::Close => Err(parser.error("this \")\" closes nothing")),
            other => {
                let message =
                    format!("\"and\", \"or\" or the end is expected here, not {}", other.describe());
                Err(parser.error(message))
            }
        }
    }
}

struct Lexer {
    characters: Vec<char>,
    at: usize,
}

impl Lexer {
    fn tokens(mut self) -> Result<Vec<Located>, ParseError> {
        let mut tokens = Vec::new();
        loop {
            while self.peek(0).is_some_and(char::is_whitespace) {
                self.at += 1;
            }
            let column = self.at + 1;
            let token = self.token()?;
            let ended = token == Token::End;
            tokens.push(Located { column, token });
            if ended {
                return Ok(tokens);
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.characters.get(self.at + ahead).copied()
    }

    fn error(&self, message: impl Into<String>) -> ParseError {
        ParseError { column: self.at + 1, message: message.into() }
    }

    fn token(&mut self) -> Result<Token, ParseError> {
        let Some(first) = self.peek(0) else { return Ok(Token::End) };
        match first {
            '(' => Ok(self.take(1, Token::Open)),
            ')' => Ok(self.take(1, Token::Close)),
            '"' | '\'' => self.text(first),
            '`' => self.quoted_field(),
            '0'..='9' | '-' => self.number(),
            _ if starts_name(first) => self.name(),
            _ => self.operator(first),
        }
    }

    fn take(&mut self, length: usize, token: Token) -> Token {
        self.at += length;
        token
    }

    fn operator(&mut self, first: char) -> Result<Token, ParseError> {
        let (length, operator) = match (first, self.peek(1)) {
            ('<', Some('=')) => (2, Operator::LessOrEqual),
            ('<', Some('>')) => return Err(self.error("\"<>\" is not a comparison; did you mean \"!=\"?")),
            ('<', _) => (1, Operator::Less),
            ('>', Some('=')) => (2, Operator::GreaterOrEqual),
            ('>', _) => (1, Operator::Greater),
            ('=', Some('=')) => (2, Operator::Equal),
            ('=', _) => return Err(self.error("\"=\" is not a comparison; did you mean \"==\"?")),
            ('!', Some('=')) => (2, Operator::NotEqual),
            ('!', _) => return Err(self.error("\"!\" has no meaning; did you mean \"not\"?")),
            ('&', _) => return Err(self.error("\"&\" has no meaning; did you mean \"and\"?")),
            ('|', _) => return Err(self.error("\"|\" has no meaning; did you mean \"or\"?")),
            ('≥', _) => return Err(self.error("\"≥\" has no meaning; did you mean \">=\"?")),
            ('≤', _) => return Err(self.error("\"≤\" has no meaning; did you mean \"<=\"?")),
            ('≠', _) => return Err(self.error("\"≠\" has no meaning; did you mean \"!=\"?")),
            ('+' | '*' | '/' | '%', _) => {
                return Err(self.error(format!("\"{first}\": there is no arithmetic in conditions")));
            }
            _ => return Err(self.error(format!("{first:?} has no meaning here"))),
        };
        Ok(self.take(length, Token::Operator(operator)))
    }

    fn name(&mut self) -> Result<Token, ParseError> {
        let start = self.at;
        let end = (start..self.characters.len()).find(|index| !continues_name(self.characters[*index]));
        let end = end.unwrap_or(self.characters.len());
        let name: String = self.characters[start..end].iter().collect();
        let token = match WORDS.into_iter().find(|word| *word == name) {
            Some("true") => Token::Operand(Operand::Boolean(true)),
            Some("false") => Token::Operand(Operand::Boolean(false)),
            Some("null") => Token::Operand(Operand::Null),
            Some(word) => Token::Word(word),
            None => match WORDS.into_iter().find(|word| name.eq_ignore_ascii_case(word)) {
                Some(word) => {
                    let message =
                        format!("\"{name}\": did you mean \"{word}\"? a field of that name is `{name}`");
                    return Err(self.error(message));
                }
                None => Token::Operand(Operand::Field(name)),
            },
        };
        self.at = end;
        Ok(token)
    }

    fn quoted_field(&mut self) -> Result<Token, ParseError> {
        let rest = &self.characters[self.at + 1..];
        let Some(length) = rest.iter().position(|character| *character == '`') else {
            return Err(self.error("the \"`\" of this field is never closed"));
        };
        if length == 0 {
            return Err(self.error("between the backticks is no name"));
        }
        let name = rest[..length].iter().collect();
        Ok(self.take(length + 2, Token::Operand(Operand::Field(name))))
    }

    fn number(&mut self) -> Result<Token, ParseError> {
        let mut length = 1;
        while let Some(character) = self.peek(length) {
            let after_exponent = matches!(self.peek(length - 1), Some('e' | 'E'));
            let is_sign_of_exponent = after_exponent && matches!(character, '+' | '-');
            if !(character.is_alphanumeric() || matches!(character, '.' | '_') || is_sign_of_exponent) {
                break;
            }
            length += 1;
        }
        let text: String = self.characters[self.at..self.at + length].iter().collect();
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() && text.ends_with(|last: char| last.is_ascii_digit()) => {
                Ok(self.take(length, Token::Operand(Operand::Number(number))))
            }
            _ if text == "-" => {
                Err(self.error("after \"-\" a number is expected; there is no arithmetic in conditions"))
            }
            _ => Err(self.error(format!("\"{text}\" is not a number"))),
        }
    }

    fn text(&mut self, quote: char) -> Result<Token, ParseError> {
        let mut text = String::new();
        let mut ahead = 1;
        loop {
            match self.peek(ahead) {
                None => return Err(self.error("the quote of this text is never closed")),
                Some('\\') => ahead += self.escape(ahead, &mut text)?,
                Some(character) => {
                    ahead += 1;
                    if character == quote {
                        return Ok(self.take(ahead, Token::Operand(Operand::Text(text))));
                    }
                    text.push(character);
                }
            }
        }
    }

    /// Adds the character that an escape stands for; gives how long the escape is.
    fn escape(&self, ahead: usize, text: &mut String) -> Result<usize, ParseError> {
        let (character, length) = match self.peek(ahead + 1) {
            Some(same @ ('"' | '\'' | '\\' | '/')) => (Some(same), 2),
            Some('n') => (Some('\n'), 2),
            Some('r') => (Some('\r'), 2),
            Some('t') => (Some('\t'), 2),
            Some('b') => (Some('\u{8}'), 2),
            Some('f') => (Some('\u{c}'), 2),
            Some('u') => {
                let digits: String = (2..6).filter_map(|index| self.peek(ahead + index)).collect();
                (u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32), 6)
            }
            _ => (None, 2),
        };
        let unknown = || ParseError {
            column: self.at + ahead + 1,
            message: "this \"\\\" begins no escape; a backslash itself is \"\\\\\"".to_owned(),
        };
        text.push(character.ok_or_else(unknown)?);
        Ok(length)
    }
}

struct Parser {
    tokens: Vec<Located>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn token(&self) -> &Token {
        &self.tokens[self.at].token
    }

    /// Goes on by one token; the last, which is the end, stays.
    fn next(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    fn error(&self, message: impl Into<String>) -> ParseError {
        ParseError { column: self.tokens[self.at].column, message: message.into() }
    }

    fn any(&mut self) -> Result<Condition, ParseError> {
        self.chain("or", Self::all, Condition::Any)
    }

    fn all(&mut self) -> Result<Condition, ParseError> {
        self.chain("and", Self::negation, Condition::All)
    }

    /// One or more parts with a word between them; one alone stands for itself.
    fn chain(
        &mut self,
        word: &'static str,
        part: impl Fn(&mut Self) -> Result<Condition, ParseError>,
        several: impl Fn(Vec<Condition>) -> Condition,
    ) -> Result<Condition, ParseError> {
        let first = part(self)?;
        if *self.token() != Token::Word(word) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while *self.token() == Token::Word(word) {
            self.next();
            parts.push(part(self)?);
        }
        Ok(several(parts))
    }

    fn negation(&mut self) -> Result<Condition, ParseError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error(format!("the condition is nested more than {DEPTH_MAX} deep")));
        }
        let condition = match self.token() {
            Token::Word("not") => {
                self.next();
                Condition::Not(Box::new(self.negation()?))
            }
            Token::Open => self.parentheses()?,
            _ => Condition::Comparison(self.comparison()?),
        };
        self.depth -= 1;
        Ok(condition)
    }

    fn parentheses(&mut self) -> Result<Condition, ParseError> {
        let opened_at = self.tokens[self.at].column;
        self.next();
        let condition = self.any()?;
        match self.token() {
            Token::Close => {
                self.next();
                Ok(condition)
            }
            Token::End => Err(self.error(format!("the \"(\" of column {opened_at} is not closed"))),
            other => {
                let message = format!("\"and\", \"or\" or \")\" is expected here, not {}", other.describe());
                Err(self.error(message))
            }
        }
    }

    fn comparison(&mut self) -> Result<Comparison, ParseError> {
        let left = self.operand()?;
        let Token::Operator(operator) = *self.token() else {
            let message = format!(
                "a comparison such as \"{left} > 10\" is expected here, not {}",
                self.token().describe()
            );
            return Err(self.error(message));
        };
        let operator_at = self.at;
        self.next();
        let right = self.operand()?;
        if matches!(self.token(), Token::Operator(_)) {
            return Err(self.error("comparisons cannot be chained; join two of them with \"and\""));
        }
        let with_null = left == Operand::Null || right == Operand::Null;
        if with_null && !matches!(operator, Operator::Equal | Operator::NotEqual) {
            self.at = operator_at;
            return Err(self.error("null has no order: only \"==\" and \"!=\" go with it"));
        }
        Ok(Comparison { left, operator, right })
    }

    fn operand(&mut self) -> Result<Operand, ParseError> {
        match self.token() {
            Token::Operand(operand) => {
                let operand = operand.clone();
                self.next();
                Ok(operand)
            }
            other => {
                let message =
                    format!("a field, a number or a text is expected here, not {}", other.describe());
                Err(self.error(message))
            }
        }
    }
}
