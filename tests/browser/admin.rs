//! The shared things of a home: a variable, a connection with its test, a user with a token are made, changed and removed; the
//! history is narrowed down and verified; each page opens at desk and phone width, light and dark.

use crate::driver::Browser;
use crate::support::World;
use fantoccini::Locator;
use serde_json::json;

/// Types into a field, in place of what stands there.
async fn fill(browser: &Browser, selector: &str, text: &str) {
    let field = browser.client.find(Locator::Css(selector)).await.unwrap();
    field.clear().await.unwrap();
    field.send_keys(text).await.unwrap();
}

/// Sends the form of the page, and waits for the page that it leads to.
async fn send(browser: &Browser, leads_to: &str) {
    browser.click("main form button.main[type=submit], main form button.danger[type=submit]").await;
    let there = format!("return location.pathname + location.search === {}", json!(leads_to));
    browser.until(leads_to, &there).await;
}

/// Whether the page says this.
async fn until_said(browser: &Browser, text: &str) {
    let says =
        format!("return document.querySelector('main')?.textContent.includes({}) ?? false", json!(text));
    browser.until(text, &says).await;
}

const USING: &str = "dag_id: using
tasks:
  one: {operator: bash, with: {bash_command: \"echo {{ var.value.limit }}\"}}
  two: {operator: redis, with: {connection: cellar, command: [PING]}, outlets: ['s3://air/raw']}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_is_made_changed_and_removed() {
    for width in [1_280, 390] {
        let Some(browser) = Browser::start("a_variable_is_made_changed_and_removed", width).await else {
            return;
        };
        let world = World::new();
        world.write_dag("using.yaml", USING);
        let server = world.serve();
        browser.client.goto(&format!("{}/variables", server.url)).await.unwrap();
        browser.click("a[href='/variables/edit']").await;
        until_said(&browser, "New variable").await;
        fill(&browser, "#key", "limit").await;
        fill(&browser, "#value", "12").await;
        fill(&browser, "#description", "readings a page").await;
        send(&browser, "/variables?saved=limit").await;
        until_said(&browser, "12").await;
        browser.looks_right("the list after saving", width).await;

        browser.click("a.name[href='/variables/edit?key=limit']").await;
        until_said(&browser, "Change the variable limit").await;
        browser.click("input[name=is_secret]").await;
        fill(&browser, "#value", "hunter22").await;
        send(&browser, "/variables?saved=limit").await;
        assert!(!browser.text("main").await.contains("hunter22"));
        browser.click("a[href='/variables/remove?key=limit']").await;
        until_said(&browser, "Remove the variable limit?").await;
        assert!(browser.text("main").await.contains("using"), "the DAG that reads it is named");
        browser.looks_right("what removing would do", width).await;
        send(&browser, "/variables?removed=limit").await;
        until_said(&browser, "No variables here").await;
        browser.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_tried_out_in_place_kept_and_removed() {
    for width in [1_280, 390] {
        let Some(browser) =
            Browser::start("a_connection_is_tried_out_in_place_kept_and_removed", width).await
        else {
            return;
        };
        let world = World::new();
        world.write_dag("using.yaml", USING);
        let server = world.serve();
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        browser.client.goto(&format!("{}/connections", server.url)).await.unwrap();
        browser.click("a[href='/connections/edit']").await;
        browser.click("a[href='/connections/edit?type=redis']").await;
        until_said(&browser, "New connection to Redis").await;
        fill(&browser, "#id", "cellar").await;
        fill(&browser, "#host", "127.0.0.1").await;
        fill(&browser, "#port", &closed.to_string()).await;
        fill(&browser, "#password", "hunter22").await;
        browser.script("window.mark = 'not reloaded'").await;
        browser.click("[data-try]").await;
        until_said(&browser, "refused the connection").await;
        let kept = "return window.mark === 'not reloaded' && document.querySelector('#password').value";
        assert_eq!(browser.script(kept).await, json!("hunter22"), "what is typed stays");
        browser.looks_right("a test that failed", width).await;
        send(&browser, "/connections?saved=cellar").await;
        until_said(&browser, &format!("127.0.0.1:{closed}")).await;

        browser.click("form:has(input[value=redis_default]) button").await;
        until_said(&browser, "The service answers").await;
        browser.click("a.name[href='/connections/edit?id=cellar']").await;
        until_said(&browser, "stays as it is").await;
        let password = browser.script("return document.querySelector('#password').value").await;
        assert_eq!(password, json!(""), "a page never holds it");
        fill(&browser, "#description", "cold storage").await;
        send(&browser, "/connections?saved=cellar").await;
        browser.click("a[href='/connections/remove?id=cellar']").await;
        until_said(&browser, "Remove the connection cellar?").await;
        assert!(browser.text("main").await.contains("using"), "the DAG that uses it is named");
        send(&browser, "/connections?removed=cellar").await;
        browser.end().await;
    }
}

/// Signs in on the page that asks who one is.
async fn sign_in(browser: &Browser, name: &str) {
    for (field, text) in [("username", name), ("password", "correct horse")] {
        let selector = format!("input[name={field}]");
        let input = browser.client.wait().for_element(Locator::Css(&selector)).await.unwrap();
        input.send_keys(text).await.unwrap();
    }
    browser.click("button[type=submit]").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_user_is_made_then_another_and_a_token_that_is_revoked() {
    for width in [1_280, 390] {
        let Some(browser) =
            Browser::start("the_first_user_is_made_then_another_and_a_token_that_is_revoked", width).await
        else {
            return;
        };
        let world = World::new();
        let server = world.serve();
        browser.client.goto(&format!("{}/users", server.url)).await.unwrap();
        browser.click("main a[href='/users/edit']").await;
        until_said(&browser, "The first user is an admin").await;
        fill(&browser, "#name", "maria").await;
        fill(&browser, "#password", "correct horse").await;
        fill(&browser, "#again", "correct horse").await;
        browser.click("main form button.main[type=submit]").await;
        browser.until("the page to sign in", "return location.pathname === '/login'").await;
        sign_in(&browser, "maria").await;
        until_said(&browser, "maria").await;
        browser.click("main a[href='/users/edit']").await;
        fill(&browser, "#name", "leo").await;
        browser.click("input[name=role][value=operator]").await;
        fill(&browser, "#password", "correct horse").await;
        fill(&browser, "#again", "another horse").await;
        browser.click("main form button.main[type=submit]").await;
        until_said(&browser, "The two passwords differ").await;
        browser.looks_right("a form that was refused", width).await;
        fill(&browser, "#password", "correct horse").await;
        fill(&browser, "#again", "correct horse").await;
        send(&browser, "/users?saved=leo").await;

        browser.client.goto(&format!("{}/tokens/new", server.url)).await.unwrap();
        fill(&browser, "#label", "nightly import").await;
        browser.click("main form button.main[type=submit]").await;
        let token = browser.text("pre.token").await;
        assert!(token.starts_with("esteira_") && token.len() > 60, "{token}");
        browser.looks_right("a new token", width).await;
        browser.client.goto(&format!("{}/tokens", server.url)).await.unwrap();
        assert!(!browser.text("main").await.contains(&token), "it is shown once");
        browser.click("main td.actions a").await;
        until_said(&browser, "Revoke the token nightly import?").await;
        send(&browser, "/tokens?removed=nightly%20import").await;
        for page in ["/users", "/users/edit?name=leo", "/users/remove?name=leo", "/tokens/new", "/account"] {
            browser.visit(&format!("{}{page}", server.url), width).await;
        }
        browser.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_is_narrowed_down_and_verified() {
    for width in [1_280, 390] {
        let Some(browser) = Browser::start("the_history_is_narrowed_down_and_verified", width).await else {
            return;
        };
        let world = World::new();
        world.write_dag("using.yaml", USING);
        let server = world.serve();
        server.trigger("using").await;
        browser.client.goto(&format!("{}/audit", server.url)).await.unwrap();
        until_said(&browser, "not verified").await;
        browser.click("form[action='/audit/verify'] button").await;
        until_said(&browser, "form one unbroken chain").await;
        fill(&browser, "input[name=name]", "run.created").await;
        browser.click("form.filters button").await;
        browser
            .until("the filter", "return new URLSearchParams(location.search).get('name') === 'run.created'")
            .await;
        until_said(&browser, "triggered the run").await;
        let rows = browser.script("return document.querySelectorAll('table.events tbody tr').length").await;
        assert_eq!(rows, json!(1));
        browser.click("td.raw summary").await;
        until_said(&browser, "\"run_type\": \"manual\"").await;
        browser.looks_right("the history with an event unfolded", width).await;
        let file = "return fetch(document.querySelector('a[download]').href).then((answer) => answer.text())";
        let lines = browser.script(file).await;
        let lines: Vec<&str> = lines.as_str().unwrap().lines().collect();
        assert!(lines.len() == 1 && lines[0].contains("\"event\":\"run.created\""), "{lines:?}");
        browser.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_admin_assets_and_audit_can_be_read_by_everybody() {
    for width in [1_280, 390] {
        let Some(browser) =
            Browser::start("the_pages_of_admin_assets_and_audit_can_be_read_by_everybody", width).await
        else {
            return;
        };
        let world = World::new();
        world.write_dag("using.yaml", USING);
        world.write_dag("broken.yaml", "dag_id: broken\ntasks: {a: {operator: bush}}\n");
        let server = world.serve();
        server.trigger("using").await;
        let pages = [
            "/pools",
            "/pools/edit",
            "/pools/of/default_pool",
            "/variables",
            "/variables/edit",
            "/variables/import",
            "/connections",
            "/connections/edit",
            "/connections/edit?type=redis",
            "/connections/edit?type=s3",
            "/users",
            "/users/edit",
            "/tokens",
            "/account",
            "/assets",
            "/assets/s3:%2F%2Fair%2Fraw",
            "/audit",
            "/dags/using/audit",
            "/import-errors",
        ];
        for page in pages {
            let joint = if page.contains('?') { '&' } else { '?' };
            for theme in ["light", "dark"] {
                browser.visit(&format!("{}{page}{joint}theme={theme}", server.url), width).await;
            }
        }
        // The same in Portuguese, whose words are longer.
        browser.script("document.cookie = 'language=pt-BR; path=/'").await;
        for page in pages {
            browser.visit(&format!("{}{page}", server.url), width).await;
        }
        browser.end().await;
    }
}
