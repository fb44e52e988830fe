//! The pages of a run and its task instances: the form that starts it, the log, values, clearing, and a question that a person
//! answers.

use crate::driver::Browser;
use crate::support::World;
use fantoccini::Locator;
use serde_json::json;

const WIDTHS: [u32; 2] = [1_280, 390];

/// A task that says a lot and then waits for a file, one that pushes a value, and one that fails.
fn dag(gate: &std::path::Path) -> String {
    format!(
        r#"dag_id: talk
params:
  name: {{type: string, default: world}}
  at: {{type: string, format: date-time, default: "2026-01-01T12:00:00Z"}}
  list: {{type: array, default: [1]}}
tasks:
  say:
    operator: bash
    with:
      bash_command: >-
        for i in $(seq 3000); do echo "row $i"; done; echo needle >&2;
        for i in $(seq 2000); do echo "more $i"; done;
        until [ -e {} ]; do sleep 0.05; done; echo the end of it
  value:
    operator: python
    with: {{code: "result = {{'rows': [1, 2, {{'deep': '<b>'}}]}}"}}
  broken: {{operator: bash, depends_on: value, with: {{bash_command: exit 3}}}}
  after: {{operator: empty, depends_on: broken}}
"#,
        gate.display()
    )
}

const ASKING: &str = "dag_id: asking\ntasks:\n  ask: {operator: approval, with: {subject: May it be published?}}\n  \
     publish: {operator: empty, depends_on: ask}\n  tidy: {operator: empty, depends_on: publish, trigger_rule: all_done}\n";

async fn type_into(browser: &Browser, selector: &str, text: &str) {
    let field = browser.client.wait().for_element(Locator::Css(selector)).await.unwrap();
    field.clear().await.unwrap();
    field.send_keys(text).await.unwrap();
}

