//! What a person does to task instances: marks them, clears them, also in the runs before and after. What that touches is said
//! before, and what was done after.

use crate::driver::Browser;
use crate::support::{Server, World, client, until};
use serde_json::{Value, json};

const WIDTHS: [u32; 2] = [1_280, 390];

const STEPS: &str = "dag_id: steps\ntasks:\n  a: {operator: empty}\n  \
     b: {operator: bash, depends_on: a, with: {bash_command: exit 3}}\n  c: {operator: empty, depends_on: b}\n";

/// Starts a run that stands for a day of January, and waits until it is over.
async fn run_of_day(server: &Server, day: u32) {
    let body = json!({
        "dag_run_id": format!("day_{day}"),
        "logical_date": format!("2026-01-0{day}T00:00:00Z"),
    });
    let url = format!("{}/api/v2/dags/steps/dagRuns", server.url);
    let answer = client().post(url).json(&body).send().await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
    is_over(server, &format!("day_{day}"), "failed").await;
}

/// Waits until a run is over in this state.
async fn is_over(server: &Server, run_id: &str, state: &str) {
    let url = format!("{}/api/v2/dags/steps/dagRuns/{run_id}", server.url);
    until(&format!("{run_id} {state}"), async || {
        let run: Value = client().get(&url).send().await.ok()?.json().await.ok()?;
        (run["state"] == state).then_some(())
    })
    .await;
}

/// Waits until the page says this somewhere in its main part.
async fn says(browser: &Browser, text: &str) {
    let script =
        format!("return document.querySelector('main')?.innerText.includes({}) ?? false", json!(text));
    browser.until(text, &script).await;
}

/// Waits for what the page says was done.
async fn was_done(browser: &Browser, text: &str) {
    let script = format!("return document.querySelector('.done')?.textContent === {}", json!(text));
    browser.until(text, &script).await;
}

/// Chooses what is to be done; the page shows what that would touch by itself.
async fn choose(browser: &Browser, action: &str) {
    let script = format!(
        "const choice = document.querySelector('#action'); choice.value = '{action}'; \
         choice.dispatchEvent(new Event('change', {{ bubbles: true }}))"
    );
    browser.script(&script).await;
}

const DO_IT: &str = "form[method=post] button.main";

async fn mark(browser: &Browser, server: &Server, width: u32) {
    let run = format!("{}/dags/steps/runs/day_2", server.url);
    browser.visit(&format!("{run}/rerun?task=b"), width).await;
    choose(browser, "success").await;
    says(browser, "Gives 1 task instance the state success.").await;
    says(browser, "the run goes on").await;
    browser.looks_right("a preview", width).await;
    browser.click(DO_IT).await;
    was_done(browser, "Marked 1 task instance.").await;
    is_over(server, "day_2", "success").await;
    browser.visit(&format!("{run}/rerun?task=b"), width).await;
    choose(browser, "failed").await;
    says(browser, "Gives 1 task instance the state failed.").await;
    browser.click(DO_IT).await;
    was_done(browser, "Marked 1 task instance.").await;
    let marked = "return document.querySelector('[data-row$=\"/b/-1\"] [data-key] [data-s=failed], \
        [data-row$=\"/b/-1\"] [data-s=failed]') !== null";
    browser.until("the mark", marked).await;
}

async fn clear_before_and_after(browser: &Browser, server: &Server, width: u32) {
    let run = format!("{}/dags/steps/runs/day_2", server.url);
    browser.visit(&format!("{run}/rerun?task=b"), width).await;
    says(browser, "Clears 1 task instance.").await;
    browser.click("[name=past][type=checkbox]").await;
    says(browser, "In 2 runs.").await;
    browser.click("[name=future][type=checkbox]").await;
    says(browser, "In 3 runs.").await;
    says(browser, "Clears 3 task instances.").await;
    let named = "return ['day_1', 'day_3'].every((run) => document.querySelector('main table').innerText.includes(run))";
    browser.until("the runs by name", named).await;
    browser.looks_right("a preview over runs", width).await;
    browser.click(DO_IT).await;
    was_done(browser, "Cleared 3 task instances.").await;
    for run_id in ["day_1", "day_3"] {
        is_over(server, run_id, "failed").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_marked_or_cleared_is_shown_before_and_said_after() {
    for width in WIDTHS {
        let name = "what_is_marked_or_cleared_is_shown_before_and_said_after";
        let Some(browser) = Browser::start(name, width).await else { return };
        let world = World::new();
        world.write_dag("steps.yaml", STEPS);
        let server = world.serve();
        for day in 1..=3 {
            run_of_day(&server, day).await;
        }
        mark(&browser, &server, width).await;
        clear_before_and_after(&browser, &server, width).await;
        browser.end().await;
    }
}
