//! What a person looks at in a run: the Gantt chart of more instances than fit a page; the end of a log; values, which are copied.

use crate::driver::Browser;
use crate::support::{Server, World, client, until};
use fantoccini::Locator;
use serde_json::{Value, json};

const WIDTHS: [u32; 2] = [1_280, 390];

/// More instances than a page of the chart has, a value, and a task that says something before it fails.
const VIEWS: &str = "dag_id: views
params: {numbers: {type: array, default: []}}
max_active_tasks: 64
task_groups:
  each: {expand: {n: \"{{ params.numbers }}\"}, tasks: {one: {operator: empty}}}
tasks:
  value: {operator: python, with: {code: \"result = {'rows': [1, 2]}\"}}
  broken: {operator: bash, with: {bash_command: 'for i in $(seq 500); do echo row $i; done; exit 3'}}
";

const INSTANCES: u32 = 320;

/// Starts the run, and waits until it is over.
async fn run(server: &Server) {
    let numbers: Vec<u32> = (0..INSTANCES).collect();
    let runs = format!("{}/api/v2/dags/views/dagRuns", server.url);
    let body = json!({ "dag_run_id": "r1", "conf": { "numbers": numbers } });
    let answer = client().post(&runs).json(&body).send().await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
    until("the end", async || {
        let run: Value = client().get(format!("{runs}/r1")).send().await.ok()?.json().await.ok()?;
        (run["state"] == "failed").then_some(())
    })
    .await;
}

/// Groups and mapped tasks open and close; of many instances the chart says which it shows, and leads to the others.
async fn fold_the_chart(browser: &Browser, run: &str, width: u32) {
    browser.visit(&format!("{run}/gantt"), width).await;
    let rows = "return document.querySelectorAll('table.gantt tbody tr').length";
    assert_eq!(browser.script(rows).await, json!(3), "a group is one row");
    browser.click("a.fold[aria-label='Open each']").await;
    browser.click("a.fold[aria-label='Open each.one']").await;
    browser
        .until("what is shown", "return document.querySelector('.pager')?.innerText.includes('1–300 of 324')")
        .await;
    assert_eq!(browser.script(rows).await, json!(300));
    browser.looks_right("a chart that is open", width).await;
    let has = |name: &str| {
        format!(
            "return [...document.querySelectorAll('table.gantt a.name')].some((it) => it.textContent === '{name}')"
        )
    };
    assert_eq!(browser.script(&has("each.one [0]")).await, json!(true));
    browser.click(".pager a:last-of-type").await;
    browser.until("the rest", &has("each.one [319]")).await;
    browser.client.back().await.unwrap();
    browser.click("a.fold[aria-label='Close each']").await;
    browser.until("closed", "return document.querySelectorAll('table.gantt tbody tr').length === 3").await;
    assert_eq!(browser.script("return document.querySelector('.pager')").await, Value::Null);
}

/// A log that is over opens at its very end.
async fn open_the_log(browser: &Browser, run: &str, width: u32) {
    browser.visit(&format!("{run}/tasks/broken"), width).await;
    browser.until("the log", "return document.querySelectorAll('.log .block .line').length > 20").await;
    let is_at_end = "const [log, last] = [document.querySelector('.log'), [...document.querySelectorAll('.log .block .line')].at(-1)]; \
        return log.getBoundingClientRect().bottom + 1 >= last.getBoundingClientRect().bottom";
    browser.until("the last line in view", is_at_end).await;
}

/// A value is copied as a person would read it, and the button says so for a moment.
async fn copy_a_value(browser: &Browser, run: &str) {
    browser.client.goto(&format!("{run}/tasks/value?view=xcom")).await.unwrap();
    let button = "document.querySelector('[data-copy-from]')";
    browser.until("a button that works", &format!("return {button}?.hidden === false")).await;
    browser.click("[data-copy-from]").await;
    browser.until("what was done", &format!("return {button}.textContent === 'copied'")).await;
    // Once more while it says so: it says what it does again afterwards.
    browser.click("[data-copy-from]").await;
    browser.until("the button as before", &format!("return {button}.textContent === 'Copy'")).await;
    let field = "const field = document.createElement('textarea'); field.id = 'paste'; document.body.append(field); field.focus()";
    browser.script(field).await;
    let field = browser.client.find(Locator::Id("paste")).await.unwrap();
    field.send_keys("\u{E009}v").await.unwrap();
    let pasted = "return document.querySelector('#paste').value";
    browser.until("what was copied", &format!("{pasted} !== ''")).await;
    let pasted = browser.script(pasted).await.as_str().unwrap().to_owned();
    assert_eq!(serde_json::from_str::<Value>(&pasted).unwrap(), json!({ "rows": [1, 2] }));
    assert!(pasted.contains('\n'), "for people: {pasted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_of_many_is_folded_a_log_opened_at_its_end_and_a_value_copied() {
    for width in WIDTHS {
        let name = "a_chart_of_many_is_folded_a_log_opened_at_its_end_and_a_value_copied";
        let Some(browser) = Browser::start(name, width).await else { return };
        let world = World::new();
        world.write_dag("views.yaml", VIEWS);
        let server = world.serve();
        run(&server).await;
        let run = format!("{}/dags/views/runs/r1", server.url);
        fold_the_chart(&browser, &run, width).await;
        open_the_log(&browser, &run, width).await;
        copy_a_value(&browser, &run).await;
        browser.end().await;
    }
}
