//! What a template mentions, and where: for checking a DAG before it runs. The engine parses; a small scanner beside
//! it finds the places.

use super::environment::environment;
use super::task_instance::RETURN_VALUE;
use std::collections::HashSet;
use std::ops::Range;

/// Something that a template mentions, with its place in the template, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    pub(crate) kind: MentionKind,
    pub(crate) name: String,
    pub(crate) place: Range<usize>,
}

/// What is mentioned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MentionKind {
    /// A variable that the template itself does not set.
    Variable,
    /// `params.name` or `params["name"]`.
    Param,
    /// A filter.
    Filter,
    /// A test, after `is`.
    Test,
    /// A task in `ti.xcom_pull('task')`.
    PulledTask,
}

/// A template that is no template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxFault {
    pub(crate) message: String,
    pub(crate) place: Option<Range<usize>>,
}

/// What `text` mentions, or why it is no template.
pub(crate) fn inspect(text: &str) -> Result<Vec<Mention>, SyntaxFault> {
    let template = environment().template_from_str(text).map_err(|error| SyntaxFault {
        message: error.detail().map_or_else(|| error.kind().to_string(), str::to_owned),
        place: error.range(),
    })?;
    let mut undeclared = template.undeclared_variables(false);
    undeclared.remove("macros");
    for (global, _) in environment().globals() {
        undeclared.remove(global);
    }
    let tokens = scan(text);
    Ok((0..tokens.len()).flat_map(|place| mentions_at(&tokens, place, &undeclared)).collect())
}

/// Whether the engine has a filter or a test of this name.
pub(crate) fn exists(kind: MentionKind, name: &str) -> bool {
    let test = if kind == MentionKind::Filter { "filter" } else { "test" };
    let question = environment().compile_expression("name is filter");
    let question = if test == "test" { environment().compile_expression("name is test") } else { question };
    question
        .and_then(|question| question.eval(minijinja::context!(name => name)))
        .is_ok_and(|answer| answer.is_true())
}

/// A piece of the inside of `{{ }}` or `{% %}`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Token<'t> {
    kind: TokenKind,
    text: &'t str,
    place: Range<usize>,
    /// Which pair of braces it stands in; a neighbour in another pair is no neighbour.
    region: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenKind {
    Name,
    /// A string; the token's text and place are its inside.
    Text,
    Sign,
}

/// The tokens inside all braces of a template that is known to parse.
fn scan(template: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut position, mut region) = (0, 0);
    while let Some(start) = template[position..].find('{').map(|offset| position + offset) {
        let close = match template.as_bytes().get(start + 1) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            Some(b'#') => {
                position = template[start..].find("#}").map_or(template.len(), |offset| start + offset + 2);
                continue;
            }
            _ => {
                position = start + 1;
                continue;
            }
        };
        region += 1;
        let first = tokens.len();
        position = scan_region(template, start + 2, close, region, &mut tokens);
        let names: Vec<&str> = tokens[first..]
            .iter()
            .filter(|token| token.kind == TokenKind::Name)
            .map(|token| token.text)
            .collect();
        if close == "%}" && names == ["raw"] {
            position = template[position..].find("endraw").map_or(template.len(), |offset| position + offset);
            position = template[position..].find("%}").map_or(template.len(), |offset| position + offset + 2);
        }
    }
    tokens
}

/// The tokens from `start` to `close`; gives back where the template goes on.
fn scan_region<'t>(
    template: &'t str,
    start: usize,
    close: &str,
    region: usize,
    tokens: &mut Vec<Token<'t>>,
) -> usize {
    let mut position = start;
    while let Some(letter) = template[position..].chars().next() {
        let rest = &template[position..];
        if rest.starts_with(close) {
            return position + close.len();
        }
        let (kind, place, next) = if matches!(letter, '\'' | '"') {
            let end = end_of_text(template, position + 1, letter);
            (TokenKind::Text, position + 1..end, (end + 1).min(template.len()))
        } else if letter.is_alphanumeric() || letter == '_' {
            let length =
                rest.find(|other: char| !(other.is_alphanumeric() || other == '_')).unwrap_or(rest.len());
            (TokenKind::Name, position..position + length, position + length)
        } else {
            (TokenKind::Sign, position..position + letter.len_utf8(), position + letter.len_utf8())
        };
        if !letter.is_whitespace() {
            tokens.push(Token { kind, text: &template[place.clone()], place, region });
        }
        position = next;
    }
    position
}

/// Where the string that begins at `start` ends: at its quote, over escaped ones.
fn end_of_text(template: &str, start: usize, quote: char) -> usize {
    let mut is_escaped = false;
    for (offset, letter) in template[start..].char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            letter if letter == quote => return start + offset,
            _ => {}
        }
    }
    template.len()
}

/// The text of the token `offset` places from `place`, if it is in the same braces.
fn near<'t>(tokens: &[Token<'t>], place: usize, offset: isize) -> Option<&'t str> {
    let other = tokens.get(place.checked_add_signed(offset)?)?;
    (other.region == tokens[place].region && other.kind != TokenKind::Text).then_some(other.text)
}

