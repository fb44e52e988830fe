//! The pages of DAGs and runs: a run is triggered and watched, a viewer signs in, and every page opens.

use crate::driver::Browser;
use crate::support::World;
use fantoccini::Locator;
use serde_json::json;

/// The DAG that the tests run: one task waits for a file, so that a person sees it running.
fn dag(gate: &std::path::Path) -> String {
    format!(
        "dag_id: demo_dag\ndescription: A DAG for the browser\nparams:\n  name: {{type: string, default: world}}\ntasks:\n  \
         greet: {{operator: bash, with: {{bash_command: \"echo 'Hello, {{{{ params.name }}}}'\"}}}}\n  \
         wait: {{operator: bash, depends_on: greet, with: {{bash_command: \"until [ -e {} ]; do sleep 0.05; done\"}}}}\n  \
         end: {{operator: empty, depends_on: wait}}\n",
        gate.display()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_triggered_from_its_page_and_watched_to_its_end() {
    let Some(browser) =
        Browser::start("a_run_is_triggered_from_its_page_and_watched_to_its_end", 1_280).await
    else {
        return;
    };
    let world = World::new();
    let gate = world.home().with_file_name("gate");
    world.write_dag("demo_dag.yaml", &dag(&gate));
    let server = world.serve();

    browser.client.goto(&format!("{}/dags", server.url)).await.unwrap();
    assert!(browser.text("main").await.contains("A DAG for the browser"));
    browser.client.goto(&format!("{}/dags/demo_dag/trigger", server.url)).await.unwrap();
    let name = browser.client.find(Locator::Css("main input[name$=name]")).await.unwrap();
    name.clear().await.unwrap();
    name.send_keys("Ana").await.unwrap();
    browser.click("form button.main[type=submit]").await;

    // On the run's page from here on; the mark is gone if the page is ever loaded again.
    browser.until("the run's page", "return location.pathname.includes('/runs/')").await;
    browser.script("window.mark = 'not reloaded'").await;
    let running = "return [...document.querySelectorAll('table.tasks tr')].some(row => \
        row.textContent.includes('wait') && row.querySelector('[data-s=running]') !== null)";
    browser.until("the task that waits", running).await;
    std::fs::write(&gate, "").unwrap();
    let ended = "return document.querySelector('.head [data-s=success]') !== null && \
        document.querySelectorAll('table.tasks td [data-s=success]').length >= 3";
    browser.until("the end of the run", ended).await;
    assert_eq!(browser.script("return window.mark").await, json!("not reloaded"));

    let run = world.reader().await.runs(&Default::default(), 1).await.unwrap().rows.remove(0);
    assert_eq!(run.conf, json!({"name": "Ana"}));
    let task = format!("{}/dags/demo_dag/runs/{}/tasks/greet", server.url, run.run_id);
    browser.client.goto(&task).await.unwrap();
    browser.until("the log", "return document.body.textContent.includes('Hello, Ana')").await;
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_signs_in_sees_no_buttons_that_would_be_refused_and_signs_out() {
    let Some(browser) =
        Browser::start("a_viewer_signs_in_sees_no_buttons_that_would_be_refused_and_signs_out", 1_280).await
    else {
        return;
    };
    let world = World::new();
    world.write_dag("demo_dag.yaml", "dag_id: demo_dag\ntasks: {greet: {operator: empty}}\n");
    for (name, role) in [("maria", "admin"), ("victor", "viewer")] {
        world.typed(&["users", "create", name, "--role", role], "correct horse\n");
    }
    let server = world.serve();
    for (name, may) in [("victor", false), ("maria", true)] {
        browser.client.goto(&format!("{}/dags/demo_dag", server.url)).await.unwrap();
        for (field, text) in [("username", name), ("password", "correct horse")] {
            let selector = format!("input[name={field}]");
            let input = browser.client.wait().for_element(Locator::Css(&selector)).await.unwrap();
            input.send_keys(text).await.unwrap();
        }
        browser.click("button[type=submit]").await;
        // The page that was wanted before.
        browser.until("the page", "return location.pathname === '/dags/demo_dag'").await;
        assert!(browser.text(".rail .who").await.contains(name));
        let trigger = browser.script("return document.querySelector('a[href$=\"/trigger\"]') !== null").await;
        assert_eq!(trigger, json!(may), "{name}");
        // Live events come with the cookie alone.
        browser
            .until(
                "live events",
                "return document.querySelector('[data-live-indicator]').dataset.state === 'on'",
            )
            .await;
        browser.client.goto(&format!("{}/docs", server.url)).await.unwrap();
        browser
            .until("the API's page", "return document.body.textContent.includes('/api/v2/dags/{dag_id}')")
            .await;
        browser.client.goto(&format!("{}/dags", server.url)).await.unwrap();
        browser.click(".rail .who button").await;
        browser.until("the page to sign in", "return location.pathname === '/login'").await;
    }
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_opens_without_a_fault_at_desk_and_phone_width() {
    for width in [1_280, 390] {
        let Some(browser) =
            Browser::start("every_page_opens_without_a_fault_at_desk_and_phone_width", width).await
        else {
            return;
        };
        let world = World::new();
        let gate = world.home().with_file_name("gate");
        std::fs::write(&gate, "").unwrap();
        world.write_dag("demo_dag.yaml", &dag(&gate));
        world.write_dag("broken.yaml", "dag_id: broken\ntasks: {a: {operator: bush}}\n");
        let server = world.serve();
        let run_id = server.trigger("demo_dag").await;
        let run = format!("/dags/demo_dag/runs/{run_id}");
        let pages = [
            "/".to_owned(),
            "/dags".to_owned(),
            "/dags/demo_dag".to_owned(),
            "/dags/demo_dag/graph".to_owned(),
            "/dags/demo_dag/runs".to_owned(),
            "/dags/demo_dag/source".to_owned(),
            "/dags/demo_dag/audit".to_owned(),
            "/dags/demo_dag/trigger".to_owned(),
            run.clone(),
            format!("{run}/graph"),
            format!("{run}/tasks/greet"),
            "/runs".to_owned(),
            "/audit".to_owned(),
            "/import-errors".to_owned(),
            "/sensors".to_owned(),
        ];
        for page in pages {
            browser.visit(&format!("{}{page}", server.url), width).await;
        }
        browser.end().await;
    }
}
