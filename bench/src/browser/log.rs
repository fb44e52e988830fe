//! A log of more than 100 MB: until it is open, and whether the page keeps moving while it is scrolled and while another log
//! grows by a thousand lines a second.

use super::{TIMES, browser_at, open, told, until};
use crate::api::Site;
use anyhow::Result;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// How many lines the long log has.
const LINES: u64 = 1_000_000;

/// The lines of the long log: their number and some words.
const LONG: &str = "dag_id: long_log\ntasks:\n  talk: {operator: bash, with: {bash_command: \"seq -f 'line %.0f of a log that \
    is longer than anybody would ever want to read from its beginning to its end' 1 1000000\"}}\n";

/// A thousand lines a second, for twelve seconds.
const TALKING: &str = "dag_id: talking\ntasks:\n  talk: {operator: bash, with: {bash_command: \"for i in $(seq 120); do \
    seq -f 'line %.0f of a log that grows' 100; sleep 0.1; done\"}}\n";

/// The run with the long log.
const RUN_ID: &str = "long";

/// Whether `static/log.js` shows the end, numbered.
const IS_OPEN: &str = "return performance.getEntriesByName('esteira:log').length > 0";

const FIGURES: &str = "const page = performance.getEntriesByType('navigation')[0]; \
    return [page.responseStart, performance.getEntriesByName('first-contentful-paint')[0].startTime, \
    performance.getEntriesByName('esteira:log')[0].startTime]";

/// Counts the frames of five seconds: how many, how many that took more than 50 ms, and the longest, in milliseconds.
const COUNT_FRAMES: &str = "window.frames_seen = null; const gaps = []; let last = performance.now(); const begin = last; \
    const step = now => { gaps.push(now - last); last = now; \
    if (now - begin < 5000) requestAnimationFrame(step); \
    else window.frames_seen = [gaps.length, gaps.filter(gap => gap > 50).length, Math.max(...gaps)]; }; \
    requestAnimationFrame(step);";

/// Turns the wheel, so to speak: 400 pixels a frame, up through the log.
const SCROLL: &str = "const view = document.querySelector('[data-log-view]'); const begin = performance.now(); \
    const step = now => { view.scrollTop -= 400; if (now - begin < 5000) requestAnimationFrame(step); }; \
    requestAnimationFrame(step);";

/// Adds the DAGs that talk to the folder.
pub(super) fn write_dags(folder: &Path) -> Result<()> {
    fs::write(folder.join("long_log.yaml"), LONG)?;
    Ok(fs::write(folder.join("talking.yaml"), TALKING)?)
}

/// Lets a run write the long log, unless one did; its name.
pub(super) async fn write_long_log(site: &Site) -> Result<String> {
    let runs = site.json("/api/v2/dags/long_log/dagRuns").await?;
    if runs["total_entries"] == 0 {
        site.trigger("long_log", RUN_ID).await?;
    }
    site.length(&format!("/api/v2/dags/long_log/dagRuns/{RUN_ID}/wait?interval=1")).await?;
    Ok(RUN_ID.to_owned())
}

/// Opens the long log, the first time when nobody has read it yet; scrolls it; follows the one that grows.
pub(super) async fn measure(site: &Site, url: &str, run_id: &str) -> Result<()> {
    let browser = browser_at(url).await?;
    println!("\na log of {LINES} lines, ms after it was asked for; wanted: open under 300");
    println!("{:>12}{:>12}{:>12}", "first byte", "painted", "open");
    let address = format!("{url}/dags/long_log/runs/{run_id}/tasks/talk");
    for _ in 0..TIMES {
        let figures: Vec<f64> = open(&browser, &address, IS_OPEN, FIGURES).await?;
        println!("{:>12.0}{:>12.0}{:>12.0}", figures[0], figures[1], figures[2]);
    }
    browser.client.execute(SCROLL, Vec::new()).await?;
    print_frames(&browser, "scrolled through").await?;
    let talking = format!("talk_{}", jiff::Timestamp::now().as_second());
    site.trigger("talking", &talking).await?;
    browser.client.goto(&format!("{url}/dags/talking/runs/{talking}/tasks/talk")).await?;
    until(&browser, IS_OPEN).await?;
    print_frames(&browser, "followed at 1,000 lines a second").await?;
    browser.end().await;
    Ok(())
}

async fn print_frames(browser: &crate::chromium::Chromium, how: &str) -> Result<()> {
    browser.client.execute(COUNT_FRAMES, Vec::new()).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    until(browser, "return window.frames_seen !== null").await?;
    let [frames, long, longest]: [f64; 3] = told(browser, "return window.frames_seen").await?;
    println!(
        "{how}: {frames:.0} frames in 5 s, {long:.0} of them longer than 50 ms, the longest {longest:.0} ms"
    );
    Ok(())
}
