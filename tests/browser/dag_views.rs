//! The pages beneath a DAG: its calendar, tasks, backfills, source, details and runs, wide and narrow, and a backfill that is
//! looked at before it is started.

use crate::driver::Browser;
use crate::support::World;
use fantoccini::Locator;

/// A DAG with all that the pages show.
const DAG: &str = "dag_id: views\ndescription: Pages beneath a DAG\nschedule: \"@daily\"\nstart_date: 2026-01-01\n\
tags: [demo]\ndefault_args: {owner: maria, retries: 2}\nparams:\n  limit: {type: integer, default: 10, description: How many}\n\
tasks:\n  first: {operator: empty}\n  second: {operator: empty, depends_on: first}\n";

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_beneath_a_dag_can_be_read_wide_and_narrow() {
    let name = "the_pages_beneath_a_dag_can_be_read_wide_and_narrow";
    for width in [1_280, 390] {
        let Some(browser) = Browser::start(name, width).await else { return };
        let world = World::new();
        world.write_dag("views.yaml", DAG);
        let server = world.serve();
        let dag = format!("{}/dags/views", server.url);
        browser.client.goto(&format!("{dag}/trigger")).await.unwrap();
        browser.click("form button.main[type=submit]").await;
        browser.until("the run's page", "return location.pathname.includes('/runs/')").await;
        world.write_dag("views.yaml", &DAG.replace("How many", "How many rows"));
        let is_second = "return fetch('/dags/views/source?version=2').then(({ ok }) => ok)";
        browser.until("the second version", is_second).await;
        for page in [
            "/calendar",
            "/calendar?year=2025",
            "/tasks",
            "/backfills",
            "/backfills?from=2026-02-01&until=2026-02-03&max_active_runs=2",
            "/source?version=2&against=1",
            "/details",
            "/runs?kind=manual",
            "/audit",
        ] {
            browser.visit(&format!("{dag}{page}"), width).await;
        }
        browser.client.goto(&format!("{dag}/calendar")).await.unwrap();
        browser.click(".month a[data-s]").await;
        let runs = "return location.search.startsWith('?from=') && document.querySelector('table.list a.name') !== null";
        browser.until("the runs of the day", runs).await;
        browser.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_says_which_runs_it_makes_before_it_is_started() {
    let name = "a_backfill_says_which_runs_it_makes_before_it_is_started";
    let Some(browser) = Browser::start(name, 1_280).await else { return };
    let world = World::new();
    world.write_dag("views.yaml", DAG);
    let server = world.serve();
    browser.client.goto(&format!("{}/dags/views/backfills", server.url)).await.unwrap();
    for (field, text) in [("from", "2026-02-01"), ("until", "2026-02-03")] {
        let selector = format!("main input[name={field}]");
        browser.client.find(Locator::Css(&selector)).await.unwrap().send_keys(text).await.unwrap();
    }
    browser.click("main form.filters button").await;
    browser.until("the plan", "return document.querySelectorAll('.dates li').length === 3").await;
    assert!(world.reader().await.backfills(None).await.unwrap().is_empty());
    browser.click("form[data-once] button.main").await;
    browser.until("the backfill", "return document.querySelector('progress') !== null").await;
    let backfills = world.reader().await.backfills(Some("views")).await.unwrap();
    assert_eq!(backfills.len(), 1);
    browser.end().await;
}
