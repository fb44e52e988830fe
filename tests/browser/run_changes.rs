//! What people do to runs: mark task instances in several runs at once, give a run another end, delete one; and what helps
//! them: a Gantt chart that folds, levels of a log, copied values, the values that were typed the last time.

use crate::driver::Browser;
use crate::support::{Server, World, client};
use fantoccini::Locator;
use serde_json::{Value, json};

const WIDTHS: [u32; 2] = [1_280, 390];

const DAG: &str = "dag_id: report\nparams:\n  name: {type: string, default: world}\n\
    task_groups:\n  load:\n    tasks:\n      \
    fetch: {operator: bash, with: {bash_command: echo fetched}}\n      \
    check: {operator: bash, depends_on: fetch, with: {bash_command: \"echo looking; exit 3\"}}\n\
    tasks:\n  value: {operator: python, with: {code: \"result = [1, 2]\"}}\n";

/// Triggers a run that stands for a day, and waits for its end.
async fn run_for(server: &Server, run_id: &str, day: u32) {
    let runs = format!("{}/api/v2/dags/report/dagRuns", server.url);
    let body = json!({"dag_run_id": run_id, "logical_date": format!("2026-01-0{day}T00:00:00Z")});
    let answer = client().post(&runs).json(&body).send().await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
    let wait = client().get(format!("{runs}/{run_id}/wait?interval=1")).send().await.unwrap();
    wait.text().await.unwrap();
}

