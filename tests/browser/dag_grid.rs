//! The grid and the graph of a DAG: a group is folded, a cell opened beside the grid, the graph zoomed, the critical path lit.

use crate::driver::Browser;
use crate::support::World;
use serde_json::json;

const DAG: &str = "dag_id: grouped\ntask_groups:\n  load:\n    depends_on: mapped\n    tasks:\n      \
    fetch: {operator: bash, with: {bash_command: \"exit 0\"}}\n      check: {operator: empty, depends_on: fetch}\n\
    tasks:\n  start: {operator: empty}\n  broken: {operator: bash, depends_on: load, with: {bash_command: \"exit 3\"}}\n  \
    mapped: {operator: bash, depends_on: start, expand: {env: [{A: \"1\"}, {A: \"2\"}]}, with: {bash_command: \"exit 0\"}}\n";

/// The names of the rows.
const ROWS: &str = "return [...document.querySelectorAll('.grid tbody tr')].map(row => row.dataset.row)";

async fn walk(browser: &Browser, address: &str, run_id: &str, width: u32) {
    browser.visit(address, width).await;
    browser
        .until("the end of the run", "return document.querySelector('.grid .runs [data-s=failed]') !== null")
        .await;
    let rows = browser.script(ROWS).await;
    let rows: Vec<&str> = rows.as_array().unwrap().iter().map(|row| row.as_str().unwrap()).collect();
    assert!(rows.contains(&"load.") && rows.contains(&"load.fetch"), "{rows:?}");

    // A group folds in place, and its row has one cell for the run.
    browser.script("window.mark = 'not reloaded'").await;
    browser.click("tr[data-row='load.'] a.fold").await;
    let folded = "return document.querySelector('tr[data-row=\"load.\"] td a[data-s=success]') !== null && \
        document.querySelector('tr[data-row=\"load.fetch\"]') === null && location.search === '?folded=load'";
    browser.until("the folded group", folded).await;
    assert_eq!(browser.script("return window.mark").await, json!("not reloaded"));
    browser.looks_right("the grid with a folded group", width).await;
    browser.script("history.back()").await;
    browser
        .until("the group unfolded", "return document.querySelector('tr[data-row=\"load.fetch\"]') !== null")
        .await;

    // A cell names itself by its row and column, and opens beside the grid.
    browser.click("tr[data-row=broken] td a.c").await;
    browser
        .until(
            "the panel",
            "return document.querySelector('[data-panel]').textContent.includes('exit code 3')",
        )
        .await;
    let title = browser.script("return document.querySelector('tr[data-row=broken] td a.c').title").await;
    assert_eq!(title, json!(format!("broken · failed · {run_id}")));
    browser.looks_right("the grid with a panel", width).await;
}

async fn walk_graph(browser: &Browser, address: &str, width: u32) {
    browser.visit(address, width).await;
    let size = "return Number(document.querySelector('svg.graph').getAttribute('width'))";
    let before = browser.script(size).await.as_f64().unwrap();
    browser.click("[data-zoom=in]").await;
    assert!(browser.script(size).await.as_f64().unwrap() > before * 1.2);
    browser
        .script("document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '0', bubbles: true }))")
        .await;
    assert!((browser.script(size).await.as_f64().unwrap() - before).abs() < 1.5);
    browser.click("[data-critical]").await;
    browser.until("the lit path", "return location.search.includes('critical=1')").await;
    let lit =
        "return [...document.querySelectorAll('.node.critical .name')].map(name => name.textContent).sort()";
    assert_eq!(browser.script(lit).await, json!(["broken", "load.check", "load.fetch", "mapped", "start"]));
    assert_eq!(browser.script("return document.querySelectorAll('.edge.critical').length").await, json!(4));
    browser.looks_right("the graph with its critical path", width).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grid_folds_and_opens_and_the_graph_zooms_and_lights_its_path() {
    for width in [1_280, 390] {
        let test = "the_grid_folds_and_opens_and_the_graph_zooms_and_lights_its_path";
        let Some(browser) = Browser::start(test, width).await else { return };
        let world = World::new();
        world.write_dag("grouped.yaml", DAG);
        let server = world.serve();
        let run_id = server.trigger("grouped").await;
        walk(&browser, &format!("{}/dags/grouped", server.url), &run_id, width).await;
        walk_graph(&browser, &format!("{}/dags/grouped/runs/{run_id}/graph", server.url), width).await;
        browser.visit(&format!("{}/dags/grouped/graph?critical=1", server.url), width).await;
        browser.end().await;
    }
}
