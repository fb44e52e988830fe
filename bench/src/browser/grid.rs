//! A grid of 100 runs and 500 tasks: until its first byte, until something is painted, until it is drawn.

use super::{SIZE, TIMES, browser_at, open};
use crate::api::{RUNS, dag_id};
use anyhow::{Result, ensure};

/// Whether `static/grid.js` has drawn what is in sight.
const IS_DRAWN: &str = "return performance.getEntriesByName('esteira:grid').length > 0";

/// When what was reached, in milliseconds since the page was asked for; then the bytes on the wire and as they are read.
const FIGURES: &str = "const page = performance.getEntriesByType('navigation')[0]; \
    return [page.responseStart, page.responseEnd, performance.getEntriesByName('first-contentful-paint')[0].startTime, \
    performance.getEntriesByName('esteira:grid')[0].startTime, page.encodedBodySize, page.decodedBodySize, \
    document.querySelectorAll('.grid tbody tr').length]";

/// Opens the grid again and again.
pub(super) async fn measure(url: &str) -> Result<()> {
    let browser = browser_at(url).await?;
    let address = format!("{url}/dags/{}?runs={RUNS}", dag_id(0));
    println!(
        "\na grid of {RUNS} runs and {} tasks, ms after it was asked for; wanted: drawn under 500",
        SIZE.tasks
    );
    println!(
        "{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}",
        "first byte", "last byte", "painted", "drawn", "KB (wire)", "KB"
    );
    for _ in 0..TIMES {
        let figures: Vec<f64> = open(&browser, &address, IS_DRAWN, FIGURES).await?;
        ensure!(figures[6] as usize == SIZE.tasks, "the grid has {} rows", figures[6]);
        let (wire, whole) = (figures[4] / 1_024.0, figures[5] / 1_024.0);
        println!(
            "{:>12.0}{:>12.0}{:>12.0}{:>12.0}{wire:>12.0}{whole:>12.0}",
            figures[0], figures[1], figures[2], figures[3]
        );
    }
    browser.end().await;
    Ok(())
}