async fn state_of(server: &Server, path: &str) -> Value {
    let answer =
        client().get(format!("{}/api/v2/dags/report/dagRuns/{path}", server.url)).send().await.unwrap();
    answer.json::<Value>().await.unwrap()["state"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_of_several_runs_are_marked_a_run_gets_another_end_and_is_deleted() {
    for width in WIDTHS {
        let name = "instances_of_several_runs_are_marked_a_run_gets_another_end_and_is_deleted";
        let Some(browser) = Browser::start(name, width).await else { return };
        let world = World::new();
        world.write_dag("report.yaml", DAG);
        let server = world.serve();
        for (run_id, day) in [("d1", 1), ("d2", 2), ("d3", 3)] {
            run_for(&server, run_id, day).await;
        }
        let run = format!("{}/dags/report/runs/d2", server.url);
        fold_the_chart(&browser, &run, width).await;
        mark_in_all_runs(&browser, &server, &run, width).await;
        mark_and_delete_the_run(&browser, &server, &run, width).await;
        browser.end().await;
    }
}

/// A group is one row that opens in place, and closes by a step back.
async fn fold_the_chart(browser: &Browser, run: &str, width: u32) {
    browser.visit(&format!("{run}/gantt"), width).await;
    let rows = "return [...document.querySelectorAll('.gantt a.name')].map(name => name.textContent)";
    assert_eq!(browser.script(rows).await, json!(["value", "load"]));
    browser.click(".gantt a.fold").await;
    let is_open = format!(
        "{} && location.search === '?open=load'",
        rows.replace("return ", "return String(") + ") === 'value,load,load.fetch,load.check'"
    );
    browser.until("the tasks of the group", &is_open).await;
    browser.looks_right("the chart with an open group", width).await;
    browser.client.back().await.unwrap();
    browser
        .until("the group closed", &(rows.replace("return ", "return String(") + ") === 'value,load'"))
        .await;
}

/// What a box touches is shown before it is done, in each run.
async fn mark_in_all_runs(browser: &Browser, server: &Server, run: &str, width: u32) {
    browser.visit(&format!("{run}/rerun?task=load.check&action=success"), width).await;
    assert!(browser.text("main").await.contains("Gives 1 task instance the state success."));
    browser.click("[name=past]").await;
    browser.until("the runs before", "return document.body.textContent.includes('In 2 runs.')").await;
    browser.click("[name=future]").await;
    browser.until("the runs after", "return document.body.textContent.includes('In 3 runs.')").await;
    let named =
        "return [...document.querySelectorAll('main table td.mono')].map(it => it.textContent).join()";
    assert_eq!(browser.script(named).await, json!(",d1,d3"), "the page is about d2");
    assert_eq!(state_of(server, "d1/taskInstances/load.check").await, "failed", "nothing is done yet");
    browser.looks_right("the preview over several runs", width).await;
    browser.click("form[method=post] button.main").await;
    let done = "return document.querySelector('.done')?.textContent === 'Marked 3 task instances.'";
    browser.until("what was done", done).await;
    for run_id in ["d1", "d2", "d3"] {
        assert_eq!(
            state_of(server, &format!("{run_id}/taskInstances/load.check")).await,
            "success",
            "{run_id}"
        );
    }
}

async fn mark_and_delete_the_run(browser: &Browser, server: &Server, run: &str, width: u32) {
    browser.visit(run, width).await;
    let before = state_of(server, "d2").await;
    browser.click("[data-row=mark] summary").await;
    browser.looks_right("the question before a mark", width).await;
    browser.click("[data-row=mark] button").await;
    browser.until("what was done", "return document.querySelector('.done') !== null").await;
    let after = state_of(server, "d2").await;
    assert!(before != after, "{before} became {after}");

    browser.click("[data-row=delete] summary").await;
    browser.looks_right("the question before a removal", width).await;
    browser.click("[data-row=delete] button").await;
    let done = "return document.querySelector('.done')?.textContent.startsWith('Deleted the run d2.')";
    browser.until("what was done", done).await;
    assert_eq!(browser.script("return location.search").await, json!(""), "a reload does not say it again");
    browser.looks_right("the runs that are left", width).await;
    let left = "return [...document.querySelectorAll('tbody tr')].map(row => row.textContent).filter(text => /d[123]/.test(text)).length";
    assert_eq!(browser.script(left).await, json!(2));
    assert_eq!(state_of(server, "d2").await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_shows_one_level_a_value_is_copied_and_the_last_values_are_offered() {
    let name = "a_log_shows_one_level_a_value_is_copied_and_the_last_values_are_offered";
    let Some(browser) = Browser::start(name, 1_280).await else { return };
    let world = World::new();
    world.write_dag("report.yaml", DAG);
    let server = world.serve();
    run_for(&server, "d1", 1).await;
    choose_a_level(&browser, &server).await;
    copy_a_value(&browser, &server).await;
    offer_the_last_values(&browser, &server).await;
    browser.end().await;
}

async fn choose_a_level(browser: &Browser, server: &Server) {
    browser.client.goto(&format!("{}/dags/report/runs/d1/tasks/load.check", server.url)).await.unwrap();
    let lines = "[...document.querySelectorAll('.log .block .line')].map(line => line.textContent)";
    browser.until("all lines", &format!("return {lines}.some(text => text.includes('looking'))")).await;
    let level = browser.client.find(Locator::Css("[data-log-level]")).await.unwrap();
    level.select_by_value("warning").await.unwrap();
    let only = format!(
        "return {lines}.some(text => text.includes('exit code 3')) && !{lines}.some(text => text.includes('looking'))"
    );
    browser.until("only what went wrong", &only).await;
    assert_eq!(browser.script("return location.search").await, json!("?level=warning"));
}

/// The clipboard of a browser without a window may be closed: what it would be given is noted instead.
async fn copy_a_value(browser: &Browser, server: &Server) {
    browser.client.goto(&format!("{}/dags/report/runs/d1/tasks/value?view=xcom", server.url)).await.unwrap();
    browser.script("navigator.clipboard.writeText = async text => { window.copied = text; }").await;
    browser.click("[data-copy-from]").await;
    browser.until("the copy", "return window.copied !== undefined").await;
    let copied = browser.script("return JSON.parse(window.copied)").await;
    assert_eq!(copied, json!([1, 2]));
    browser
        .until("the word", "return document.querySelector('[data-copy-from]').textContent === 'copied'")
        .await;
}

async fn offer_the_last_values(browser: &Browser, server: &Server) {
    let form = format!("{}/dags/report/trigger", server.url);
    browser.client.goto(&form).await.unwrap();
    let is_offered = "return !document.querySelector('[data-last]').hidden";
    assert_eq!(browser.script(is_offered).await, json!(false), "nothing was typed yet");
    let field = browser.client.find(Locator::Css("[name='param.name']")).await.unwrap();
    field.clear().await.unwrap();
    field.send_keys("Ana").await.unwrap();
    browser.click("form button.main[type=submit]").await;
    browser.until("the run's page", "return location.pathname.includes('/runs/')").await;
    browser.client.goto(&form).await.unwrap();
    let value = "return document.querySelector(\"[name='param.name']\").value";
    assert_eq!(browser.script(value).await, json!("world"), "offered, not filled in");
    browser.click("[data-last]").await;
    assert_eq!(browser.script(value).await, json!("Ana"));
}
