//! The pages that people open first: home, the list of DAGs, all runs; in the language, the zone and the theme that they choose.

use crate::driver::Browser;
use crate::support::World;
use fantoccini::Locator;
use serde_json::json;

const SLEEPER: &str = "dag_id: sleeper\ndescription: Waits long\nschedule: '@yearly'\ntags: [slow]\n\
    tasks: {wait: {operator: bash, with: {bash_command: sleep 600}}}\n";
const BROKEN: &str = "dag_id: report\ntags: [daily]\n\
    tasks: {fetch: {operator: bash, with: {bash_command: exit 3}}}\n";

/// Waits until a text is on the page.
async fn says(browser: &Browser, text: &str) {
    browser
        .until(text, &format!("return document.querySelector('main').textContent.includes({})", json!(text)))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn home_tells_what_runs_what_failed_and_why_and_leads_there() {
    for width in [1_280, 390] {
        let test = "home_tells_what_runs_what_failed_and_why_and_leads_there";
        let Some(browser) = Browser::start(test, width).await else { return };
        let world = World::new();
        let server = world.serve();
        browser.visit(&format!("{}/", server.url), width).await;
        assert!(browser.text("main").await.contains("No DAGs yet"));
        world.write_dag("sleeper.yaml", SLEEPER);
        world.write_dag("report.yaml", BROKEN);
        // The page fills by itself.
        browser.script("window.mark = 'not reloaded'").await;
        says(&browser, "Nothing runs at the moment").await;
        server.trigger("sleeper").await;
        server.trigger("report").await;
        says(&browser, "exit code 3").await;
        browser
            .until(
                "the run under way",
                "return document.querySelector('.lines-list [data-s=running]') !== null",
            )
            .await;
        browser
            .until("its hour", "return document.querySelector('.hours rect[data-s=failed]') !== null")
            .await;
        assert_eq!(browser.script("return window.mark").await, json!("not reloaded"));
        browser.looks_right("home", width).await;
        browser.click(".because a").await;
        browser.until("what failed", "return location.pathname.endsWith('/tasks/fetch')").await;
        browser.client.back().await.unwrap();
        browser.click(".hours a:last-child").await;
        browser.until("the runs of the hour", "return location.pathname === '/runs'").await;
        let rows = "return document.querySelectorAll('main tbody tr').length";
        assert_eq!(browser.script(rows).await, json!(2));
        browser.visit(&format!("{}/runs?state=failed&kind=manual", server.url), width).await;
        assert_eq!(browser.script(rows).await, json!(1));
        browser.visit(&format!("{}/dags?state=failed", server.url), width).await;
        assert_eq!(browser.script(rows).await, json!(1));
        browser.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn language_zone_and_theme_are_chosen_once_and_hold_on_every_page() {
    let test = "language_zone_and_theme_are_chosen_once_and_hold_on_every_page";
    for width in [1_280, 390] {
        let Some(browser) = Browser::start(test, width).await else { return };
        let world = World::new();
        world.write_dag("report.yaml", BROKEN);
        let server = world.serve();
        server.trigger("report").await;
        browser.visit(&format!("{}/preferences?back=/", server.url), width).await;
        for (field, value) in [("language", "pt-BR"), ("theme", "dark")] {
            let selector = format!("select[name={field}]");
            let choice = browser.client.find(Locator::Css(&selector)).await.unwrap();
            choice.select_by_value(value).await.unwrap();
        }
        let zone = browser.client.find(Locator::Css("input[name=zone]")).await.unwrap();
        zone.clear().await.unwrap();
        zone.send_keys("America/Sao_Paulo").await.unwrap();
        browser.click("form .btn.main").await;
        browser.until("home", "return location.pathname === '/'").await;
        says(&browser, "Execuções das últimas 24 horas").await;
        browser
            .until("the end", "return document.querySelector('.lines-list [data-s=failed]') !== null")
            .await;
        browser.looks_right("home in Portuguese", width).await;
        let chosen = "const { lang, dataset } = document.documentElement; return [lang, dataset.theme, dataset.timeZone]";
        for page in ["/", "/dags", "/runs", "/dags/report"] {
            browser.visit(&format!("{}{page}", server.url), width).await;
            assert_eq!(browser.script(chosen).await, json!(["pt-BR", "dark", "America/Sao_Paulo"]), "{page}");
        }
        let time = "return document.querySelector('main time').title";
        browser.client.goto(&format!("{}/runs", server.url)).await.unwrap();
        let told = browser.script(time).await;
        assert!(told.as_str().unwrap().ends_with(" -03"), "{told}");
        browser.end().await;
    }
}
