//! Files that want to do harm, or are simply enormous: each is refused, or read, soon and without a panic.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use esteira_core::spec::{FILE_SIZE_MAX, Parsed};
use proptest::prelude::*;
use std::fmt::Write as _;
use support::read;

fn only_fault(text: &str) -> (&'static str, String) {
    let Parsed { dag, diagnostics } = read(text);
    assert!(dag.is_none());
    assert_eq!(
        diagnostics.len(),
        1,
        "{}",
        diagnostics.iter().map(|fault| fault.render()).collect::<String>()
    );
    (diagnostics[0].code, diagnostics[0].message.clone())
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = String::from("a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for (name, before) in "bcdefghi".chars().zip("abcdefgh".chars()) {
        let aliases = vec![format!("*{before}"); 10].join(", ");
        writeln!(text, "{name}: &{name} [{aliases}]").unwrap();
    }
    let (code, message) = only_fault(&text);
    assert_eq!(code, "too-large");
    assert!(message.contains("100000 values"), "{message}");
}

#[test]
fn an_alias_bomb_of_long_texts_is_refused() {
    let text = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(100_000), vec!["*a"; 1_000].join(", "));
    let (code, message) = only_fault(&text);
    assert_eq!(code, "too-large");
    assert!(message.contains("bytes of text"), "{message}");
}

#[test]
fn an_alias_bomb_of_merge_keys_is_refused() {
    let keys: Vec<_> = (0..1_000).map(|key| format!("k{key}: 1")).collect();
    let mut text = format!("base: &a {{{}}}\n", keys.join(", "));
    for copy in 0..1_000 {
        writeln!(text, "m{copy}: {{<<: *a}}").unwrap();
    }
    assert_eq!(only_fault(&text).0, "too-large");
}

#[test]
fn an_alias_inside_its_own_anchor_is_refused() {
    assert_eq!(only_fault("a: &a [*a]\n").0, "recursive-alias");
    assert_eq!(only_fault("&a x: &b {y: *b}\n").0, "recursive-alias");
}

#[test]
fn deep_nesting_is_refused() {
    for depth in [100, 10_000, 500_000] {
        assert!(matches!(only_fault(&"[".repeat(depth)).0, "too-deep" | "yaml-syntax"), "{depth}");
        assert!(
            matches!(only_fault(&"{a: ".repeat(depth.min(200_000))).0, "too-deep" | "yaml-syntax"),
            "{depth}"
        );
        assert!(matches!(only_fault(&"- ".repeat(depth)).0, "too-deep" | "yaml-syntax"), "{depth}");
    }
    let mut text = String::from("a0: &a0 [x]\n");
    for level in 1..100 {
        writeln!(text, "a{level}: &a{level} [*a{}]", level - 1).unwrap();
    }
    assert_eq!(only_fault(&text).0, "too-deep");
}

#[test]
fn a_file_that_is_too_large_is_refused_at_once() {
    let text = format!("dag_id: x\n{}", "# filler\n".repeat(50 * 1024 * 1024 / 9));
    assert!(text.len() > 50 * FILE_SIZE_MAX / 2);
    let (code, message) = only_fault(&text);
    assert_eq!(code, "too-large");
    assert!(message.contains("1048576"), "{message}");
}

#[test]
fn ten_thousand_unknown_keys_are_a_hundred_faults_and_a_count() {
    let mut text = String::from("dag_id: example\ntasks: {one: {operator: empty}}\n");
    for key in 0..10_000 {
        writeln!(text, "key_{key}: 1").unwrap();
    }
    let parsed = read(&text);
    assert_eq!(parsed.diagnostics.len(), 101);
    assert_eq!(parsed.diagnostics[100].message, "9900 more faults are not shown");
}

fn tasks(count: usize, task: impl Fn(usize) -> String) -> String {
    let mut text = String::from("dag_id: example\ntasks:\n");
    for place in 0..count {
        writeln!(text, "  t{place}: {{operator: empty{}}}", task(place)).unwrap();
    }
    text
}

#[test]
fn ten_thousand_tasks_are_read() {
    let chain = tasks(10_000, |place| match place {
        0 => String::new(),
        _ => format!(", depends_on: t{}", place - 1),
    });
    let dag = read(&chain).dag.unwrap();
    assert_eq!(dag.tasks.len(), 10_000);
    assert_eq!(dag.graph.leaves().count(), 1);
}

#[test]
fn a_cycle_of_ten_thousand_tasks_is_found_and_cut_short() {
    let text = tasks(10_000, |place| format!(", depends_on: t{}", (place + 9_999) % 10_000));
    let (code, message) = only_fault(&text);
    assert_eq!(code, "cycle");
    assert!(message.contains("of 10000 tasks: t0 -> t1 -> "), "{message}");
    assert!(message.len() < 300, "{message}");
}

