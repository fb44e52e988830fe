//! The grid and the graph of a DAG: a group is folded, a cell opened beside the grid, the graph zoomed, the critical path lit.

use crate::driver::Browser;
use crate::support::{Server, World};
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

/// A grid of more cells than are sent as links: 20 tasks, one of them mapped, then 70 in a group.
fn large_dag() -> String {
    let many = |from: usize, to: usize, indent: &str| -> String {
        (from..to).map(|number| format!("{indent}task_{number}: {{operator: empty}}\n")).collect()
    };
    format!(
        "dag_id: large\nmax_active_runs: 30\ntask_groups:\n  load:\n    tasks:\n{}tasks:\n{}  mapped: {{operator: bash, \
         expand: {{env: [{{A: \"1\"}}, {{A: \"2\"}}]}}, with: {{bash_command: \"exit 0\"}}}}\n",
        many(0, 70, "      "),
        many(0, 19, "  ")
    )
}

/// The task and the column of the cell that has the focus.
const FOCUSED: &str = "const field = document.activeElement.closest('td, th'); \
    return [field?.parentElement.dataset.row ?? 'runs', field?.cellIndex]";

async fn press(browser: &Browser, key: &str) {
    let script = format!(
        "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {{ key: '{key}', bubbles: true, cancelable: true }}))"
    );
    browser.script(&script).await;
}

async fn walk_large(browser: &Browser, address: &str, server: &Server, width: u32) {
    browser.client.goto(&format!("{address}?runs=25")).await.unwrap();
    let first_row =
        "return document.querySelectorAll('tr[data-row=task_0] a.c[data-s=success]').length === 24";
    browser.until("the cells of the first row", first_row).await;
    let last_row = "return document.querySelectorAll('tr[data-row=\"load.task_69\"] td').length";
    assert_eq!(browser.script(last_row).await, json!(0), "a row that is far away is not drawn");

    // Tab reaches one cell, the keys all others.
    let stops = "return document.querySelectorAll('.grid a.c[tabindex=\"0\"]').length";
    assert_eq!(browser.script(stops).await, json!(1));
    browser.script("document.querySelector('.grid a.c[tabindex=\"0\"]').focus()").await;
    assert_eq!(browser.script(FOCUSED).await, json!(["runs", 24]));
    for (key, place) in [
        ("ArrowDown", json!(["task_0", 24])),
        ("Home", json!(["task_0", 1])),
        ("ArrowRight", json!(["task_0", 2])),
        ("ArrowDown", json!(["task_1", 2])),
        ("End", json!(["task_1", 24])),
        ("ArrowLeft", json!(["task_1", 23])),
    ] {
        press(browser, key).await;
        assert_eq!(browser.script(FOCUSED).await, place, "after {key}");
    }
    assert_eq!(browser.script(stops).await, json!(1));

    // A run that begins becomes a column, and what has the focus keeps it.
    let run_id = server.trigger("large").await;
    let column = format!(
        "return document.querySelector('.runs [data-key=\"large/{run_id}\"][data-s=success]') !== null"
    );
    browser.until("the new run", &column).await;
    browser.until("the cells of 25 runs", &first_row.replace("24", "25")).await;
    assert_eq!(browser.script(FOCUSED).await, json!(["task_1", 23]));

    // An address that names a cell far below opens it.
    browser.client.goto("about:blank").await.unwrap();
    browser
        .client
        .goto(&format!("{address}?runs=25#run=large%2F{}&task=load.task_69", run_id.replace('+', "%2B")))
        .await
        .unwrap();
    browser
        .until(
            "the panel",
            "return document.querySelector('[data-panel]').textContent.includes('load.task_69')",
        )
        .await;
    assert_eq!(browser.script("return document.querySelector('a.c.sel').dataset.s").await, json!("success"));

    let in_sight = "const place = document.querySelector('a.c.sel').getBoundingClientRect(), \
        box = document.querySelector('.gridbox').getBoundingClientRect(); \
        return place.top > 0 && place.bottom <= innerHeight + 1 && place.right <= box.right + 1";
    browser.until("the chosen cell in sight", in_sight).await;

    // A mapped task says how many instances it has; a folded group is one row.
    browser.script("document.querySelector('tr[data-row=mapped]').scrollIntoView()").await;
    browser
        .until(
            "the last row",
            "return document.querySelectorAll('tr[data-row=mapped] a[data-m]').length === 25",
        )
        .await;
    let name = "return document.querySelector('tr[data-row=mapped] a').ariaLabel";
    assert_eq!(browser.script(name).await, json!("2 instances: 2 success"));
    browser.script("document.querySelector('a.fold').click()").await;
    browser
        .until("the folded group", "return document.querySelectorAll('.grid tbody tr').length === 21")
        .await;
    let name = "return document.querySelector('tr[data-row=\"load.\"] a.c').ariaLabel";
    assert_eq!(browser.script(name).await, json!("70 instances: 70 success"));
    // With fewer rows: axe looks at each cell for a long time.
    browser.looks_right("the large grid with a folded group", width).await;
    browser.script("document.querySelector('a.fold').click()").await;
    browser.until("the group unfolded and drawn", &first_row.replace("24", "25")).await;

    // Without a script, all cells are links.
    browser.client.goto(&format!("{address}?runs=25&plain=true")).await.unwrap();
    assert_eq!(
        browser.script("return document.querySelectorAll('.grid tbody a.c').length").await,
        json!(90 * 25)
    );
}