fn mentions_at(tokens: &[Token<'_>], place: usize, undeclared: &HashSet<String>) -> Vec<Mention> {
    let token = &tokens[place];
    let (before, after) = (near(tokens, place, -1), near(tokens, place, 1));
    if token.kind != TokenKind::Name || before == Some(".") {
        return Vec::new();
    }
    let is_test = before == Some("is") || (before == Some("not") && near(tokens, place, -2) == Some("is"));
    match before {
        Some("|") => return vec![mention(MentionKind::Filter, token)],
        _ if is_test && token.text != "not" => return vec![mention(MentionKind::Test, token)],
        _ if !undeclared.contains(token.text) => return Vec::new(),
        _ => {}
    }
    if after == Some("=") && near(tokens, place, 2) != Some("=") {
        return Vec::new();
    }
    let mut found = vec![mention(MentionKind::Variable, token)];
    match token.text {
        "params" => found.extend(param_after(tokens, place)),
        "ti" | "task_instance" => found.extend(pulled_after(tokens, place)),
        _ => {}
    }
    found
}

fn mention(kind: MentionKind, token: &Token<'_>) -> Mention {
    Mention { kind, name: token.text.to_owned(), place: token.place.clone() }
}

/// `.name` (but not `.method(`) or `['name']` after `params`.
fn param_after(tokens: &[Token<'_>], place: usize) -> Option<Mention> {
    let name = tokens.get(place + 2).filter(|name| name.region == tokens[place].region)?;
    match (near(tokens, place, 1)?, name.kind) {
        (".", TokenKind::Name) if near(tokens, place, 3) != Some("(") => {
            Some(mention(MentionKind::Param, name))
        }
        ("[", TokenKind::Text) if near(tokens, place, 3) == Some("]") => {
            Some(mention(MentionKind::Param, name))
        }
        _ => None,
    }
}

/// The tasks that are written out in `.xcom_pull('task')`, `.xcom_pull(['one', 'two'])` or `.xcom_pull(task_ids='task')`.
fn pulled_after(tokens: &[Token<'_>], place: usize) -> Vec<Mention> {
    let is_pull = near(tokens, place, 1) == Some(".")
        && near(tokens, place, 2) == Some("xcom_pull")
        && near(tokens, place, 3) == Some("(");
    if !is_pull {
        return Vec::new();
    }
    let inside: Vec<&Token<'_>> =
        tokens[place + 4..].iter().take_while(|token| token.region == tokens[place].region).collect();
    let by_name = inside.windows(2).position(|pair| pair[0].text == "task_ids" && pair[1].text == "=");
    let value = &inside[by_name.map_or(0, |place| place + 2)..];
    let ends_argument =
        |token: Option<&&Token<'_>>| token.is_some_and(|token| matches!(token.text, "," | ")" | "]"));
    match value.first() {
        Some(first) if first.kind == TokenKind::Text && ends_argument(value.get(1)) => {
            vec![mention(MentionKind::PulledTask, first)]
        }
        Some(first) if first.kind == TokenKind::Sign && first.text == "[" => value[1..]
            .iter()
            .take_while(|token| token.kind == TokenKind::Text || token.text == ",")
            .filter(|token| token.kind == TokenKind::Text)
            .map(|token| mention(MentionKind::PulledTask, token))
            .collect(),
        _ => Vec::new(),
    }
}

/// `ti.xcom_pull('task')` and nothing else, with the key if it is written out.
pub(super) struct LiteralPull<'t> {
    pub(super) task_id: &'t str,
    pub(super) key: &'t str,
}

/// Reads an expression that is one plain pull of one task's value.
pub(super) fn literal_pull(expression: &str) -> Option<LiteralPull<'_>> {
    let mut tokens = Vec::new();
    scan_region(expression, 0, "}}", 0, &mut tokens);
    let texts: Vec<&str> =
        tokens.iter().map(|token| if token.kind == TokenKind::Text { "''" } else { token.text }).collect();
    let (task, key) = match texts.as_slice() {
        ["ti" | "task_instance", ".", "xcom_pull", "(", rest @ .., ")"] => match rest {
            ["''"] => (4, None),
            ["task_ids", "=", "''"] => (6, None),
            ["''", ",", "key", "=", "''"] => (4, Some(8)),
            ["task_ids", "=", "''", ",", "key", "=", "''"] => (6, Some(10)),
            ["key", "=", "''", ",", "task_ids", "=", "''"] => (10, Some(6)),
            _ => return None,
        },
        _ => return None,
    };
    let pull =
        LiteralPull { task_id: tokens[task].text, key: key.map_or(RETURN_VALUE, |key| tokens[key].text) };
    // An escape in a name is rare, and the engine's own business.
    (!pull.task_id.contains('\\') && !pull.key.contains('\\')).then_some(pull)
}