#[test]
fn ten_thousand_dangling_dependencies_are_found_soon() {
    let parsed = read(&tasks(10_000, |place| format!(", depends_on: u{place}")));
    assert_eq!(parsed.diagnostics.len(), 101);
}

#[test]
fn thousands_of_tasks_that_pull_from_afar_are_checked_soon() {
    let mut text = String::from("dag_id: example\ntasks:\n  t0: {operator: empty}\n");
    for place in 1..8_000 {
        let with = "{command: \"{{ ti.xcom_pull('t0') }}\"}";
        writeln!(text, "  t{place}: {{operator: bash, depends_on: t{}, with: {with}}}", place - 1).unwrap();
    }
    assert!(text.len() < FILE_SIZE_MAX);
    assert_eq!(read(&text).dag.unwrap().tasks.len(), 8_000);
}

#[test]
fn what_a_file_says_cannot_speak_to_the_terminal() {
    check_any(
        "dag_id: x\nschedule: \"@\\tda\\e[31mily\"\ntasks: {\"\\u202e\\e\": {operator: \"\\x07\", retry_delay: \"\\e5\"}}\n",
    );
}

#[test]
fn byte_order_marks_and_crlf_change_nothing() {
    let text = "dag_id: example\ntasks:\n  one:\n    operator: empty\n    retri: 1\n";
    let place = |text: &str| {
        let parsed = read(text);
        (parsed.diagnostics[0].line, parsed.diagnostics[0].column, parsed.diagnostics[0].render())
    };
    assert_eq!(place(text), place(&text.replace('\n', "\r\n")));
    assert_eq!(place(text), place(&format!("\u{feff}{text}")));
    let first_line = "dag: example\ntasks: {one: {operator: empty}}\n";
    assert_eq!(place(first_line), place(&format!("\u{feff}{first_line}")));
}

const GOOD: &str = r#"dag_id: example
schedule: "@daily"
start_date: 2024-01-01
default_args: &defaults {retries: 1, retry_delay: 1m}
params: {source: {type: string, default: "x"}, n: 5}
tasks:
  load:
    operator: bash
    with:
      command: |
        echo "{{ params.source }}" {% if params.n > 3 %}many{% endif %}
  alert: {operator: rabbitmq_alert, depends_on: [load], with: {records: "{{ ti.xcom_pull('load') }}", when: 'CO > 1'}}
"#;

/// Cuts `text` at character boundaries near two places, and puts `insert` in between.
fn mutate(text: &str, from: usize, to: usize, insert: &str) -> String {
    let boundary = |place: usize| {
        let mut place = place.min(text.len());
        while !text.is_char_boundary(place) {
            place -= 1;
        }
        place
    };
    let (from, to) = (boundary(from.min(to)), boundary(from.max(to)));
    format!("{}{insert}{}", &text[..from], &text[to..])
}

/// Reads `text` and holds what must be true of any text.
fn check_any(text: &str) {
    let parsed = read(text);
    let has_errors =
        parsed.diagnostics.iter().any(|fault| fault.severity == esteira_core::spec::Severity::Error);
    assert_eq!(parsed.dag.is_none(), has_errors, "{text:?}");
    for fault in &parsed.diagnostics {
        assert!(fault.line >= 1 && fault.column >= 1 && fault.length >= 1, "{fault:?}");
        assert!(!fault.render().chars().any(|letter| letter.is_control() && letter != '\n'), "{fault:?}");
    }
}

proptest! {
    #[test]
    fn no_mutation_of_a_good_file_makes_it_panic(
        from in 0..GOOD.len(),
        length in 0..40usize,
        insert in "[-\\[\\]{}:,&*!|>'\"%@`#?<~ \n\ta-z0-9\\{\\}é\u{202e}]{0,12}",
    ) {
        check_any(&mutate(GOOD, from, from + length, &insert));
    }

    #[test]
    fn no_text_makes_it_panic(text in "[-\\[\\]{}:,&*!|>'\"%@`#?<~ \n\r\ta-z0-9.]{0,200}") {
        check_any(&text);
    }

    #[test]
    fn no_unicode_makes_it_panic(text in ".{0,80}") {
        check_any(&text);
        check_any(&format!("dag_id: example\ntasks:\n  one:\n    operator: bash\n    with: {{command: {text}}}\n"));
        check_any(&format!("dag_id: example\ntasks:\n  one:\n    operator: bash\n    with:\n      command: \"{{{{ {text} }}}}\"\n"));
    }

    #[test]
    fn no_template_makes_it_panic(template in "(\\{\\{|\\}\\}|\\{%|%\\}|ds|params|ti\\.xcom_pull|\\(|\\)|'|\\||\\.|[a-z =+\\[\\]]|\n){0,24}") {
        let indented = template.replace('\n', "\n        ");
        check_any(&format!("dag_id: example\ntasks:\n  one:\n    operator: bash\n    with:\n      command: |\n        {indented}\n"));
    }
}