async fn walk_large_on_a_phone(browser: &Browser, address: &str) {
    browser.visit(&format!("{address}?runs=25&folded=load"), 390).await;
    browser.client.goto(&format!("{address}?runs=25")).await.unwrap();
    let drawn = "return document.querySelectorAll('tr[data-row=task_0] a.c').length === 25";
    browser.until("the cells of the first row", drawn).await;
}

async fn walk_graph(browser: &Browser, address: &str, width: u32) {
    browser.visit(address, width).await;
    let size = "return Number(document.querySelector('svg.graph').getAttribute('width'))";
    // It opens as large as there is room for, but no smaller than its names can be read.
    let room = "return document.querySelector('.graphbox').clientWidth - 8";
    let drawn = "return document.querySelector('svg.graph').viewBox.baseVal.width";
    let (room, drawn) = (browser.script(room).await.as_f64(), browser.script(drawn).await.as_f64());
    let (room, drawn) = (room.unwrap(), drawn.unwrap());
    let first = browser.script(size).await.as_f64().unwrap();
    assert!((first - drawn.min(room.max(drawn * 0.75))).abs() < 1.5, "{first} of {drawn} in {room}");
    browser.click("[data-zoom=in]").await;
    assert!(browser.script(size).await.as_f64().unwrap() > first * 1.2);
    browser
        .script("document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '0', bubbles: true }))")
        .await;
    assert!((browser.script(size).await.as_f64().unwrap() - drawn).abs() < 1.5);
    browser.click("[data-critical]").await;
    browser.until("the lit path", "return location.search.includes('critical=1')").await;
    let lit =
        "return [...document.querySelectorAll('.node.critical .name')].map(name => name.textContent).sort()";
    assert_eq!(browser.script(lit).await, json!(["broken", "check", "fetch", "mapped", "start"]));
    // The panel around them says of which group they are.
    let panels = "return [...document.querySelectorAll('.graph .group text')].map(text => text.textContent)";
    assert_eq!(browser.script(panels).await, json!(["load"]));
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

#[tokio::test(flavor = "multi_thread")]
async fn a_large_grid_is_drawn_where_it_is_looked_at() {
    let Some(browser) = Browser::start("a_large_grid_is_drawn_where_it_is_looked_at", 1_280).await else {
        return;
    };
    let world = World::new();
    world.write_dag("large.yaml", &large_dag());
    let server = world.serve();
    for _ in 0..24 {
        server.trigger("large").await;
    }
    let address = format!("{}/dags/large", server.url);
    browser.client.goto(&format!("{address}?runs=25")).await.unwrap();
    let ended = "return document.querySelectorAll('.grid .runs [data-s=success]').length === 24";
    browser.until("the end of all runs", ended).await;
    walk_large(&browser, &address, &server, 1_280).await;
    walk_large_on_a_phone(&browser, &address).await;
    browser.end().await;
}
