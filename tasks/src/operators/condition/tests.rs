//! Tables and properties of the condition language.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn holds(condition: &str, record: &Value) -> bool {
    condition.parse::<Condition>().unwrap().holds(record)
}

#[test]
fn conditions_and_what_they_say_of_a_record() {
    let record =
        json!({"CO": 10.5, "NO2": 113, "site": "Roma", "on": true, "none": null, "CO(GT)": 1, "tags": []});
    let table = [
        ("CO > 10 or NO2 > 200", true),
        ("CO > 10 and NO2 > 200", false),
        ("CO>10 and NO2<200", true),
        ("not CO > 10", false),
        ("not not CO > 10", true),
        ("CO >= 10.5 and CO <= 10.5 and CO == 10.5", true),
        ("10.5 == CO", true),
        ("CO != 10.5", false),
        ("NO2 == 113.0", true),
        ("NO2 > -200", true),
        ("NO2 < 1.5e2", true),
        ("site == \"Roma\"", true),
        ("site == 'Roma' and site < \"S\"", true),
        ("site == 5", false),
        ("site != 5", true),
        ("site > 5", false),
        ("on == true", true),
        ("on != false", true),
        ("none > 1 or none < 1 or none == 1 or none != 1", false),
        ("missing != 1", false),
        ("missing == other", false),
        ("none == null and missing == null", true),
        ("CO == null", false),
        ("CO != null", true),
        ("null == null", true),
        ("`CO(GT)` == 1", true),
        ("tags == tags", false),
        ("(CO > 10 or NO2 > 200) and site == 'Milano'", false),
        ("CO > 10 or NO2 > 200 and site == 'Milano'", true),
        ("CO > NO2", false),
    ];
    for (condition, expected) in table {
        assert_eq!(holds(condition, &record), expected, "{condition}");
    }
    assert!(!holds("CO > 10", &json!("no object")));
}

#[test]
fn faults_are_located_and_explained() {
    let table = [
        ("CO = 10", 4, "did you mean \"==\""),
        ("CO > 10 && NO2 > 200", 9, "did you mean \"and\""),
        ("CO > 10 OR NO2 > 200", 9, "did you mean \"or\""),
        ("CO <> 10", 4, "did you mean \"!=\""),
        ("!CO", 1, "did you mean \"not\""),
        ("CO", 3, "a comparison such as \"CO > 10\" is expected here, not the end"),
        ("CO > ", 6, "a field, a number or a text is expected here, not the end"),
        ("", 1, "a field, a number or a text is expected here, not the end"),
        ("CO > 10 NO2 > 200", 9, "\"and\", \"or\" or the end is expected here, not NO2"),
        ("(CO > 10", 9, "the \"(\" of column 1 is not closed"),
        ("CO > 10)", 8, "closes nothing"),
        ("(CO > 10 5)", 10, "\"and\", \"or\" or \")\""),
        ("0 < CO < 10", 8, "cannot be chained"),
        ("CO < null", 4, "null has no order"),
        ("CO + 1 > 2", 4, "no arithmetic"),
        ("CO > 10and NO2 > 1", 6, "\"10and\" is not a number"),
        ("CO > 1x", 6, "\"1x\" is not a number"),
        ("CO > - 1", 6, "after \"-\" a number"),
        ("é == \"abc", 6, "never closed"),
        ("`CO == 1", 1, "never closed"),
        ("CO == 'a\\q'", 9, "begins no escape"),
        ("CO # 1", 4, "has no meaning"),
        ("CO > and", 6, "not \"and\""),
    ];
    for (text, column, message) in table {
        let error = text.parse::<Condition>().unwrap_err();
        assert_eq!(error.column, column, "{text}: {error}");
        assert!(error.to_string().contains(message), "{text}: {error}");
    }
}

#[test]
fn hostile_texts_are_bounded() {
    for text in ["(".repeat(5_000), "not ".repeat(2_000), "x".repeat(20_000)] {
        assert!(text.parse::<Condition>().is_err());
    }
}

#[test]
fn the_alternatives_that_fired_are_told() {
    let condition: Condition = "CO > 10 or (NO2 > 200 or NO2 > 100) or CO > 1 and NO2 > 1".parse().unwrap();
    let fired = condition.fired(&json!({"CO": 2, "NO2": 150}));
    let fired: Vec<String> = fired.iter().map(ToString::to_string).collect();
    assert_eq!(fired, ["NO2 > 100", "CO > 1 and NO2 > 1"]);
    assert!(condition.fired(&json!({})).is_empty());
    assert_eq!(condition.fields().into_iter().collect::<Vec<_>>(), ["CO", "NO2"]);
}

fn operand() -> impl Strategy<Value = Operand> {
    prop_oneof![
        "[a-zA-Zçã_][a-z0-9_]{0,6}|and|or|NO2|PT08\\.S1\\(CO\\)".prop_map(Operand::Field),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Operand::Number),
        any::<String>().prop_map(Operand::Text),
        any::<bool>().prop_map(Operand::Boolean),
    ]
}

fn comparison() -> impl Strategy<Value = Comparison> {
    use Operator::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    let ordered =
        (operand(), prop::sample::select(vec![Less, LessOrEqual, Greater, GreaterOrEqual]), operand());
    let equal =
        (operand(), prop::sample::select(vec![Equal, NotEqual]), prop_oneof![operand(), Just(Operand::Null)]);
    let build = |(left, operator, right)| Comparison { left, operator, right };
    prop_oneof![ordered.prop_map(build), equal.prop_map(build)]
}

fn condition() -> impl Strategy<Value = Condition> {
    comparison().prop_map(Condition::Comparison).prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Condition::Any),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Condition::All),
            inner.prop_map(|inner| Condition::Not(Box::new(inner))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_displayed_parses_to_the_same(condition in condition()) {
        let text = condition.to_string();
        // A condition that is longer than the limit is rightly refused.
        prop_assume!(text.len() <= 10_000);
        let parsed: Result<Condition, _> = text.parse();
        prop_assert_eq!(parsed.as_ref(), Ok(&condition), "{}", text);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let _ = text.parse::<Condition>();
    }

    #[test]
    fn some_alternative_fired_where_it_holds(condition in condition(), co in any::<f32>(), no2 in any::<Option<i32>>()) {
        let record = json!({"CO": co, "NO2": no2, "a": "b"});
        prop_assert_eq!(condition.holds(&record), !condition.fired(&record).is_empty());
    }
}