/// Triggers by the form, and comes to the run's page; gives its path.
async fn trigger(browser: &Browser, url: &str) -> String {
    browser.client.goto(&format!("{url}/dags/talk/trigger?name=Ana&note=by+a+link")).await.unwrap();
    let filled = "return document.getElementsByName('param.name')[0].value + '|' + document.getElementsByName('note')[0].value";
    assert_eq!(browser.script(filled).await, json!("Ana|by a link"));
    type_into(browser, "[name='param.list']", "[1,\n 2 3]").await;
    browser
        .until(
            "the fault and its place",
            "return document.querySelector('.json-bar').textContent.includes('line 2, column 4')",
        )
        .await;
    type_into(browser, "[name='param.list']", "[1, 2]").await;
    browser.click(".json-bar button").await;
    let formatted = "return document.getElementsByName('param.list')[0].value";
    assert_eq!(browser.script(formatted).await, json!("[\n  1,\n  2\n]"));
    browser.click("form button.main[type=submit]").await;
    browser.until("the run's page", "return location.pathname.includes('/runs/')").await;
    browser.until("what was done", "return document.querySelector('.done') !== null").await;
    assert_eq!(browser.script("return location.search").await, json!(""), "a reload does not say it again");
    browser.script("return location.pathname").await.as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_started_its_log_followed_and_searched_its_values_read_and_its_failures_cleared() {
    for width in WIDTHS {
        let name = "a_run_is_started_its_log_followed_and_searched_its_values_read_and_its_failures_cleared";
        let Some(browser) = Browser::start(name, width).await else { return };
        let world = World::new();
        let gate = world.home().with_file_name("gate");
        world.write_dag("talk.yaml", &dag(&gate));
        let server = world.serve();
        browser.visit(&format!("{}/dags/talk/trigger", server.url), width).await;
        let run = trigger(&browser, &server.url).await;
        let run = format!("{}{run}", server.url);
        follow_the_log(&browser, &run, &gate).await;
        browser.looks_right("the log", width).await;
        search_the_log(&browser).await;

        browser.visit(&format!("{run}/tasks/value?view=xcom"), width).await;
        browser.until("the tree", "return document.querySelector('.json').textContent.includes('<b>')").await;
        browser.until("the end", "return fetch(location.pathname.replace('/tasks/value', '')).then((it) => it.text()).then((it) => it.includes('Mark the run'))").await;
        for page in [
            "",
            "/gantt",
            "/audit",
            "/tasks/broken",
            "/tasks/value?view=arguments",
            "/tasks/value?view=events",
        ] {
            browser.visit(&format!("{run}{page}"), width).await;
        }
        clear_what_failed(&browser, &run, width).await;
        browser.end().await;
    }
}

/// The end of the log is in view, and stays in view as the log grows.
async fn follow_the_log(browser: &Browser, run: &str, gate: &std::path::Path) {
    browser.client.goto(&format!("{run}/tasks/say")).await.unwrap();
    let last = "return ([...document.querySelectorAll('.log .block .line')].at(-1)?.textContent ?? '')";
    browser.until("the end so far", &format!("{}.includes('more 2000')", last)).await;
    let lines = browser.script("return document.querySelectorAll('.log .line').length").await;
    assert!(lines.as_u64().unwrap() < 1_000, "only what is near is on the page: {lines}");
    std::fs::write(gate, "").unwrap();
    browser.until("the last line", &format!("{}.includes('the end of it')", last)).await;
    let is_at_end = "const log = document.querySelector('.log'); \
        return log.scrollTop + log.clientHeight > log.scrollHeight - 5";
    browser.until("the end in view", is_at_end).await;
}

async fn search_the_log(browser: &Browser) {
    type_into(browser, "[data-log-search]", "NEEDLE").await;
    browser
        .until("the hit", "return document.querySelector('[data-log-hits]').textContent === '1 line'")
        .await;
    browser.click("[data-log-next]").await;
    let marked = "const line = document.querySelector('.log .line.at'); \
        if (!line?.querySelector('mark')) return false; \
        const [inner, outer] = [line.getBoundingClientRect(), document.querySelector('.log').getBoundingClientRect()]; \
        return line.textContent.includes('needle') && inner.top >= outer.top && inner.bottom <= outer.bottom";
    browser.until("the hit in view", marked).await;
    assert!(browser.script("return location.search").await.as_str().unwrap().contains("q=NEEDLE"));
    type_into(browser, "[data-log-search]", "row 2").await;
    browser.click("[data-log-only]").await;
    // 2, 20 to 29, 200 to 299, 2000 to 2999.
    let only_hits = "return document.querySelector('[data-log-hits]').textContent === '1,111 lines' && \
        [...document.querySelectorAll('.log .block .line')].length > 0 && \
        [...document.querySelectorAll('.log .block .line')].every(line => line.textContent.includes('row 2'))";
    browser.until("only hits", only_hits).await;
    // A line that is no hit is shown all the same, among all lines; and so it is after a reload.
    browser.script("location.hash = 'L10'").await;
    browser
        .until("line 10", "return document.querySelector('.log .line.at .no')?.textContent === '10'")
        .await;
    browser.client.refresh().await.unwrap();
    browser
        .until("line 10", "return document.querySelector('.log .line.at .no')?.textContent === '10'")
        .await;
}

async fn clear_what_failed(browser: &Browser, run: &str, width: u32) {
    browser.visit(&format!("{run}/rerun?only_failed=true"), width).await;
    assert!(browser.text("main").await.contains("Clears 2 task instances."));
    browser.click("form[method=post] button.main").await;
    browser
        .until(
            "what was done",
            "return document.querySelector('.done')?.textContent === 'Cleared 2 task instances.'",
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_finds_a_question_and_answers_it() {
    for width in WIDTHS {
        let Some(browser) = Browser::start("a_person_finds_a_question_and_answers_it", width).await else {
            return;
        };
        let world = World::new();
        world.write_dag("asking.yaml", ASKING);
        let server = world.serve();
        browser.visit(&format!("{}/actions", server.url), width).await;
        let request = crate::support::client().post(format!("{}/api/v2/dags/asking/dagRuns", server.url));
        let answer = request.json(&json!({"logical_date": null, "dag_run_id": "r1"})).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
        // The list of questions comes by itself.
        browser.click("main td.first a").await;
        browser.until("the question", "return document.querySelector('.question form') !== null").await;
        let effects = "return [...document.querySelectorAll('.effects div')].map(it => it.textContent)";
        let expected = ["ApproveGoes on with publish, tidy.", "RejectGoes on with tidy. Skips publish."];
        assert_eq!(browser.script(effects).await, json!(expected));
        browser.looks_right("the question", width).await;
        browser.click(".question .answers button").await;
        browser
            .until(
                "the answer",
                "return document.querySelector('.question form') === null && \
            document.querySelector('.question b') !== null",
            )
            .await;
        browser.visit(&format!("{}/actions", server.url), width).await;
        browser.end().await;
    }
}
