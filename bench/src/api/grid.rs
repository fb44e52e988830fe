//! A grid of 100 runs and 500 tasks, in a browser: until its first byte, until something is painted, until it is drawn.

use super::history::{self, Size};
use super::site::Site;
use crate::chromium::Chromium;
use crate::server::Server;
use anyhow::{Context, Error, Result, ensure};
use std::path::Path;
use std::time::{Duration, Instant};

/// One DAG with many tasks.
const SIZE: Size = Size { dags: 1, tasks: 500 };

/// How often the page is opened. The first time, the browser has none of its scripts yet.
const TIMES: usize = 8;

/// How long the browser may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether `static/grid.js` has drawn what is in sight.
const IS_DRAWN: &str = "return performance.getEntriesByName('esteira:grid').length > 0";

/// When what was reached, in milliseconds since the page was asked for; then the bytes on the wire and in memory.
const FIGURES: &str = "const page = performance.getEntriesByType('navigation')[0]; \
    const paint = performance.getEntriesByName('first-contentful-paint')[0]; \
    return [page.responseStart, page.responseEnd, paint?.startTime ?? 0, \
    performance.getEntriesByName('esteira:grid')[0].startTime, page.encodedBodySize, page.decodedBodySize, \
    document.querySelectorAll('.grid tbody tr').length, document.querySelectorAll('.grid tbody a.c').length]";

/// Opens the grid again and again.
pub(super) async fn measure_in(folder: &Path) -> Result<()> {
    history::in_folder(folder, SIZE).await?;
    let mut server = Server::start(&folder.join("home"), &folder.join("dags"))?;
    server.wait_for_answer()?;
    Site::of(&server)?.settle().await?;
    let browser = Chromium::start(1_440).await.map_err(Error::msg)?;
    let address = format!("{}/dags/{}?runs={}", server.url(), history::dag_id(0), history::RUNS);
    println!(
        "a grid of {} runs and {} tasks, in ms after it was asked for; wanted: drawn under 500",
        history::RUNS,
        SIZE.tasks
    );
    println!(
        "{:>12} {:>12} {:>12} {:>12} {:>10} {:>12} {:>14}",
        "first byte", "last byte", "first paint", "drawn", "KB (wire)", "KB", "links in sight"
    );
    for _ in 0..TIMES {
        let figures = open(&browser, &address).await?;
        ensure!(figures[6] as usize == SIZE.tasks, "the grid has {} rows", figures[6]);
        println!(
            "{:>12.0} {:>12.0} {:>12.0} {:>12.0} {:>10.0} {:>12.0} {:>14.0}",
            figures[0],
            figures[1],
            figures[2],
            figures[3],
            figures[4] / 1_024.0,
            figures[5] / 1_024.0,
            figures[7]
        );
    }
    browser.end().await;
    Ok(())
}

async fn open(browser: &Chromium, address: &str) -> Result<Vec<f64>> {
    browser.client.goto(address).await?;
    let begun = Instant::now();
    while browser.client.execute(IS_DRAWN, Vec::new()).await? != true {
        ensure!(begun.elapsed() < PATIENCE, "the grid is not drawn");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let figures = browser.client.execute(FIGURES, Vec::new()).await?;
    serde_json::from_value(figures).context("the page has no figures")
}
