//! What every page owes to those who use it by keyboard, and to those who live in another time zone than the machine.

use crate::driver::Browser;
use crate::support::World;
use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::{Value, json};

/// A DAG with a schedule, a group and a form.
const DAG: &str = "\
dag_id: demo_dag
description: A DAG for people
schedule: \"30 4 * * *\"
start_date: 2026-01-01
params: {options: {type: object, default: {dry: true}}}
tasks:
  greet: {operator: bash, with: {bash_command: \"echo 'Hello'\"}}
  end: {operator: empty, depends_on: greet}
";

/// More steps of the Tab key than these pages have things to reach.
const STEPS_MAX: usize = 120;

/// What the keyboard is at: its place in the page, what it is called, and what is wrong with it.
const FOCUSED: &str = r"
const at = document.activeElement;
if (!at || at === document.body) return null;
const bounds = at.getBoundingClientRect();
const { outlineStyle, outlineWidth } = getComputedStyle(at);
const faults = [];
if (outlineStyle === 'none' || parseFloat(outlineWidth) === 0) faults.push('it does not show that the keyboard is at it');
if (bounds.width < 2 || bounds.height < 2) faults.push('nobody sees it');
if (bounds.bottom <= 0 || bounds.top >= innerHeight || bounds.right <= 0 || bounds.left >= innerWidth) faults.push('it is outside the window');
return [[...document.querySelectorAll('*')].indexOf(at), at.outerHTML.slice(0, 120), faults]";

/// Times of day on the page that do not say the zone that was chosen. Names of runs hold times by UTC, logs are of the zone
/// that their tooltips name, and values in fields are typed.
const WITHOUT_ZONE: &str = r"
const isTime = (text) => /\d\d:\d\d/.test(text.replace(/\w+__\d{4}-\d\d-\d\dT[\d:.+]+/g, ''));
const isSaid = (text) => text.replace(/\w+__\d{4}-\d\d-\d\dT[\d:.+]+/g, '').split(/ – |, | to /).every((part) => !isTime(part) || part.trim().endsWith(' -03'));
const wrong = [];
for (const element of document.querySelectorAll('main *')) {
  if (element.closest('.hours, .source, .snippet, input, textarea, pre')) continue;
  const own = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data).join(' ');
  const texts = element.matches('.log time') ? [] : [own];
  for (const name of ['title', 'aria-label']) texts.push(element.getAttribute(name) ?? '');
  for (const text of texts) if (isTime(text) && !isSaid(text)) wrong.push(text.trim().slice(0, 120));
}
return wrong";

impl Browser {
    async fn strike(&self, key: &str) {
        self.client.active_element().await.unwrap().send_keys(key).await.unwrap();
    }

    /// Walks the page by the Tab key, to its end.
    async fn walk(&self, page: &str) {
        let mut places: Vec<Value> = Vec::new();
        for _ in 0..STEPS_MAX {
            self.strike(&Key::Tab.to_string()).await;
            let told = self.script(FOCUSED).await;
            let Some([place, name, faults]) = told.as_array().map(Vec::as_slice) else { break };
            assert_eq!(*faults, json!([]), "{page}: {name}");
            // At its end, a browser without a window begins again.
            if places.first() == Some(place) {
                break;
            }
            assert!(
                !places.contains(place),
                "{page}: the keyboard comes to {name} again, and not to the end"
            );
            places.push(place.clone());
            if places.len() == 1 {
                assert!(name.as_str().unwrap().contains("skip"), "{page} begins with {name}");
            }
        }
        assert!(places.len() > 10 && places.len() < STEPS_MAX, "{page} has {} stops", places.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_walked_by_keyboard_and_what_opens_closes_with_escape() {
    let name = "pages_are_walked_by_keyboard_and_what_opens_closes_with_escape";
    let Some(browser) = Browser::start(name, 1_280).await else { return };
    let world = World::new();
    world.write_dag("demo_dag.yaml", DAG);
    let server = world.serve();
    let run = format!("/dags/demo_dag/runs/{}", server.trigger("demo_dag").await);
    let pages =
        ["/", "/dags", "/runs", "/dags/demo_dag", "/dags/demo_dag/graph", "/dags/demo_dag/tasks", "/pools"];
    for page in pages.into_iter().map(str::to_owned).chain([run.clone(), format!("{run}/tasks/greet")]) {
        browser.client.goto(&format!("{}{page}", server.url)).await.unwrap();
        browser.walk(&page).await;
        browser.script("document.activeElement.blur()").await;
        browser.strike("/").await;
        let is_search =
            "const at = document.activeElement; return at.type === 'search' && at.checkVisibility()";
        assert_eq!(browser.script(is_search).await, json!(true), "/ on {page}");
    }

    browser.client.goto(&format!("{}{run}", server.url)).await.unwrap();
    let summary = browser.client.wait().for_element(Locator::Css("details.confirm summary")).await.unwrap();
    let state = "const menu = document.querySelector('details.confirm'); \
        return [menu.open, document.activeElement === menu.querySelector('summary')]";
    summary.click().await.unwrap();
    browser.strike(&Key::Tab.to_string()).await;
    assert_eq!(browser.script(state).await, json!([true, false]));
    browser.strike(&Key::Escape.to_string()).await;
    assert_eq!(browser.script(state).await, json!([false, true]));
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_time_is_of_the_zone_that_was_chosen_and_says_so() {
    let name = "every_time_is_of_the_zone_that_was_chosen_and_says_so";
    let Some(browser) = Browser::start(name, 1_280).await else { return };
    let world = World::new();
    world.write_dag("demo_dag.yaml", DAG);
    world.write_dag("broken.yaml", "dag_id: broken\ntasks: {a: {operator: bush}}\n");
    let server = world.serve();
    let run = format!("/dags/demo_dag/runs/{}", server.trigger("demo_dag").await);
    browser.client.goto(&format!("{}/", server.url)).await.unwrap();
    browser.script("document.cookie = 'zone=America/Sao_Paulo; path=/'").await;
    let of_dag =
        ["", "/graph", "/runs", "/calendar", "/tasks", "/details", "/backfills", "/source", "/audit"];
    let of_run = ["", "/gantt", "/graph", "/audit", "/tasks/greet", "/tasks/greet?view=events"];
    let pages = of_dag.map(|page| format!("/dags/demo_dag{page}")).into_iter();
    let pages = pages.chain(of_run.map(|page| format!("{run}{page}")));
    for page in pages.chain(["/", "/dags", "/runs", "/audit", "/assets", "/import-errors"].map(str::to_owned))
    {
        browser.client.goto(&format!("{}{page}", server.url)).await.unwrap();
        assert_eq!(browser.script(WITHOUT_ZONE).await, json!([]), "{page}");
    }
    // By the clocks of São Paulo, the run of 4:30 is due at 1:30.
    browser.client.goto(&format!("{}/dags/demo_dag/details", server.url)).await.unwrap();
    assert!(browser.text("main").await.contains(" 01:30:00 -03"));
    // The hours of the first page have no room for it: their heading says it.
    browser.client.goto(&format!("{}/", server.url)).await.unwrap();
    assert!(browser.text(".activity .head").await.contains("America/Sao_Paulo"));
    browser.end().await;
}
